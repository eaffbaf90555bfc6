/** Answers one request of a client: by itself where it can, else through the server that it is for. */
import { listingOf } from '../mcp/listing.ts';
import { LOG_LEVELS } from '../mcp/log-levels.ts';
import {
  paramsOf,
  parseMessage,
  requestText,
  responseText,
  resultText,
  stringParam,
  type Message,
} from '../mcp/message.ts';
import { renameResultUris } from '../mcp/result-uris.ts';
import { unlessAborted } from '../shared/async.ts';
import { GatewayError } from '../shared/errors.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { CallOptions } from '../upstream/upstream.ts';
import { callModern } from './bridge/legacy-to-modern.ts';
import { HeldAnswer } from './downstream/held-answer.ts';
import type { Exchange } from './exchange.ts';
import { editedLargeAnswer, guardedLargeAnswer } from './finish-large-answer.ts';
import { guardHeld, takerOf } from './passed-answers.ts';
import { passedHeaders } from './passed-headers.ts';
import { list } from './fan-out.ts';
import { guardRequest, guardResponse } from './guard-chain.ts';
import { isPieces, largeAnswerIn, type AnswerText } from './large-answer.ts';
import { targetOf, type Target } from './target.ts';

const MAX_SUBSCRIPTIONS = 1_000;

/** The answer to a request as JSON-RPC, whether result or the server's own error; undefined when it has been passed on. Rejects with a GatewayError. */
export function dispatch(exchange: Exchange): Promise<AnswerText | undefined> {
  // Without a promise of its own: each call passes here.
  if (exchange.message.method !== 'tools/call') return dispatchOther(exchange);
  const target = targetOf(exchange);
  return target instanceof Promise ? target.then((found) => forward(exchange, found)) : forward(exchange, target);
}

async function dispatchOther(exchange: Exchange): Promise<AnswerText | undefined> {
  const { message } = exchange;
  const id = message.id ?? 'null';
  const row = listingOf(message.method ?? '');
  if (row !== undefined) return responseText(id, await list(exchange, row));
  switch (message.method) {
    case 'ping':
      return responseText(id, '{}');
    case 'logging/setLevel':
      return responseText(id, await setLogLevel(exchange));
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return subscribe(exchange, message.method === 'resources/subscribe');
    default: {
      const target = targetOf(exchange);
      return forward(exchange, target instanceof Promise ? await target : target);
    }
  }
}

async function forward(exchange: Exchange, found: Target): Promise<AnswerText | undefined> {
  const { guards } = exchange.runtime;
  const target = guards.length === 0 ? found : { ...found, message: await guardRequest(exchange, found) };
  let text: AnswerText | Message | undefined;
  try {
    text = await callOnce(exchange, target);
  } catch (error) {
    // The server refused the call because it has forgotten our session: it did nothing, so a second try is safe.
    if (!(error instanceof GatewayError) || error.code !== 'server_session_lost') throw error;
    text = await unlessAborted(callOnce(exchange, target), exchange.abort);
  }
  if (text === undefined || isPieces(text)) return text;
  if (typeof text === 'string' && guards.length === 0 && exchange.route.kind === 'server') return text;
  const guarded = typeof text === 'string' ? await guardResponse(exchange, target, text) : text;
  const large = largeAnswerIn(guarded);
  if (large !== undefined) return editedLargeAnswer(exchange, target, large);
  return finished(exchange, target, guarded.text, guarded);
}

/** The answer; a message when the guards have seen it already. Waits for nothing else where the conversation is open: each call passes here. */
async function callOnce(exchange: Exchange, target: Target): Promise<AnswerText | Message | undefined> {
  const { session } = exchange;
  const { pool, message } = target;
  const upstream =
    (session === undefined ? undefined : pool.readyFor(session)) ??
    (await (session === undefined ? pool.shared() : pool.for(session)));
  if (upstream.era === 'modern') {
    const given = await callModern(exchange, target, upstream);
    return given === undefined || typeof given === 'string' ? given : guardedLargeAnswer(exchange, target, given);
  }
  const passTo = takerOf(exchange, pool);
  exchange.notes.sent = true;
  const answer = await upstream.call(message, { ...callOptions(exchange, pool), passTo });
  const large = largeAnswerIn(answer.message);
  if (large !== undefined) return guardedLargeAnswer(exchange, target, large);
  if (answer.passedOn !== true) return answer.text;
  return passTo instanceof HeldAnswer ? guardHeld(exchange, target, passTo) : undefined;
}

function callOptions(exchange: Exchange, pool: UpstreamPool): CallOptions {
  const headers = passedHeaders(exchange, pool);
  return {
    owner: exchange,
    principal: exchange.principal.subject,
    timeoutMs: pool.config.toolTimeoutMs,
    signal: exchange.abort,
    keeper: exchange.reply,
    onMessage: (text) => void exchange.reply.send(text),
    logLevel: exchange.session?.logLevel,
    ...(headers && { headers }),
  };
}

/** On the unified endpoint the URIs in a result carry their server; everywhere else the answer passes as it is. */
function finished({ route, message, view }: Exchange, { pool }: Target, text: string, answer: Message): string {
  const { names } = view;
  const result = route.kind === 'server' || names.mode === 'plain' ? undefined : resultText(answer);
  if (result === undefined) return text;
  const renamed = renameResultUris(message.method ?? '', result, (uri) => names.uri(pool.name, uri));
  return responseText(message.id ?? 'null', renamed);
}

/** Remembers the level for the session and tells the servers concerned. */
async function setLogLevel(exchange: Exchange): Promise<string> {
  const { session, message } = exchange;
  const level = stringParam(message, 'level');
  if (!LOG_LEVELS.includes(level)) {
    throw new GatewayError('invalid_params', `The level must be one of ${LOG_LEVELS.join(', ')}.`);
  }
  if (session === undefined) return '{}';
  session.logLevel = level;
  await Promise.allSettled([...exchange.view.pools.values()].map((pool) => tellLevel(exchange, pool)));
  return '{}';
}

/** A conversation that is not open yet is told when it opens. */
async function tellLevel(exchange: Exchange, pool: UpstreamPool): Promise<void> {
  const { session } = exchange;
  const upstream = session && pool.present(session);
  if (session === undefined || upstream?.capabilities['logging'] === undefined || upstream.era === 'modern') return;
  const alone = pool.ownsUpstream(session);
  pool.routing.attach(session, !alone);
  const level = alone ? session.logLevel : pool.routing.needs(pool.name).logLevel;
  const text = requestText(exchange.message.id ?? '0', 'logging/setLevel', JSON.stringify({ level }));
  await upstream.call(parseMessage(text), callOptions(exchange, pool));
}

async function subscribe(exchange: Exchange, wanted: boolean): Promise<string> {
  const { session, message } = exchange;
  if (session === undefined) {
    throw new GatewayError('session_missing', 'A subscription needs a session; send "initialize" first.');
  }
  const target = await targetOf(exchange);
  const { pool } = target;
  const uri = String(paramsOf(target.message)['uri']);
  const upstream = await pool.for(session);
  const mine = session.ownSubscriptions(pool.name);
  if (wanted && mine.size >= MAX_SUBSCRIPTIONS) {
    throw new GatewayError('invalid_params', `A session may have ${MAX_SUBSCRIPTIONS} subscriptions to one server.`);
  }
  if (upstream.era === 'modern') {
    if (wanted) mine.add(uri);
    else mine.delete(uri);
    pool.syncWatch();
    return responseText(message.id ?? 'null', '{}');
  }
  const others = !pool.ownsUpstream(session) && othersWant(pool, uri, mine);
  if (others) {
    // Other sessions of the same conversation have the subscription already, or still need it.
    if (wanted) mine.add(uri);
    else mine.delete(uri);
    return responseText(message.id ?? 'null', '{}');
  }
  const answer = await upstream.call(target.message, callOptions(exchange, pool));
  if (!answer.message.failed && wanted) mine.add(uri);
  if (!answer.message.failed && !wanted) mine.delete(uri);
  return answer.text;
}

function othersWant(pool: UpstreamPool, uri: string, mine: Set<string>): boolean {
  const had = mine.delete(uri);
  const wanted = pool.routing.needs(pool.name).subscriptions.has(uri);
  if (had) mine.add(uri);
  return wanted;
}
