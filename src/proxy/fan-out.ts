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
import { ownListing, SERVER_DEADLINE_MS, sharedListing } from './server-listing.ts';
import { ITEM_KINDS, type ShownItem } from './view/server-view.ts';
import { solePool, type View } from './view/view.ts';

/** The result of a listing request, raw JSON text. */
export async function list(exchange: Exchange, row: ListingRow): Promise<string> {
  const { route, view, message } = exchange;
  if (paramsOf(message)['cursor'] !== undefined) {
    throw new GatewayError('invalid_params', 'The cursor was not given by this endpoint: its listings have one page.');
  }
  if (route.kind !== 'server') return listingText('{}', row, (await unifiedItems(exchange, row)).items);
  const pool = solePool(view);
  exchange.notes.server = pool.name;
  const { frame, items } = await ownListing(exchange, pool, row);
  return listingText(legacyResult(frame), row, textsOf(items));
}

export interface UnifiedItems {
  /** Sorted by server, then as the server lists them: the same on every request. */
  readonly items: readonly string[];
  /** How long the whole may be kept; not at all when a server was left out. */
  readonly hint: CacheHint;
}

/** What all servers list, under the names of the endpoint. A server that fails or is slow is left out, and noted. */
export async function unifiedItems(exchange: Exchange, row: ListingRow): Promise<UnifiedItems> {
  const { view } = exchange;
  const kind = ITEM_KINDS[row.kind];
  const pools = view.poolsWith(kind).filter(({ name }) => maySend(exchange, name));
  const parts = await eachServer(pools, row.method, async (pool) => ({
    pool,
    ...(await sharedListing(exchange, pool, row)),
  }));
  const mayCollide = view.names.mode === 'plain' || (row.key === 'name' && view.hasGivenNames(nameKind(kind)));
  const refused = mayCollide ? collisions(parts, row) : NONE;
  const items = parts.flatMap((part) =>
    part === undefined ? [] : textsOf(part.items.filter(({ name }) => !refused.has(name))),
  );
  const hint = mergeCacheHints(parts.map((part) => part?.hint ?? UNCACHED));
  return { items, hint: dependsOnCaller(exchange) ? { ...hint, cacheScope: 'private' } : hint };
}

const NONE: ReadonlySet<string> = new Set();

function textsOf(items: readonly ShownItem[]): readonly string[] {
  return items.map(({ text }) => text);
}

function nameKind(kind: ItemKind): 'tool' | 'prompt' {
  return kind === 'prompt' ? 'prompt' : 'tool';
}

/** What several servers offer under one name: offered by none of them, and noted with each. */
function collisions(
  parts: readonly ({ readonly pool: UpstreamPool; readonly items: readonly ShownItem[] } | undefined)[],
  row: ListingRow,
): ReadonlySet<string> {
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
