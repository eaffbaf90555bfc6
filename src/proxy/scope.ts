/** The servers behind the endpoint of a request: one, a named group, or all. */
import { GatewayError } from '../shared/errors.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Exchange } from './exchange.ts';

type Pools = ReadonlyMap<string, UpstreamPool>;

/** By name, in the order of the configuration. */
export function poolsOf({ runtime, route }: Pick<Exchange, 'runtime' | 'route'>): Pools {
  if (route.kind === 'server') return new Map([[route.server, routedPool({ runtime }, route.server)]]);
  const group =
    route.kind === 'unified' && route.group !== undefined ? runtime.config.gateway.groups[route.group] : undefined;
  if (group === undefined) return runtime.pools;
  return new Map([...runtime.pools].filter(([name]) => group.includes(name)));
}

/** The server of a routed endpoint. Throws `unknown_server`. */
export function routedPool({ runtime }: Pick<Exchange, 'runtime'>, server: string): UpstreamPool {
  const pool = runtime.pools.get(server);
  if (pool === undefined) throw new GatewayError('unknown_server', `No server "${server}" is configured.`);
  return pool;
}
