/** Finds the server that a request is for, and gives the request the names that this server knows. */
import { refuseLookalikes, scanObject, splice, type Edit } from '../mcp/json-text.ts';
import { listingOf, type ListingRow } from '../mcp/listing.ts';
import {
  isObject,
  outlinedMessage,
  paramsOf,
  parseMessage,
  rawIn,
  spanIn,
  stringParam,
  type Message,
} from '../mcp/message.ts';
import { resolveUri } from '../mcp/uris.ts';
import { GatewayError } from '../shared/errors.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Exchange } from './exchange.ts';
import { withHiddenTarget } from './hidden-target.ts';
import { ambiguous, isReadable, offering, ownerOf, unknownResource, type Owner } from './resource-owner.ts';
import { checkServer } from './permit.ts';
import { upstreamForListing } from './server-listing.ts';
import { toolAllowed } from './tool-access.ts';
import type { ServerView } from './view/server-view.ts';
import { solePool } from './view/view.ts';

export interface Target {
  readonly pool: UpstreamPool;
  /** The request in the server's own words. */
  readonly message: Message;
  /** Name or URI of what is asked for, as the server knows it. */
  readonly name: string | undefined;
}

/**
 * The target of a request; a promise where something has to be asked for first. Throws or rejects with
 * `unknown_server`, `invalid_params`, `method_not_found`, `forbidden` or `tool_not_allowed`.
 */
export function targetOf(exchange: Exchange): Target | Promise<Target> {
  const target = exchange.route.kind === 'server' ? routedTarget(exchange) : sharedTarget(exchange);
  return target instanceof Promise ? target.then((found) => checked(exchange, found)) : checked(exchange, target);
}

function checked(exchange: Exchange, target: Target): Target {
  const { route, message, notes } = exchange;
  if (route.kind !== 'server') checkServer(exchange, target.pool.name);
  if (message.method === 'tools/call' && target.name !== undefined) checkTool(target.pool, target.name);
  notes.server = target.pool.name;
  if (target.name !== undefined) notes.target = target.name;
  return target;
}

function checkTool(pool: UpstreamPool, tool: string): void {
  if (toolAllowed(pool, tool)) return;
  throw new GatewayError('tool_not_allowed', `tool "${tool}" is not in the allowed-tools list for this server`, {
    server: pool.name,
  });
}

function routedTarget(exchange: Exchange): Target | Promise<Target> {
  const { view, message } = exchange;
  const pool = solePool(view);
  if (message.method === 'tools/call') stringParam(message, 'name');
  const subject = subjectOf(message);
  const shown = view.of(pool.name);
  if (shown.untouched) return { pool, message, name: subject };
  switch (message.method) {
    case 'tools/call':
    case 'prompts/get':
      return ownName(exchange, shown, pool, ['params', 'name']);
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return ownUri(exchange, pool, stringParam(message, 'uri'));
    case 'completion/complete': {
      const { uri: template } = referenceOf(message);
      return template === undefined
        ? ownName(exchange, shown, pool, ['params', 'ref', 'name'])
        : ownTemplate(exchange, shown, pool, template);
    }
    default:
      return { pool, message, name: subject };
  }
}

/** What is asked for, where that has a name or a URI. */
function subjectOf(message: Message): string | undefined {
  const name = message.parameter('name');
  if (typeof name === 'string') return name;
  const uri = message.parameter('uri');
  return typeof uri === 'string' ? uri : undefined;
}

/** On the endpoint of one server only names differ that an operator has given. */
function ownName(exchange: Exchange, shown: ServerView, pool: UpstreamPool, path: [string, ...string[]]): Target {
  const { message } = exchange;
  const kind = message.method === 'tools/call' ? 'tool' : 'prompt';
  const raw = rawIn(message, path);
  const asked: unknown = raw === undefined ? undefined : JSON.parse(raw);
  if (typeof asked !== 'string') return { pool, message, name: undefined };
  const name = shown.ownName(kind, asked);
  if (name === undefined) throw new GatewayError('invalid_params', `Unknown ${kind} "${asked}".`);
  return { pool, message: name === asked ? message : renamed(message, path, name), name };
}

async function ownUri(exchange: Exchange, pool: UpstreamPool, uri: string): Promise<Target> {
  if (!(await isReadable(exchange, pool, uri))) throw unknownResource(uri);
  return { pool, message: exchange.message, name: uri };
}

function ownTemplate({ message }: Exchange, shown: ServerView, pool: UpstreamPool, template: string): Target {
  if (!shown.shows('resource-template', template)) throw unknownResource(template);
  return { pool, message, name: template };
}

async function sharedTarget(exchange: Exchange): Promise<Target> {
  try {
    return await unifiedTarget(exchange);
  } catch (error) {
    throw withHiddenTarget(error, exchange);
  }
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
      const [only, another] = exchange.view.pools.values();
      // Nobody can tell whether a selection holds what an unknown method leads to.
      const isWhole = exchange.view.virtual === undefined;
      if (isWhole && only !== undefined && another === undefined) return { pool: only, message, name: undefined };
      throw new GatewayError(
        'method_not_found',
        `The method "${message.method ?? ''}" cannot be assigned to one of the servers; use the endpoint of the server, /mcp/{server}.`,
      );
    }
  }
}

async function byReference(exchange: Exchange): Promise<Target> {
  const { name, uri } = referenceOf(exchange.message);
  if (name !== undefined) return byName(exchange, name, 'prompts/list', ['params', 'ref', 'name']);
  return byReferenceUri(exchange, uri);
}

/** The prompt or the template that is to be completed; one of them, so that what is checked is what the server takes. */
function referenceOf(message: Message): { name: string; uri?: undefined } | { name?: undefined; uri: string } {
  const { ref } = paramsOf(message);
  const span = spanIn(message, ['params', 'ref']);
  if (span !== undefined) refuseLookalikes(scanObject(message.text, span.start));
  const { name, uri } = isObject(ref) ? ref : {};
  if (typeof name === 'string' && uri === undefined) return { name };
  if (typeof uri === 'string' && name === undefined) return { uri };
  throw new GatewayError(
    'invalid_params',
    'completion/complete needs "ref" with either the "name" of a prompt or the "uri" of a template.',
  );
}

async function byName(exchange: Exchange, name: string, listing: string, path: [string, ...string[]]): Promise<Target> {
  const { view, message } = exchange;
  const row = listingOf(listing);
  const kind = row?.kind === 'prompts' ? 'prompt' : 'tool';
  const candidates = view.poolsWith(kind);
  if (row === undefined || candidates.length === 0) throw unknownItem(kind, name);
  if (view.names.mode === 'plain') {
    const owners = await offering(exchange, candidates, listing, ({ keys }) => keys.get(name));
    const shown = owners.filter(({ pool, key }) => kind === 'prompt' || toolAllowed(pool, key));
    const [owner] = shown.length > 0 ? shown : owners;
    if (shown.length > 1) throw ambiguous(kind, name, shown);
    if (owner === undefined) throw unknownItem(kind, name);
    const { pool, key } = owner;
    return { pool, message: key === name ? message : renamed(message, path, key), name: key };
  }
  const given = view.serversGiving(kind, name);
  const likely = view.names.owners(name, view.serverNames);
  const owners: Owner[] = [];
  for (const server of given.length === 0 ? likely : new Set([...given, ...likely])) {
    const pool = view.pools.get(server);
    const key = pool && (await originalName(exchange, pool, row, name));
    if (pool !== undefined && key !== undefined) owners.push({ pool, key });
    // Names that the endpoint makes belong to one server; those that operators give may belong to several.
    if (owners.length > 0 && given.length === 0) break;
  }
  const [owner] = owners;
  if (owners.length > 1) throw ambiguous(kind, name, owners);
  if (owner === undefined) throw unknownItem(kind, name);
  return { pool: owner.pool, message: renamed(message, path, owner.key), name: owner.key };
}

function unknownItem(kind: string, name: string): GatewayError {
  return new GatewayError('invalid_params', `Unknown ${kind} "${name}".`);
}

async function byUri(exchange: Exchange, uri: string, path: [string, ...string[]]): Promise<Target> {
  const owned = await ownerOf(exchange, uri);
  return { pool: owned.pool, message: renamed(exchange.message, path, owned.uri), name: owned.uri };
}

/** A reference names a template as it is listed, not a URI made from it. */
async function byReferenceUri(exchange: Exchange, template: string): Promise<Target> {
  const { view, message } = exchange;
  const path: [string, ...string[]] = ['params', 'ref', 'uri'];
  if (view.names.mode === 'prefixed') {
    const resolved = resolveUri(template);
    const pool = resolved && view.pools.get(resolved.server);
    if (pool === undefined || resolved === undefined) throw unknownResource(template);
    const own = ownTemplate(exchange, view.of(pool.name), pool, resolved.uri);
    return { ...own, message: renamed(message, path, resolved.uri) };
  }
  const pools = view.poolsWith('resource-template');
  const owners = await offering(exchange, pools, 'resources/templates/list', ({ keys }) => keys.get(template));
  if (owners.length > 1) throw ambiguous('template', template, owners);
  const [owner] = owners;
  return owner === undefined ? byUri(exchange, template, path) : { pool: owner.pool, message, name: template };
}

function renamed(message: Message, path: readonly [string, ...string[]], value: string): Message {
  const { outline } = message;
  const [, name, ...deeper] = path;
  // Only references have names further inside, and of those nothing else is large.
  if (outline?.innerOf === 'params' && name !== undefined && deeper.length === 0)
    return outlinedMessage(outline.with({ inner: { [name]: JSON.stringify(value) } }));
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
  const shown = exchange.view.of(pool.name);
  const known = await upstream.known(row);
  const original = shown.show(row, known).keys.get(name);
  if (original !== undefined) return original;
  const fresh = await upstream.list(row);
  return fresh === known ? undefined : shown.show(row, fresh).keys.get(name);
}
