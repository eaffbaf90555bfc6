/** Counts requests and how long they took: a few map look-ups and additions for each, text only when somebody asks. */

/** Upper bounds in seconds. From what the gateway itself adds, up to tools that work for minutes. */
export const DURATION_BUCKETS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120,
];

/** Method names come from clients: only those of the protocol get a series of their own. */
const METHODS = new Set([
  'initialize',
  'ping',
  'server/discover',
  'tools/list',
  'tools/call',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'resources/subscribe',
  'resources/unsubscribe',
  'subscriptions/listen',
  'prompts/list',
  'prompts/get',
  'completion/complete',
  'logging/setLevel',
  'tasks/get',
  'tasks/list',
  'tasks/result',
  'tasks/update',
  'tasks/cancel',
  'notifications/initialized',
  'notifications/cancelled',
  'notifications/progress',
  'notifications/roots/list_changed',
]);

export interface Series {
  readonly route: string;
  /** Empty for what the gateway answered by itself, or asked several servers for. */
  readonly server: string;
  readonly method: string;
  /** By outcome: `ok` or the code of an error. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** Requests in each bucket (not cumulated); the last is for all that took longer. */
  readonly buckets: readonly number[];
  /** Seconds. */
  readonly sum: number;
}

interface OpenSeries extends Series {
  readonly outcomes: Map<string, number>;
  readonly buckets: number[];
  sum: number;
}

export class RequestSeries {
  /** Server, then route and method: what changes least stands first. */
  readonly #byServer = new Map<string, Map<string, Map<string, OpenSeries>>>();

  /** `method` is undefined for what was no request, or could not be read. */
  add(route: string, server: string, method: string | undefined, outcome: string, ms: number): void {
    const known = method !== undefined && METHODS.has(method) ? method : 'other';
    const series = this.#find(route, server, known);
    series.outcomes.set(outcome, (series.outcomes.get(outcome) ?? 0) + 1);
    const seconds = ms / 1000;
    series.sum += seconds;
    let bucket = 0;
    while (bucket < DURATION_BUCKETS.length && seconds > (DURATION_BUCKETS[bucket] ?? 0)) bucket += 1;
    series.buckets[bucket] = (series.buckets[bucket] ?? 0) + 1;
  }

  /** All that there are. Those of servers that are not among `servers` are forgotten. */
  take(servers: ReadonlySet<string>): readonly Series[] {
    for (const server of this.#byServer.keys()) {
      if (server !== '' && !servers.has(server)) this.#byServer.delete(server);
    }
    return [...this.#byServer.values()].flatMap((routes) =>
      [...routes.values()].flatMap((methods) => [...methods.values()]),
    );
  }

  #find(route: string, server: string, method: string): OpenSeries {
    const routes = entry(this.#byServer, server, () => new Map<string, Map<string, OpenSeries>>());
    const methods = entry(routes, route, () => new Map<string, OpenSeries>());
    const found = methods.get(method);
    if (found !== undefined) return found;
    const buckets = Array.from({ length: DURATION_BUCKETS.length + 1 }, () => 0);
    const made: OpenSeries = { route, server, method, outcomes: new Map(), buckets, sum: 0 };
    methods.set(method, made);
    return made;
  }
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
