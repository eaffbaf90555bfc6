/** Finds the server that a request is for, and gives the request the names that this server knows. */
import { splice, type Edit } from '../mcp/json-text.ts';
import { listingOf, type Listing, type ListingRow } from '../mcp/listing.ts';
import { isObject, paramsOf, parseMessage, spanIn, stringParam, type Message } from '../mcp/message.ts';
import { unifiedName } from '../mcp/naming.ts';
import { GatewayError } from '../shared/errors.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Exchange } from './exchange.ts';
import { upstreamForListing } from './fan-out.ts';
import { namesOf } from './names.ts';
import { ambiguous, offering, ownerOf } from './resource-owner.ts';
import { poolsOf, routedPool } from './scope.ts';
import { toolAllowed } from './tool-access.ts';

export interface Target {
  readonly pool: UpstreamPool;
  /** The request in the server's own words. */
  readonly message: Message;
  /** Name or URI of what is asked for, as the server knows it. */
  readonly name: string | undefined;
}

/** The target of a request. Throws `unknown_server`, `invalid_params`, `method_not_found` or `tool_not_allowed`. */
export async function targetOf(exchange: Exchange): Promise<Target> {
  const { route, message } = exchange;
  const target = route.kind === 'server' ? routedTarget(exchange, route.server) : await unifiedTarget(exchange);
  if (message.method === 'tools/call' && target.name !== undefined) checkTool(target.pool, target.name);
  exchange.notes.server = target.pool.name;
  if (target.name !== undefined) exchange.notes.target = target.name;
  return target;
}

function checkTool(pool: UpstreamPool, tool: string): void {
  if (toolAllowed(pool, tool)) return;
  throw new GatewayError('tool_not_allowed', `tool "${tool}" is not in the allowed-tools list for this server`, {
    server: pool.name,
  });
}

function routedTarget({ runtime, message }: Exchange, server: string): Target {
  const pool = routedPool({ runtime }, server);
  const { name, uri } = paramsOf(message);
  const subject = typeof name === 'string' ? name : typeof uri === 'string' ? uri : undefined;
  if (message.method === 'tools/call') stringParam(message, 'name');
  return { pool, message, name: subject };
}

async function unifiedTarget(exchange: Exchange): Promise<Target> {
  const { message } = exchange;
  switch (message.method) {
    case 'tools/call':
      return byName(exchange, stringParam(message, 'name'), 'tools/list', ['params', 'name']);
    case 'prompts/get':
      return byName(exchange, stringParam(message, 'name'), 'prompts/list', ['params', 'name']);
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return byUri(exchange, stringParam(message, 'uri'), ['params', 'uri']);
    case 'completion/complete':
      return byReference(exchange);
    default: {
      const [only, another] = poolsOf(exchange).values();
      if (only !== undefined && another === undefined) return { pool: only, message, name: undefined };
      throw new GatewayError(
        'method_not_found',
        `The method "${message.method ?? ''}" cannot be assigned to one of the servers; use the endpoint of the server, /mcp/{server}.`,
      );
    }
  }
}

function byReference(exchange: Exchange): Promise<Target> {
  const reference = paramsOf(exchange.message)['ref'];
  if (isObject(reference)) {
    const { name, uri } = reference;
    if (typeof name === 'string') return byName(exchange, name, 'prompts/list', ['params', 'ref', 'name']);
    if (typeof uri === 'string') return byReferenceUri(exchange, uri);
  }
  throw new GatewayError(
    'invalid_params',
    'completion/complete needs "ref" with the "name" of a prompt or the "uri" of a template.',
  );
}

async function byName(exchange: Exchange, name: string, listing: string, path: [string, ...string[]]): Promise<Target> {
  const row = listingOf(listing);
  const kind = row?.kind === 'prompts' ? 'prompt' : 'tool';
  const pools = poolsOf(exchange);
  const names = namesOf(exchange.runtime);
  if (names.mode === 'plain') {
    const owners = await offering(exchange, [...pools.values()], listing, ({ key }) => key === name);
    const shown = owners.filter((pool) => kind === 'prompt' || toolAllowed(pool, name));
    const [pool] = shown.length > 0 ? shown : owners;
    if (shown.length > 1) throw ambiguous(kind, name, shown);
    if (pool !== undefined) return { pool, message: exchange.message, name };
  }
  for (const server of row === undefined || names.mode === 'plain' ? [] : names.owners(name, [...pools.keys()])) {
    const pool = pools.get(server);
    if (pool === undefined || row === undefined) continue;
    const original = await originalName(exchange, pool, row, name);
    if (original !== undefined) return { pool, message: renamed(exchange.message, path, original), name: original };
  }
  throw new GatewayError('invalid_params', `Unknown ${kind} "${name}".`);
}

async function byUri(exchange: Exchange, uri: string, path: [string, ...string[]]): Promise<Target> {
  const owned = await ownerOf(exchange, uri);
  return { pool: owned.pool, message: renamed(exchange.message, path, owned.uri), name: owned.uri };
}

/** A reference names a template as it is listed, not a URI made from it. */
async function byReferenceUri(exchange: Exchange, template: string): Promise<Target> {
  const path: [string, ...string[]] = ['params', 'ref', 'uri'];
  if (namesOf(exchange.runtime).mode === 'prefixed') return byUri(exchange, template, path);
  const pools = [...poolsOf(exchange).values()];
  const owners = await offering(exchange, pools, 'resources/templates/list', ({ key }) => key === template);
  if (owners.length > 1) throw ambiguous('template', template, owners);
  const [pool] = owners;
  return pool === undefined ? byUri(exchange, template, path) : { pool, message: exchange.message, name: template };
}

function renamed(message: Message, path: readonly [string, ...string[]], value: string): Message {
  const span = spanIn(message, path);
  const edits: Edit[] = span === undefined ? [] : [{ span, text: JSON.stringify(value) }];
  return parseMessage(splice(message.text, edits));
}

/** The name is looked up in the listing that we have; only one that is not in there is asked for again. */
async function originalName(
  exchange: Exchange,
  pool: UpstreamPool,
  row: ListingRow,
  name: string,
): Promise<string | undefined> {
  const upstream = await upstreamForListing(exchange, pool);
  const known = await upstream.known(row);
  const original = originalNames(pool.name, row, known).get(name);
  if (original !== undefined) return original;
  const fresh = await upstream.list(row);
  return fresh === known ? undefined : originalNames(pool.name, row, fresh).get(name);
}

/** Names on the unified endpoint → the server's own, once for each state of a listing. */
const ORIGINALS = new WeakMap<Listing, ReadonlyMap<string, string>>();

function originalNames(server: string, row: ListingRow, listing: Listing): ReadonlyMap<string, string> {
  let names = ORIGINALS.get(listing);
  if (names === undefined) {
    names = new Map(listing.items.map(({ key }) => [row.key === 'name' ? unifiedName(server, key) : key, key]));
    ORIGINALS.set(listing, names);
  }
  return names;
}
