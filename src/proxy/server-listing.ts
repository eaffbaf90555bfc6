/** The listing of one server as an endpoint shows it: as it is now, or as it was last when the server cannot be asked. */
import type { Listing, ListingRow } from '../mcp/listing.ts';
import { readCacheHint, UNCACHED, type CacheHint } from '../mcp/modern/results.ts';
import { within } from '../shared/async.ts';
import { ERRORS, GatewayError } from '../shared/errors.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Exchange } from './exchange.ts';
import { setInside } from './view/item-edits.ts';
import type { ShownItem } from './view/server-view.ts';

/** A server that takes longer is left out of a shared listing rather than holding up the others. */
export const SERVER_DEADLINE_MS = 10_000;

/** Says of an item that its server is unreachable, and since when. */
const UNREACHABLE_KEY = 'io.gatehouse/unreachable';

export interface ServerListing {
  /** What the server said beside its items. */
  readonly frame: string;
  readonly items: readonly ShownItem[];
  readonly hint: CacheHint;
}

/** Modern clients see what a server shows to its modern clients, where it has any. */
export async function upstreamForListing(exchange: Exchange, pool: UpstreamPool): Promise<Upstream> {
  const modern = exchange.modern === undefined ? undefined : await pool.modern();
  return modern ?? pool.forListing(exchange.session);
}

/**
 * For an endpoint that several servers share: rejects when the server is to be left out, because it is unreachable or
 * slow and nothing is known of it.
 */
export async function sharedListing(exchange: Exchange, pool: UpstreamPool, row: ListingRow): Promise<ServerListing> {
  if (!pool.listed) return lastKnown(exchange, pool, row, pool.unavailable());
  const ask = async (): Promise<ServerListing> => {
    const upstream = await upstreamForListing(exchange, pool);
    const listing = await upstream.list(row);
    return shown(exchange, pool, row, listing, upstream.era === 'modern' ? readCacheHint(listing.frame) : UNCACHED);
  };
  return within(ask(), SERVER_DEADLINE_MS).catch((error: unknown) => lastKnown(exchange, pool, row, error));
}

/** The same where everything is here already: no promise, no timer. undefined = it has to be asked for. */
export function presentListing(exchange: Exchange, pool: UpstreamPool, row: ListingRow): ServerListing | undefined {
  if (!pool.listed) return undefined;
  const upstream = exchange.modern === undefined ? pool.presentForListing(exchange.session) : pool.presentModern;
  const listing = upstream?.kept(row);
  if (upstream === undefined || listing === undefined) return undefined;
  return shown(exchange, pool, row, listing, upstream.era === 'modern' ? readCacheHint(listing.frame) : UNCACHED);
}

/** For the endpoint of the server: rejects with what is wrong with it when it cannot be asked and nothing may be shown. */
export async function ownListing(exchange: Exchange, pool: UpstreamPool, row: ListingRow): Promise<ServerListing> {
  try {
    const upstream = await pool.forListing(exchange.session);
    return shown(exchange, pool, row, await upstream.list(row), UNCACHED);
  } catch (error) {
    return lastKnown(exchange, pool, row, error);
  }
}

/**
 * What the server has listed last: a part of a listing never passes for the whole, and a slip is no outage. Throws
 * `error` when nothing is known, when the fault is not the server's, and for an unreachable server that is to be hidden.
 */
export function lastKnown(exchange: Exchange, pool: UpstreamPool, row: ListingRow, error: unknown): ServerListing {
  const isTheServers = !(error instanceof GatewayError) || ERRORS[error.code].source === 'upstream';
  const isHidden = !pool.listed && pool.config.health.unreachable === 'hide';
  const listing = isTheServers && !isHidden ? pool.lastListing(row, error) : undefined;
  if (listing === undefined) throw error;
  const last = shown(exchange, pool, row, listing, UNCACHED);
  if (pool.listed) return last;
  const mark = { [UNREACHABLE_KEY]: { since: new Date(pool.health.since).toISOString() } };
  return { ...last, items: last.items.map((item) => ({ ...item, text: setInside(item.text, '_meta', mark) })) };
}

function shown(
  { view }: Exchange,
  pool: UpstreamPool,
  row: ListingRow,
  listing: Listing,
  hint: CacheHint,
): ServerListing {
  return { frame: listing.frame, items: view.of(pool.name).show(row, listing).items, hint };
}
