/** Finds the route of a request in the table: words before parameters, and never two routes for one request. */
import type { Method, Route } from './route.ts';

export type Match =
  | { readonly route: Route; readonly params: Readonly<Record<string, string>> }
  /** The path is known, but not for this method. */
  | { readonly allowed: readonly string[] };

interface Node {
  readonly words: Map<string, Node>;
  parameter: Node | undefined;
  readonly routes: Map<Method, { readonly route: Route; readonly names: readonly string[] }>;
}

export class Router {
  readonly #root = node();

  /** Throws an Error when two routes would answer the same request. */
  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      for (const path of pathsOf(route)) this.#add(route, path);
    }
  }

  /** undefined when nothing lives at the path. */
  match(method: string, path: string): Match | undefined {
    const segments = segmentsOf(path);
    if (segments === undefined) return undefined;
    const found = find(this.#root, segments);
    if (found === undefined) return undefined;
    const { routes } = found.node;
    const entry = routes.get(method as Method) ?? (method === 'HEAD' ? routes.get('GET') : undefined);
    if (entry === undefined) return { allowed: [...routes.keys()] };
    return {
      route: entry.route,
      params: Object.fromEntries(entry.names.map((name, index) => [name, found.values[index] ?? ''])),
    };
  }

  #add(route: Route, path: string): void {
    const names: string[] = [];
    let at = this.#root;
    for (const segment of path.split('/').slice(1)) {
      const name = /^\{(\w+)\}$/.exec(segment)?.[1];
      if (name === undefined) {
        const next = at.words.get(segment) ?? node();
        at.words.set(segment, next);
        at = next;
      } else {
        names.push(name);
        at = at.parameter ??= node();
      }
    }
    const other = at.routes.get(route.method);
    if (other !== undefined) throw new Error(`${route.method} ${path}: both ${other.route.action} and ${route.action}`);
    at.routes.set(route.method, { route, names });
  }
}

/** Every path of the route, as clients use it. */
export function pathsOf(route: Route): readonly string[] {
  return [`/v1${route.path}`, ...route.aliases];
}

/** Tells the paths of the API from all others: `/v1`, and whatever begins like an alias. */
export function ownedPaths(routes: readonly Route[]): (path: string) => boolean {
  const first = new Set(['v1', ...routes.flatMap(({ aliases }) => aliases.map((alias) => alias.split('/')[1]))]);
  return (path) => first.has(path.split('/', 2)[1]);
}

function node(): Node {
  return { words: new Map(), parameter: undefined, routes: new Map() };
}

/** Decoded; undefined for what is no path of ours. */
function segmentsOf(path: string): readonly string[] | undefined {
  const trimmed = path.length > 1 && path.endsWith('/') ? path.slice(1, -1) : path.slice(1);
  try {
    return trimmed.split('/').map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

/** The node at the end of the path, and what stands where the path to it has parameters. */
function find(
  at: Node,
  [segment, ...rest]: readonly string[],
): { readonly node: Node; readonly values: readonly string[] } | undefined {
  if (segment === undefined) return at.routes.size === 0 ? undefined : { node: at, values: [] };
  const word = at.words.get(segment);
  const byWord = word && find(word, rest);
  if (byWord !== undefined || at.parameter === undefined || segment === '') return byWord;
  const byParameter = find(at.parameter, rest);
  return byParameter && { node: byParameter.node, values: [segment, ...byParameter.values] };
}
