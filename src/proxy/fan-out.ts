/** Listings and capabilities: of one server as it gave them, of all servers together under names of their own. */
import { listingText, renameItem, type Listing, type ListingItem, type ListingRow } from '../mcp/listing.ts';
import { isObject, type JsonObject } from '../mcp/message.ts';
import { unifiedName } from '../mcp/naming.ts';
import { renameToolPage } from '../mcp/result-uris.ts';
import { unifiedUri } from '../mcp/uris.ts';
import { within } from '../shared/async.ts';
import { GatewayError } from '../shared/errors.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Exchange } from './exchange.ts';
import { toolAllowed } from './target.ts';

/** A server that takes longer is left out of a unified listing rather than holding up the others. */
const SERVER_DEADLINE_MS = 10_000;

/** The result of a listing request, raw JSON text. */
export async function list(exchange: Exchange, row: ListingRow): Promise<string> {
  const { route, runtime } = exchange;
  if (route.kind !== 'server') return unifiedListing(exchange, row);
  const pool = runtime.pools.get(route.server);
  if (pool === undefined) throw new GatewayError('unknown_server', `No server "${route.server}" is configured.`);
  exchange.notes.server = pool.name;
  const upstream = await pool.forListing(exchange.session);
  const { frame, items } = await upstream.list(row);
  return listingText(
    frame,
    row,
    visible(pool, row, items).map(({ text }) => text),
  );
}

async function unifiedListing(exchange: Exchange, row: ListingRow): Promise<string> {
  const parts = [...exchange.runtime.pools.values()].map(async (pool) => {
    const upstream = await pool.forListing(exchange.session);
    return unifiedItems(pool, row, await upstream.list(row));
  });
  const settled = await Promise.allSettled(parts.map((part) => within(part, SERVER_DEADLINE_MS)));
  const items = settled.flatMap((part) => (part.status === 'fulfilled' ? part.value : []));
  return listingText('{}', row, items);
}

/** Items under their names on the unified endpoint, made once for each state of a listing. */
const UNIFIED = new WeakMap<Listing, readonly string[]>();

function unifiedItems(pool: UpstreamPool, row: ListingRow, listing: Listing): readonly string[] {
  let items = UNIFIED.get(listing);
  if (items === undefined) {
    items = visible(pool, row, listing.items).map((item) => unify(pool.name, row, item));
    UNIFIED.set(listing, items);
  }
  return items;
}

function visible(pool: UpstreamPool, row: ListingRow, items: readonly ListingItem[]): readonly ListingItem[] {
  return row.kind === 'tools' ? items.filter(({ key }) => toolAllowed(pool, key)) : items;
}

function unify(server: string, row: ListingRow, { key, text }: ListingItem): string {
  if (row.key !== 'name') return renameItem(text, row, unifiedUri(server, key));
  const renamed = renameItem(text, row, unifiedName(server, key));
  return row.kind === 'tools' ? renameToolPage(renamed, (uri) => unifiedUri(server, uri)) : renamed;
}

/** The result of `initialize` on the unified endpoint, raw JSON text. */
export async function unifiedInitializeResult(
  exchange: Exchange,
  protocolVersion: string,
  version: string,
): Promise<string> {
  const pools = [...exchange.runtime.pools.values()];
  const settled = await Promise.allSettled(pools.map((pool) => within(pool.shared(), SERVER_DEADLINE_MS)));
  const upstreams = settled.flatMap((part) => (part.status === 'fulfilled' ? [part.value] : []));
  const instructions = upstreams.flatMap((upstream) => {
    const text = (JSON.parse(upstream.initializeResult) as JsonObject)['instructions'];
    return typeof text === 'string' && text !== '' ? [`## ${upstream.server}\n\n${text}`] : [];
  });
  return JSON.stringify({
    protocolVersion,
    capabilities: unionOfCapabilities(upstreams.map(({ capabilities }) => capabilities)),
    serverInfo: { name: 'gatehouse', title: 'Gatehouse', version },
    ...(instructions.length === 0 ? {} : { instructions: instructions.join('\n\n') }),
  });
}

/**
 * Servers come and go behind the endpoint, so it declares what it can deliver itself: lists that may change and log
 * messages; and the rest when a server offers it at present.
 */
function unionOfCapabilities(all: readonly JsonObject[]): JsonObject {
  const subscribable = all.some(({ resources }) => isObject(resources) && resources['subscribe'] === true);
  return {
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { listChanged: true, ...(subscribable ? { subscribe: true } : {}) },
    logging: {},
    ...(all.some(({ completions }) => isObject(completions)) ? { completions: {} } : {}),
  };
}
