/** What an endpoint shows of a server stays the same object over a reload that changes nothing of it, with every listing that it has turned. */
import type { UpstreamPool } from '../../upstream/pool.ts';
import { ServerView, type ServerViewOptions } from './server-view.ts';

interface Kept {
  readonly options: ServerViewOptions;
  readonly view: ServerView;
}

/** Endpoints that are remembered of one server. */
const MAX_KEPT = 100;

const KEPT = new WeakMap<UpstreamPool, Map<string, Kept>>();

/** `endpoint` tells the endpoints of the server apart. The pool of a server that has changed is another one. */
export function keptServerView(pool: UpstreamPool, endpoint: string, options: ServerViewOptions): ServerView {
  const kept = KEPT.get(pool) ?? new Map<string, Kept>();
  KEPT.set(pool, kept);
  const before = kept.get(endpoint);
  if (before !== undefined && areSame(before.options, options)) return before.view;
  const view = new ServerView(options);
  // The newest stands last.
  kept.delete(endpoint);
  kept.set(endpoint, { options, view });
  const [oldest] = kept.keys();
  if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
  return view;
}

/** Rows of the store that have not changed are the same objects after a reload. */
function areSame(one: ServerViewOptions, other: ServerViewOptions): boolean {
  return (
    one.server === other.server &&
    one.names === other.names &&
    one.tools === other.tools &&
    haveSameElements(one.overrides, other.overrides) &&
    haveSameElements(one.selection, other.selection)
  );
}

function haveSameElements(one: readonly unknown[] | undefined, other: readonly unknown[] | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.length === other.length && one.every((element, at) => element === other[at]);
}
