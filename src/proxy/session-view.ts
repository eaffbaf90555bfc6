/** What it means for a session when something else exists for it than before: on a reload, or because its principal has other rights. */
import { isDeepStrictEqual } from 'node:util';
import { notificationText, parseMessage } from '../mcp/message.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Session } from './session.ts';
import type { View } from './view/view.ts';

const LISTS = ['tools', 'prompts', 'resources'] as const;
const NOTICES = LISTS.map((list) => parseMessage(notificationText(`notifications/${list}/list_changed`)));

interface Difference {
  /** Servers that exist no more. */
  readonly lost: readonly UpstreamPool[];
  /** True when listings may differ. */
  readonly noticeable: boolean;
}

/** Sessions share views, so that few pairs are ever compared. */
const DIFFERENCES = new WeakMap<View, WeakMap<View, Difference>>();

/** From now on this exists for the session: it hears no more of servers that do not, and learns that lists may differ. */
export function moveToView(session: Session, view: View): void {
  const { lost, noticeable } = difference(session.view, view);
  session.view = view;
  for (const pool of lost) void pool.detach(session).catch(() => undefined);
  if (noticeable) for (const notice of NOTICES) session.onNotification('', notice);
}

/** True when clients can notice that one view is in the place of the other. */
export function differ(before: View, after: View): boolean {
  return difference(before, after).noticeable;
}

function difference(before: View, after: View): Difference {
  let known = DIFFERENCES.get(before);
  if (known === undefined) DIFFERENCES.set(before, (known = new WeakMap()));
  let found = known.get(after);
  if (found === undefined) {
    found = {
      lost: [...before.pools.values()].filter(({ name }) => !after.pools.has(name)),
      noticeable: !isDeepStrictEqual(before.madeFrom, after.madeFrom),
    };
    known.set(after, found);
  }
  return found;
}
