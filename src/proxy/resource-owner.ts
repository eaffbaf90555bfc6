/** Finds the server that a resource URI of a shared endpoint belongs to. */
import { listingOf, type ListingItem } from '../mcp/listing.ts';
import { isObject } from '../mcp/message.ts';
import { matchesTemplate, resolveUri } from '../mcp/uris.ts';
import { within } from '../shared/async.ts';
import { GatewayError } from '../shared/errors.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Exchange } from './exchange.ts';
import { SERVER_DEADLINE_MS, upstreamForListing } from './fan-out.ts';
import { namesOf } from './names.ts';
import { poolsOf } from './scope.ts';

export interface OwnedUri {
  readonly pool: UpstreamPool;
  /** As the server knows it. */
  readonly uri: string;
}

/** Throws `invalid_params` for a URI that no server offers, or several do. */
export async function ownerOf(exchange: Exchange, uri: string): Promise<OwnedUri> {
  const pools = poolsOf(exchange);
  const unknown = new GatewayError('invalid_params', `Unknown resource "${uri}".`, { data: { uri } });
  if (namesOf(exchange.runtime).mode === 'prefixed') {
    const resolved = resolveUri(uri);
    const pool = resolved && pools.get(resolved.server);
    if (resolved === undefined || pool === undefined) throw unknown;
    return { pool, uri: resolved.uri };
  }
  const candidates = [...pools.values()];
  const listed = await offering(exchange, candidates, 'resources/list', ({ key }) => key === uri);
  const owners =
    listed.length > 0
      ? listed
      : await offering(exchange, candidates, 'resources/templates/list', ({ key }) => matchesTemplate(key, uri));
  if (owners.length > 1) throw ambiguous('resource', uri, owners);
  // Servers may read more than they list: where only one has resources it is asked.
  const [owner] = owners.length === 1 ? owners : await soleResourceServer(exchange, candidates);
  if (owner === undefined) throw unknown;
  return { pool: owner, uri };
}

/** The error for a name that several servers offer on an endpoint without prefixes. */
export function ambiguous(kind: string, name: string, owners: readonly UpstreamPool[]): GatewayError {
  const servers = owners.map((pool) => `"${pool.name}"`).join(', ');
  return new GatewayError(
    'invalid_params',
    `The ${kind} "${name}" is offered by several servers (${servers}); use the endpoint of one of them, /mcp/{server}.`,
  );
}

/** The servers that list such an item. One that fails or is slow is taken to have none. */
export async function offering(
  exchange: Exchange,
  pools: readonly UpstreamPool[],
  method: string,
  matches: (item: ListingItem) => boolean,
): Promise<readonly UpstreamPool[]> {
  const row = listingOf(method);
  if (row === undefined) return [];
  const found = await Promise.all(
    pools.map(async (pool) => {
      const look = async (): Promise<boolean> => {
        const upstream = await upstreamForListing(exchange, pool);
        return (await upstream.known(row)).items.some(matches) || (await upstream.list(row)).items.some(matches);
      };
      return (await within(look(), SERVER_DEADLINE_MS).catch(() => false)) ? [pool] : [];
    }),
  );
  return found.flat();
}

async function soleResourceServer(
  exchange: Exchange,
  pools: readonly UpstreamPool[],
): Promise<readonly UpstreamPool[]> {
  const upstreams = await Promise.all(
    pools.map(async (pool) => ({ pool, upstream: await upstreamForListing(exchange, pool).catch(() => undefined) })),
  );
  const able = upstreams.filter(({ upstream }) => isObject(upstream?.capabilities['resources']));
  return able.length === 1 ? able.map(({ pool }) => pool) : [];
}
