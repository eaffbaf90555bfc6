/** Finds the server that a resource URI belongs to, and tells whether an endpoint lets it be read. */
import { listingOf } from '../mcp/listing.ts';
import { isObject } from '../mcp/message.ts';
import { isSameUri, matchesTemplate, resolveUri } from '../mcp/uris.ts';
import { within } from '../shared/async.ts';
import { GatewayError } from '../shared/errors.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Exchange } from './exchange.ts';
import { SERVER_DEADLINE_MS, upstreamForListing } from './server-listing.ts';
import type { ShownListing } from './view/server-view.ts';

export interface OwnedUri {
  readonly pool: UpstreamPool;
  /** As the server knows it. */
  readonly uri: string;
}

/** A server that offers something, and what it calls it. */
export interface Owner {
  readonly pool: UpstreamPool;
  readonly key: string;
}

/** The server of a URI on an endpoint that several share. Throws `invalid_params` for one that no server offers, or several do. */
export async function ownerOf(exchange: Exchange, uri: string): Promise<OwnedUri> {
  const owned = await candidateOf(exchange, uri);
  if (!(await isReadable(exchange, owned.pool, owned.uri))) throw unknownResource(uri);
  return owned;
}

async function candidateOf(exchange: Exchange, uri: string): Promise<OwnedUri> {
  const { view } = exchange;
  if (view.names.mode === 'prefixed') {
    const resolved = resolveUri(uri);
    const pool = resolved && view.pools.get(resolved.server);
    if (resolved === undefined || pool === undefined) throw unknownResource(uri);
    return { pool, uri: resolved.uri };
  }
  const pools = [...view.pools.values()];
  const listed = await offering(exchange, pools, 'resources/list', ({ keys }) => keys.get(uri));
  const owners =
    listed.length > 0
      ? listed
      : await offering(exchange, pools, 'resources/templates/list', ({ keys }) => matchAmong(keys.values(), uri));
  if (owners.length > 1) throw ambiguous('resource', uri, owners);
  const [owner] = owners;
  if (owner !== undefined) return { pool: owner.pool, uri };
  // Servers may read more than they list: where only one has resources it is asked.
  const [sole] = await soleResourceServer(exchange, pools);
  if (sole === undefined) throw unknownResource(uri);
  return { pool: sole, uri };
}

export function unknownResource(uri: string): GatewayError {
  return new GatewayError('invalid_params', `Unknown resource "${uri}".`, { data: { uri } });
}

/** The error for a name that several servers offer on an endpoint. */
export function ambiguous(kind: string, name: string, owners: readonly Owner[]): GatewayError {
  const servers = owners.map(({ pool }) => `"${pool.name}"`).join(', ');
  return new GatewayError(
    'invalid_params',
    `The ${kind} "${name}" is offered by several servers (${servers}); use the endpoint of one of them, /mcp/{server}.`,
  );
}

/** The servers that list such an item. `find` gives its key. A server that fails or is slow is taken to have what it listed last. */
export async function offering(
  exchange: Exchange,
  pools: readonly UpstreamPool[],
  method: string,
  find: (shown: ShownListing) => string | undefined,
): Promise<readonly Owner[]> {
  const row = listingOf(method);
  if (row === undefined) return [];
  const found = await Promise.all(
    pools.map(async (pool) => {
      const serverView = exchange.view.of(pool.name);
      const look = async (): Promise<string | undefined> => {
        const upstream = await upstreamForListing(exchange, pool);
        const known = find(serverView.show(row, await upstream.known(row)));
        return known ?? find(serverView.show(row, await upstream.list(row)));
      };
      const key = await within(look(), SERVER_DEADLINE_MS).catch((error: unknown) => {
        const last = pool.lastListing(row, error);
        return last && find(serverView.show(row, last));
      });
      return key === undefined ? [] : [{ pool, key }];
    }),
  );
  return found.flat();
}

/**
 * True when the endpoint lets this URI of the server be read: it is not disabled, and a virtual server selects it, a
 * template that it may be made from, or a tool whose page it is. Everything else is for the server to decide.
 */
export async function isReadable(exchange: Exchange, pool: UpstreamPool, uri: string): Promise<boolean> {
  const shown = exchange.view.of(pool.name);
  if (shown.untouched) return true;
  for (const disabled of shown.disabled('resource')) if (isSameUri(disabled, uri)) return false;
  if (shown.isSelection('resource')) {
    if (shown.shows('resource', uri) || matchAmong(shown.selected('resource-template'), uri) !== undefined) return true;
    return isOffered(exchange, pool, 'tools/list', ({ pages }) => (pages.has(uri) ? uri : undefined));
  }
  if (matchAmong(shown.disabled('resource-template'), uri) === undefined) return true;
  // One template among several that it may be made from is disabled: another may still lead there.
  return (
    (await isOffered(exchange, pool, 'resources/list', ({ keys }) => keys.values().find((key) => key === uri))) ||
    isOffered(exchange, pool, 'resources/templates/list', ({ keys }) => matchAmong(keys.values(), uri))
  );
}

async function isOffered(
  exchange: Exchange,
  pool: UpstreamPool,
  method: string,
  find: (shown: ShownListing) => string | undefined,
): Promise<boolean> {
  return (await offering(exchange, [pool], method, find)).length > 0;
}

function matchAmong(templates: Iterable<string>, uri: string): string | undefined {
  for (const template of templates) if (matchesTemplate(template, uri)) return template;
  return undefined;
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
