/** Answers one request of a modern client: by the gateway, by a modern server as it is, or by a legacy server over the bridge. */
import { listingOf, listingText, readPage, type ListingRow } from '../mcp/listing.ts';
import { isObject, paramsOf, parseMessage, responseText, resultText, type Message } from '../mcp/message.ts';
import { statusOfCode } from '../mcp/modern/errors.ts';
import { withOrigins } from '../mcp/modern/origin.ts';
import { checkParamHeaders, type ParamHeader } from '../mcp/modern/param-headers.ts';
import { legacyResult, modernResult, privateResult, UNCACHED } from '../mcp/modern/results.ts';
import { declaredHeaders, scanTool } from '../mcp/modern/tool-headers.ts';
import { renameResultUris } from '../mcp/result-uris.ts';
import { within } from '../shared/async.ts';
import { GatewayError } from '../shared/errors.ts';
import type { ModernUpstream } from '../upstream/modern-upstream.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Answer, CallOptions, Upstream } from '../upstream/upstream.ts';
import { callLegacy } from './bridge/modern-to-legacy.ts';
import { discover } from './discover.ts';
import { HeldAnswer } from './downstream/held-answer.ts';
import { Elsewhere } from './elsewhere.ts';
import type { Exchange, ModernRequest } from './exchange.ts';
import { editedLargeAnswer, guardedLargeAnswer } from './finish-large-answer.ts';
import { isPieces, largeAnswerIn, type AnswerText, type LargeAnswer } from './large-answer.ts';
import { guardHeld, takerOf } from './passed-answers.ts';
import { passedHeaders } from './passed-headers.ts';
import { endpointInfo, list, unifiedItems } from './fan-out.ts';
import type { Front } from './front.ts';
import { guardRequest, guardResponse } from './guard-chain.ts';
import { checkServer, dependsOnCaller } from './permit.ts';
import { lastKnown, SERVER_DEADLINE_MS } from './server-listing.ts';
import { listen } from './subscriptions.ts';
import { targetOf, type Target } from './target.ts';
import { solePool } from './view/view.ts';
import { isTaskMethod, openTaskId, requireTasks, sealTaskId } from './task-ids.ts';

export interface ModernAnswer {
  readonly text: AnswerText;
  /** HTTP status for an answer that nothing precedes. */
  readonly status: number;
}

/** Methods that the modern era replaced by something else. */
const REMOVED = new Set(['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe']);

/** The answer to a modern request; undefined when it has been passed on. Rejects with a GatewayError. */
export function dispatchModern(
  front: Front,
  exchange: Exchange,
  modern: ModernRequest,
): Promise<ModernAnswer | undefined> {
  const { message, route } = exchange;
  // Without a promise of its own: each call passes here.
  if (message.method !== 'tools/call') return dispatchOther(front, exchange, modern);
  const target = route.kind === 'server' ? targetOf(exchange) : findTarget(front, exchange);
  return target instanceof Promise
    ? target.then((asked) => forward(front, exchange, modern, asked))
    : forward(front, exchange, modern, target);
}

async function dispatchOther(
  front: Front,
  exchange: Exchange,
  modern: ModernRequest,
): Promise<ModernAnswer | undefined> {
  const { message, route, view } = exchange;
  const id = message.id ?? 'null';
  const pool = route.kind === 'server' ? solePool(view) : undefined;
  if (message.method === 'server/discover') {
    return found(responseText(id, await discover(exchange, pool, front.version)));
  }
  if (message.method === 'subscriptions/listen') {
    return found(await listen(front.subscriptions, exchange, message));
  }
  if (route.kind !== 'server' && REMOVED.has(message.method ?? '')) {
    throw new GatewayError('method_not_found', `Modern clients have no "${message.method ?? ''}".`);
  }
  const row = listingOf(message.method ?? '');
  if (row !== undefined) return listed(exchange, front, row, pool);
  const target = findTarget(front, exchange);
  return forward(front, exchange, modern, target instanceof Promise ? await target : target);
}

async function listed(
  exchange: Exchange,
  front: Front,
  row: ListingRow,
  pool: UpstreamPool | undefined,
): Promise<ModernAnswer> {
  const id = exchange.message.id ?? 'null';
  if (pool === undefined) {
    if (paramsOf(exchange.message)['cursor'] !== undefined)
      throw new GatewayError(
        'invalid_params',
        'The cursor was not given by this endpoint: its listings have one page.',
      );
    const { text: items, hint } = await unifiedItems(exchange, row);
    // The frame first: each member that is set is looked for in all of the text, and the items are most of it.
    const info = JSON.stringify(endpointInfo(exchange.view, front.version));
    const frame = modernResult(row.method, '{}', info, hint);
    return found(responseText(id, listingText(frame, row, [items])));
  }
  let legacy: Upstream;
  try {
    const upstream = await pool.modern();
    if (upstream !== undefined) return await relayListing(exchange, row, pool, upstream);
    legacy = await pool.shared();
  } catch (error) {
    return found(responseText(id, lastResult(exchange, row, pool, error)));
  }
  const { serverInfo } = JSON.parse(legacy.initializeResult) as { readonly serverInfo?: object };
  const text = modernResult(row.method, await list(exchange, row), JSON.stringify(serverInfo), UNCACHED);
  return found(responseText(id, text));
}

/** The server's own page, with its cursor and its time to live, as the endpoint shows it. */
async function relayListing(
  exchange: Exchange,
  row: ListingRow,
  pool: UpstreamPool,
  upstream: ModernUpstream,
): Promise<ModernAnswer> {
  exchange.notes.server = pool.name;
  const serverView = exchange.view.of(pool.name);
  const answer = await upstream.call(exchange.message, callOptions(exchange, pool));
  const isEdited = row.kind === 'tools' || !serverView.untouched;
  const page = isEdited ? readPage(resultText(answer.message) ?? '', row) : undefined;
  if (page === undefined) return relayed(ownOnly(exchange, answer), answer.message);
  const valid = row.kind === 'tools' ? page.items.filter((item) => scanTool(item).valid) : page.items;
  const shown = serverView.showItems(row, valid).items;
  if (serverView.untouched && shown.length === page.items.length) return found(ownOnly(exchange, answer));
  const frame = listingText(
    page.frame,
    row,
    shown.map(({ text }) => text),
  );
  const result = page.nextCursor === undefined ? frame : withCursor(frame, page.nextCursor);
  return found(responseText(exchange.message.id ?? 'null', dependsOnCaller(exchange) ? privateResult(result) : result));
}

/** What the server has listed last, on one page. Throws `error` when that may not be shown. */
function lastResult(exchange: Exchange, row: ListingRow, pool: UpstreamPool, error: unknown): string {
  if (paramsOf(exchange.message)['cursor'] !== undefined) throw error;
  const { frame, items } = lastKnown(exchange, pool, row, error);
  const text = listingText(
    legacyResult(frame),
    row,
    items.map((item) => item.text),
  );
  return modernResult(row.method, text, undefined, UNCACHED);
}

/** What not everybody may see must not be kept for others, whatever its server says. */
function ownOnly(exchange: Exchange, { text, message: answer }: Answer): string {
  const { message } = exchange;
  const result = dependsOnCaller(exchange) ? resultText(answer) : undefined;
  return result === undefined ? text : responseText(message.id ?? 'null', privateResult(result));
}

function withCursor(frame: string, cursor: string): string {
  return `${frame.slice(0, -1)},"nextCursor":${JSON.stringify(cursor)}}`;
}

function findTarget({ bridge }: Front, exchange: Exchange): Target | Promise<Target> {
  const { message, route, principal, modern, view } = exchange;
  if (route.kind === 'server' || !isTaskMethod(message.method)) return targetOf(exchange);
  requireTasks(modern?.envelope.capabilities ?? {});
  const opened = openTaskId(bridge.sealer, principal.subject, message);
  const pool = view.pools.get(opened.server);
  if (pool === undefined) throw new GatewayError('invalid_params', 'Unknown task.');
  checkServer(exchange, pool.name);
  exchange.notes.server = pool.name;
  return { pool, message: opened.message, name: undefined };
}

/** Waits for nothing but the answer where everything else is there: each call passes here. */
async function forward(
  front: Front,
  exchange: Exchange,
  modern: ModernRequest,
  asked: Target,
): Promise<ModernAnswer | undefined> {
  const { pool } = asked;
  const { guards } = exchange.runtime;
  const upstream = pool.readyModern ?? (await pool.modern());
  if (upstream === undefined && front.leaves === true) throw new Elsewhere();
  const declaring = declaredFor(asked, upstream);
  const declared = declaring instanceof Promise ? await declaring : declaring;
  // What the client repeats in Mcp-Param-* headers must be what stands in the body.
  if (declared.length > 0) checkParamHeaders(declared, asked.message.parameter('arguments'), modern.headers.params);
  const target = guards.length === 0 ? asked : { ...asked, message: await guardRequest(exchange, asked) };
  let text: string;
  let read: Message | undefined;
  if (upstream === undefined) {
    const given = await callLegacy(front.bridge, exchange, modern, target);
    if (given === undefined) return undefined;
    if (typeof given !== 'string') return largeAnswer(front, exchange, target, given);
    text = given;
  } else {
    // What only the caller may keep says so in its result; calls of tools have no such member.
    const isUntouched = target.message.method === 'tools/call' || !dependsOnCaller(exchange);
    const passTo = isUntouched ? takerOf(exchange, pool, front.bridge) : undefined;
    const options = callOptions(exchange, pool, unexplained(modern, declared), passTo);
    exchange.notes.sent = true;
    // Not before: until then the answer may be that of another process.
    if (front.leaves === true) exchange.reply.keepAlive(front.heartbeat);
    const given = await upstream.call(target.message, options);
    if (given.passedOn === true) {
      if (!(passTo instanceof HeldAnswer)) return undefined;
      const guarded = await guardHeld(exchange, target, passTo, front.bridge);
      const large = guarded && largeAnswerIn(guarded);
      if (large !== undefined) return found(await editedLargeAnswer(exchange, target, large, front.bridge));
      return guarded && relayed(unifiedAnswer(front, exchange, target, guarded), guarded);
    }
    const large = largeAnswerIn(given.message);
    if (large !== undefined) return largeAnswer(front, exchange, target, large);
    text = ownOnly(exchange, given);
    read = given.message;
  }
  // Nobody changes what one server answers on its own endpoint: it was read already.
  if (read !== undefined && guards.length === 0 && exchange.route.kind === 'server') return relayed(text, read);
  const answer = guards.length === 0 ? parseMessage(text) : await guardResponse(exchange, target, text);
  return relayed(unifiedAnswer(front, exchange, target, answer), answer);
}

/** As `ownOnly`, guards and `unifiedAnswer` leave it. */
async function largeAnswer(
  front: Front,
  exchange: Exchange,
  target: Target,
  given: LargeAnswer,
): Promise<ModernAnswer> {
  const { outline } = given;
  const isPrivate = !given.failed && dependsOnCaller(exchange) && outline.inner.has('cacheScope');
  const inner = isPrivate ? { ...given.inner, cacheScope: '"private"' } : given.inner;
  const answer = await guardedLargeAnswer(exchange, target, { ...given, ...(inner && { inner }) }, front.bridge);
  if (!isPieces(answer)) return relayed(unifiedAnswer(front, exchange, target, answer), answer);
  const code = given.failed ? Number(inner?.['code'] ?? codeIn(outline)) : 0;
  return { text: answer, status: statusOfCode(code) };
}

/** The arguments that a tool wants in headers. */
function declaredFor(
  { pool, message }: Target,
  upstream: ModernUpstream | undefined,
): readonly ParamHeader[] | Promise<readonly ParamHeader[]> {
  if (message.method !== 'tools/call') return [];
  const name = message.parameter('name');
  return upstream === undefined ? legacyHeaders(pool, name) : upstream.paramHeadersOf(String(name));
}

async function legacyHeaders(pool: UpstreamPool, name: unknown): Promise<readonly ParamHeader[]> {
  const row = listingOf('tools/list');
  if (row === undefined) return [];
  const known = pool.shared().then((upstream) => upstream.known(row));
  const listing = await within(known, SERVER_DEADLINE_MS).catch(() => undefined);
  return declaredHeaders(listing?.items.find(({ key }) => key === name));
}

/** Headers that no schema explains pass unchanged (2026-07-28, basic/transports, "Custom Headers"); undefined when there are none. */
function unexplained(
  { headers: { params } }: ModernRequest,
  declared: readonly ParamHeader[],
): Record<string, string> | undefined {
  if (params.size === 0) return undefined;
  return Object.fromEntries([...params].filter(([name]) => !declared.some(({ header }) => header === name)));
}

function callOptions(
  exchange: Exchange,
  pool: UpstreamPool,
  further?: Readonly<Record<string, string>>,
  passTo?: CallOptions['passTo'],
): CallOptions {
  const passed = passedHeaders(exchange, pool);
  const headers = passed === undefined || further === undefined ? (passed ?? further) : { ...passed, ...further };
  return {
    owner: exchange,
    principal: exchange.principal.subject,
    timeoutMs: pool.config.toolTimeoutMs,
    signal: exchange.abort,
    keeper: exchange.reply,
    onMessage: (text) => void exchange.reply.send(text),
    logLevel: exchange.modern?.envelope.logLevel,
    passTo,
    ...(headers && { headers }),
  };
}

/** On the unified endpoint URIs and tasks carry their server; everywhere else the answer passes as it is. */
function unifiedAnswer(
  { bridge }: Front,
  { route, principal, message, view }: Exchange,
  { pool }: Target,
  answer: Message,
): string {
  const id = message.id ?? 'null';
  if (route.kind === 'server' || answer.failed) return answer.text;
  const result = sealTaskId(bridge.sealer, { principal: principal.subject, server: pool.name, asked: message }, answer);
  if (result === undefined) return answer.text;
  return responseText(
    id,
    renameResultUris(message.method ?? '', withOrigins(result, pool.name), (uri) => view.names.uri(pool.name, uri)),
  );
}

function found(text: AnswerText): ModernAnswer {
  return { text, status: 200 };
}

function relayed(text: string, answer: Message): ModernAnswer {
  return { text, status: answer.failed ? statusOfCode(codeIn(answer)) : 200 };
}

function codeIn({ value }: { readonly value: object }): number {
  const error = 'error' in value ? value.error : undefined;
  return isObject(error) && typeof error['code'] === 'number' ? error['code'] : 0;
}
