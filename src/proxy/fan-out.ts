/** Listings and capabilities: of one server as it gave them, of all servers together under names of their own. */
import type { ItemKind } from '../config/registration.ts';
import { listingText, type ListingRow } from '../mcp/listing.ts';
import { isObject, paramsOf, type JsonObject } from '../mcp/message.ts';
import { legacyResult, mergeCacheHints, UNCACHED, type CacheHint } from '../mcp/modern/results.ts';
import { within } from '../shared/async.ts';
import { GatewayError } from '../shared/errors.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Exchange } from './exchange.ts';
import { dependsOnCaller, maySend } from './permit.ts';
import { PreparedListings } from './prepared-listings.ts';
import { ownListing, presentListing, SERVER_DEADLINE_MS, sharedListing, type ServerListing } from './server-listing.ts';
import { ITEM_KINDS, type ShownItem } from './view/server-view.ts';
import { solePool, type View } from './view/view.ts';

/** The result of a listing request, raw JSON text. */
export async function list(exchange: Exchange, row: ListingRow): Promise<string> {
  const { route, view, message } = exchange;
  if (paramsOf(message)['cursor'] !== undefined) {
    throw new GatewayError('invalid_params', 'The cursor was not given by this endpoint: its listings have one page.');
  }
  if (route.kind !== 'server') return listingText('{}', row, [(await unifiedItems(exchange, row)).text]);
  const pool = solePool(view);
  exchange.notes.server = pool.name;
  const { frame, items } = await ownListing(exchange, pool, row);
  return listingText(legacyResult(frame), row, textsOf(items));
}

export interface UnifiedItems {
  /** The texts of all items with commas between, sorted by server, then as the server lists them: the same on every request. */
  readonly text: string;
  /** How long the whole may be kept; not at all when a server was left out. */
  readonly hint: CacheHint;
}

/** What all servers list, under the names of the endpoint. A server that fails or is slow is left out, and noted. */
export async function unifiedItems(exchange: Exchange, row: ListingRow): Promise<UnifiedItems> {
  const { view } = exchange;
  const pools = view.poolsWith(ITEM_KINDS[row.kind]).filter(({ name }) => maySend(exchange, name));
  const parts = await partsOf(exchange, pools, row);
  const { text, hint } = PREPARED.of(view, row, parts) ?? PREPARED.keep(view, row, parts, prepare(view, row, parts));
  return { text, hint: dependsOnCaller(exchange) ? { ...hint, cacheScope: 'private' } : hint };
}

type Part = ({ readonly pool: UpstreamPool } & ServerListing) | undefined;

/** Servers whose listing is here cost no promise: of hundreds hardly ever one has to be asked. */
async function partsOf(exchange: Exchange, pools: readonly UpstreamPool[], row: ListingRow): Promise<readonly Part[]> {
  const present = pools.map((pool) => presentListing(exchange, pool, row));
  const absent = pools.filter((_, at) => present[at] === undefined);
  const asked = new Map<UpstreamPool, Part>();
  await eachServer(absent, row.method, async (pool) =>
    asked.set(pool, { pool, ...(await sharedListing(exchange, pool, row)) }),
  );
  return pools.map((pool, at) => {
    const listing = present[at];
    return listing === undefined ? asked.get(pool) : { pool, ...listing };
  });
}

function prepare(view: View, row: ListingRow, parts: readonly Part[]): UnifiedItems {
  const mayCollide =
    view.names.mode === 'plain' || (row.key === 'name' && view.hasGivenNames(nameKind(ITEM_KINDS[row.kind])));
  const refused = mayCollide ? collisions(parts, row) : NONE;
  const texts = parts.flatMap((part) => {
    if (part === undefined || part.items.length === 0) return [];
    const shown = refused.size === 0 ? part.items : part.items.filter(({ name }) => !refused.has(name));
    return shown.length === 0 ? [] : [textsOf(shown).join(',')];
  });
  return { text: texts.join(','), hint: mergeCacheHints(parts.map((part) => part?.hint ?? UNCACHED)) };
}

const NONE: ReadonlySet<string> = new Set();

/** Of what they were made is the listing of each server, as the view shows it. */
const PREPARED = new PreparedListings<UnifiedItems>();

function textsOf(items: readonly ShownItem[]): readonly string[] {
  return items.map(({ text }) => text);
}

function nameKind(kind: ItemKind): 'tool' | 'prompt' {
  return kind === 'prompt' ? 'prompt' : 'tool';
}

/** What several servers offer under one name: offered by none of them, and noted with each. */
function collisions(parts: readonly Part[], row: ListingRow): ReadonlySet<string> {
  const owners = new Map<string, UpstreamPool[]>();
  for (const part of parts) {
    for (const { name } of part?.items ?? []) {
      const known = owners.get(name);
      if (known === undefined) owners.set(name, part === undefined ? [] : [part.pool]);
      else if (part !== undefined && !known.includes(part.pool)) known.push(part.pool);
    }
  }
  const several = [...owners].filter(([, pools]) => pools.length > 1);
  for (const [name, pools] of several) {
    for (const pool of pools) {
      const others = pools.filter((other) => other !== pool).map((other) => other.name);
      pool.noteOmission(row.method, new Error(`"${name}" is offered by ${others.join(', ')} too`));
    }
  }
  return new Set(several.map(([name]) => name));
}

/** Does something for each of these servers; undefined for those that failed. */
async function eachServer<T>(
  pools: readonly UpstreamPool[],
  method: string,
  work: (pool: UpstreamPool) => Promise<T>,
): Promise<(T | undefined)[]> {
  return Promise.all(
    pools.map(async (pool) => {
      try {
        return await work(pool);
      } catch (error) {
        pool.noteOmission(method, error);
        return undefined;
      }
    }),
  );
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
    serverInfo: endpointInfo(exchange.view, version),
    ...(instructions === undefined ? {} : { instructions }),
  });
}

/** What the gateway says it is, wherever it answers for several servers. */
export function endpointInfo({ virtual }: View, version: string): JsonObject {
  return virtual === undefined
    ? { name: 'gatehouse', title: 'Gatehouse', version }
    : { name: virtual.name, title: virtual.name, version };
}

/** What the servers behind the unified endpoint offer together. */
export async function unifiedOffer(
  exchange: Exchange,
  method: string,
): Promise<{ readonly capabilities: JsonObject; readonly instructions: string | undefined }> {
  const { view } = exchange;
  const parts = await eachServer([...view.pools.values()], method, async (pool) => {
    const open =
      exchange.modern === undefined ? pool.shared() : pool.modern().then((modern) => modern ?? pool.shared());
    return within<Upstream>(open, SERVER_DEADLINE_MS);
  });
  const upstreams = parts.flatMap((part) => (part === undefined ? [] : [part]));
  const instructions = upstreams.flatMap((upstream) => {
    const text = (JSON.parse(upstream.initializeResult) as JsonObject)['instructions'];
    return typeof text === 'string' && text !== '' ? [`## ${upstream.server}\n\n${text}`] : [];
  });
  if (view.virtual?.description !== undefined) instructions.unshift(view.virtual.description);
  const union = unionOfCapabilities(upstreams.map(({ capabilities }) => capabilities));
  return {
    capabilities: view.virtual === undefined ? union : selectedCapabilities(view, union),
    instructions: instructions.length === 0 ? undefined : instructions.join('\n\n'),
  };
}

/** A virtual server has only what somebody selected, for as long as that selection stands. */
function selectedCapabilities(view: View, { tools, prompts, resources, logging, completions }: JsonObject): JsonObject {
  const has = (kind: ItemKind): boolean => view.poolsWith(kind).length > 0;
  const hasTemplates = has('resource-template');
  return {
    ...(has('tool') && tools !== undefined ? { tools } : {}),
    ...(has('prompt') && prompts !== undefined ? { prompts } : {}),
    ...((has('resource') || hasTemplates) && resources !== undefined ? { resources } : {}),
    ...(logging === undefined ? {} : { logging }),
    ...((has('prompt') || hasTemplates) && completions !== undefined ? { completions } : {}),
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
