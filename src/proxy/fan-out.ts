/** Listings and capabilities: of one server as it gave them, of all servers together under names of their own. */
import { listingText, renameItem, type Listing, type ListingItem, type ListingRow } from '../mcp/listing.ts';
import { isObject, paramsOf, type JsonObject } from '../mcp/message.ts';
import { legacyResult, mergeCacheHints, readCacheHint, UNCACHED, type CacheHint } from '../mcp/modern/results.ts';
import { renameToolPage } from '../mcp/result-uris.ts';
import { within } from '../shared/async.ts';
import { GatewayError } from '../shared/errors.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Exchange } from './exchange.ts';
import { namesOf, type Names } from './names.ts';
import { poolsOf, routedPool } from './scope.ts';
import { toolAllowed } from './tool-access.ts';

/** A server that takes longer is left out of a unified listing rather than holding up the others. */
export const SERVER_DEADLINE_MS = 10_000;

/** The result of a listing request, raw JSON text. */
export async function list(exchange: Exchange, row: ListingRow): Promise<string> {
  const { route, runtime, message } = exchange;
  if (paramsOf(message)['cursor'] !== undefined) {
    throw new GatewayError('invalid_params', 'The cursor was not given by this endpoint: its listings have one page.');
  }
  if (route.kind !== 'server') return unifiedListing(exchange, row);
  const pool = routedPool({ runtime }, route.server);
  exchange.notes.server = pool.name;
  const upstream = await pool.forListing(exchange.session);
  const { frame, items } = await upstream.list(row);
  return listingText(
    legacyResult(frame),
    row,
    visible(pool, row, items).map(({ text }) => text),
  );
}

async function unifiedListing(exchange: Exchange, row: ListingRow): Promise<string> {
  const { items } = await unifiedItems(exchange, row);
  return listingText('{}', row, items);
}

export interface UnifiedItems {
  /** Sorted by server, then as the server lists them: the same on every request. */
  readonly items: readonly string[];
  /** How long the whole may be kept; not at all when a server was left out. */
  readonly hint: CacheHint;
}

/** What all servers list, under their unified names. A server that fails or is slow is left out, and noted. */
export async function unifiedItems(exchange: Exchange, row: ListingRow): Promise<UnifiedItems> {
  const parts = await eachServer(exchange, row.method, async (pool) => {
    const upstream = await upstreamForListing(exchange, pool);
    const listing = await upstream.list(row);
    const { items, frame } = listing;
    const shown = visible(pool, row, items);
    return { pool, shown, listing, hint: upstream.era === 'modern' ? readCacheHint(frame) : UNCACHED };
  });
  const names = namesOf(exchange.runtime);
  const refused = names.mode === 'plain' ? collisions(parts, row) : NONE;
  const items = parts.flatMap((part) => {
    if (part === undefined) return [];
    if (names.mode === 'prefixed') return prefixed(part, names, row);
    return part.shown.flatMap(({ key, text }) => (refused.has(key) ? [] : [text]));
  });
  const hints = parts.map((part) => part?.hint ?? UNCACHED);
  return { items, hint: mergeCacheHints(hints) };
}

/** Items under their prefixed names, made once for each state of a listing. */
const PREFIXED = new WeakMap<Listing, readonly string[]>();

function prefixed(
  part: { readonly pool: UpstreamPool; readonly shown: readonly ListingItem[]; readonly listing: Listing },
  names: Names,
  row: ListingRow,
): readonly string[] {
  let items = PREFIXED.get(part.listing);
  if (items === undefined) {
    items = part.shown.map((item) => unify(names, part.pool.name, row, item));
    PREFIXED.set(part.listing, items);
  }
  return items;
}

const NONE: ReadonlySet<string> = new Set();

/** What several servers offer under one name: offered by none of them, and noted with each. */
function collisions(
  parts: readonly ({ readonly pool: UpstreamPool; readonly shown: readonly ListingItem[] } | undefined)[],
  row: ListingRow,
): ReadonlySet<string> {
  const owners = new Map<string, UpstreamPool[]>();
  for (const part of parts) {
    for (const { key } of part?.shown ?? []) {
      const known = owners.get(key);
      if (known === undefined) owners.set(key, part === undefined ? [] : [part.pool]);
      else if (part !== undefined && !known.includes(part.pool)) known.push(part.pool);
    }
  }
  const several = [...owners].filter(([, pools]) => pools.length > 1);
  for (const [key, pools] of several) {
    for (const pool of pools) {
      const others = pools.filter((other) => other !== pool).map(({ name }) => name);
      pool.noteOmission(row.method, new Error(`"${key}" is offered by ${others.join(', ')} too`));
    }
  }
  return new Set(several.map(([key]) => key));
}

/** Modern clients see what a server shows to its modern clients, where it has any. */
export async function upstreamForListing(exchange: Exchange, pool: UpstreamPool): Promise<Upstream> {
  const modern = exchange.modern === undefined ? undefined : await pool.modern();
  return modern ?? pool.forListing(exchange.session);
}

/** Does something for every server of the route, none longer than the deadline; undefined for those that failed. */
async function eachServer<T>(
  exchange: Exchange,
  method: string,
  work: (pool: UpstreamPool) => Promise<T>,
): Promise<(T | undefined)[]> {
  return Promise.all(
    [...poolsOf(exchange).values()].map(async (pool) => {
      try {
        return await within(work(pool), SERVER_DEADLINE_MS);
      } catch (error) {
        pool.noteOmission(method, error);
        return undefined;
      }
    }),
  );
}

export function visible(pool: UpstreamPool, row: ListingRow, items: readonly ListingItem[]): readonly ListingItem[] {
  return row.kind === 'tools' ? items.filter(({ key }) => toolAllowed(pool, key)) : items;
}

function unify(names: Names, server: string, row: ListingRow, { key, text }: ListingItem): string {
  if (row.key !== 'name') return renameItem(text, row, names.uri(server, key));
  const renamed = renameItem(text, row, names.name(server, key));
  return row.kind === 'tools' ? renameToolPage(renamed, (uri) => names.uri(server, uri)) : renamed;
}

/** The result of `initialize` on the unified endpoint, raw JSON text. */
export async function unifiedInitializeResult(
  exchange: Exchange,
  protocolVersion: string,
  version: string,
): Promise<string> {
  const { capabilities, instructions } = await unifiedOffer(exchange, 'initialize');
  return JSON.stringify({
    protocolVersion,
    capabilities,
    serverInfo: gatewayInfo(version),
    ...(instructions === undefined ? {} : { instructions }),
  });
}

/** What the gateway says it is, wherever it answers for several servers. */
export function gatewayInfo(version: string): JsonObject {
  return { name: 'gatehouse', title: 'Gatehouse', version };
}

/** What the servers behind the unified endpoint offer together. */
export async function unifiedOffer(
  exchange: Exchange,
  method: string,
): Promise<{ readonly capabilities: JsonObject; readonly instructions: string | undefined }> {
  const parts = await eachServer(exchange, method, async (pool) => {
    const modern = exchange.modern === undefined ? undefined : await pool.modern();
    return modern ?? pool.shared();
  });
  const upstreams = parts.flatMap((part) => (part === undefined ? [] : [part]));
  const instructions = upstreams.flatMap((upstream) => {
    const text = (JSON.parse(upstream.initializeResult) as JsonObject)['instructions'];
    return typeof text === 'string' && text !== '' ? [`## ${upstream.server}\n\n${text}`] : [];
  });
  return {
    capabilities: unionOfCapabilities(upstreams.map(({ capabilities }) => capabilities)),
    instructions: instructions.length === 0 ? undefined : instructions.join('\n\n'),
  };
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
