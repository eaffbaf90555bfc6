/** Listings and capabilities: of one server as it gave them, of all servers together under names of their own. */
import { listingText, renameItem, type ListingItem, type ListingRow } from '../mcp/listing.ts';
import { isObject, type Json, type JsonObject } from '../mcp/message.ts';
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
    const { items } = await upstream.list(row);
    return visible(pool, row, items).map((item) => unify(pool.name, row, item));
  });
  const settled = await Promise.allSettled(parts.map((part) => within(part, SERVER_DEADLINE_MS)));
  const items = settled.flatMap((part) => (part.status === 'fulfilled' ? part.value : []));
  return listingText('{}', row, items);
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

/** What at least one server offers and the unified endpoint can deliver. */
function unionOfCapabilities(all: readonly JsonObject[]): JsonObject {
  const union: Record<string, Json> = {};
  for (const name of ['tools', 'prompts', 'resources', 'completions', 'logging']) {
    const offers = all.flatMap((capabilities) => (isObject(capabilities[name]) ? [capabilities[name]] : []));
    if (offers.length === 0) continue;
    const flags = ['listChanged', 'subscribe'].filter((flag) => offers.some((offer) => offer[flag] === true));
    union[name] = Object.fromEntries(flags.map((flag) => [flag, true]));
  }
  return union;
}
