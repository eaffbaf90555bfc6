/** The life of one request, from accept to answer. Read this first. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  cancelledId,
  checkSpelling,
  errorText,
  parseMessage,
  paramsOf,
  responseText,
  type Message,
} from '../mcp/message.ts';
import { checkShape } from '../mcp/shape.ts';
import { unlessAborted } from '../shared/async.ts';
import { GatewayError } from '../shared/errors.ts';
import { dispatch } from './dispatch.ts';
import { openReply, sessionIdOf, checkProtocolVersion } from './downstream/streamable-http.ts';
import type { Reply } from './downstream/reply.ts';
import type { Admitted, Exchange, ExchangeNotes } from './exchange.ts';
import type { Front } from './front.ts';
import { initialize } from './initialize.ts';
import { readBody } from './read-body.ts';
import { expected, respondError, rpcErrorOf } from './respond.ts';
import { routeKey } from './route.ts';
import type { Session } from './session.ts';

/** Takes one message that a client posted and answers it. Never rejects. */
export async function handlePost(
  front: Front,
  request: IncomingMessage,
  response: ServerResponse,
  admitted: Admitted,
): Promise<void> {
  // 3. The Runtime was taken hold of once. (1, 2: the listener has checked limits, Host, Origin and the Principal.)
  const { requestId, route, principal, runtime } = admitted;
  const startedAt = performance.now();
  const notes: ExchangeNotes = route.kind === 'server' ? { server: route.server } : {};
  let message: Message | undefined;
  let reply: Reply | undefined;
  let outcome = 'ok';
  try {
    // 4. The wire becomes a message, the message finds its session.
    const body = await readBody(request, runtime.config.gateway.maxBodyBytes);
    runtime.signatures?.check(request, body);
    message = readMessage(body);
    checkProtocolVersion(request);
    const session = findSession(front, request, admitted, message);
    const opened = openReply(request, response, requestId);
    reply = opened;
    const exchange: Exchange = {
      requestId,
      runtime,
      principal,
      route,
      session,
      message,
      reply,
      abort: new AbortController(),
      notes,
    };
    if (message.kind === 'response') {
      await session?.answer(message);
      return reply.accept();
    }
    if (message.kind === 'notification') {
      await hearNotification(exchange);
      return reply.accept();
    }
    // 5. Nothing new while draining; answers to open questions still pass, above.
    if (front.draining()) throw new GatewayError('shutting_down', 'Gateway is shutting down');
    // Without a session a cancellation cannot be sent, so leaving is the only way to cancel.
    if (session === undefined) {
      response.once('close', () => exchange.abort.abort(new GatewayError('cancelled', 'The caller has left.')));
    }
    outcome = await answerRequest(front, exchange, ({ sessionId }) => opened.setHeader('mcp-session-id', sessionId));
  } catch (error) {
    const failure = expected(error, requestId);
    outcome = failure.code;
    if (failure.code === 'internal') {
      front.log.error({ err: error, requestId }, 'a request failed through a fault of the gateway');
    }
    if (reply === undefined) respondError(response, failure, requestId, message?.id);
    else reply.fail(failure, message?.id);
  } finally {
    // 9. One line in the access log, whatever happened.
    logRequest(front, { requestId, principal, message, notes, outcome, startedAt });
  }
}

export interface RequestRecord extends Pick<Exchange, 'requestId' | 'principal' | 'notes'> {
  /** undefined when it could not be read. */
  readonly message: Message | undefined;
  readonly outcome: string;
  /** By the clock of `performance.now()`. */
  readonly startedAt: number;
}

export function logRequest({ log }: Front, record: RequestRecord): void {
  const { requestId, principal, message, notes, outcome, startedAt } = record;
  log.info(
    {
      requestId,
      principal: principal.subject,
      method: message?.method ?? message?.kind,
      ...notes,
      outcome,
      ms: Math.round((performance.now() - startedAt) * 10) / 10,
    },
    'request',
  );
}

/**
 * 6 to 8: route, upstream, answer. Failures after this point are JSON-RPC errors under HTTP 200: the HTTP exchange itself
 * worked. Rejects with a refused handshake and with faults. `onOpened` is told of a new session before the answer is sent.
 */
export async function answerRequest(
  front: Front,
  exchange: Exchange,
  onOpened: (session: Session) => void,
): Promise<string> {
  const { message, reply, session } = exchange;
  const id = message.id ?? 'null';
  session?.begin(exchange);
  front.exchanges.add(exchange);
  // The answer to a handshake carries the session in its head, which therefore must not be sent before.
  if (message.method !== 'initialize') reply.keepAlive(front.heartbeat);
  try {
    if (message.method === 'initialize') {
      const opened = await unlessAborted(initialize(front, exchange), exchange.abort.signal);
      onOpened(opened.session);
      reply.answer(responseText(id, opened.result));
    } else {
      reply.answer(await unlessAborted(dispatch(exchange), exchange.abort.signal));
    }
    return 'ok';
  } catch (error) {
    const failure = expected(error, exchange.requestId);
    if (failure.code === 'cancelled') {
      reply.drop(failure, id);
      return failure.code;
    }
    // Clients retry a refused handshake by its HTTP status; a fault must be logged by the caller.
    if (message.method === 'initialize' || failure.code === 'internal') throw error;
    reply.answer(errorText(id, rpcErrorOf(failure, exchange.requestId)));
    return failure.code;
  } finally {
    session?.end(exchange);
    front.exchanges.delete(exchange);
  }
}

/** A message from the outside: its shape and spelling are checked before anything looks into it. */
export function readMessage(body: string): Message {
  checkShape(body);
  const message = parseMessage(body);
  checkSpelling(message);
  return message;
}

function findSession(
  front: Front,
  request: IncomingMessage,
  { principal, route }: Admitted,
  message: Message,
): Session | undefined {
  const sessionId = sessionIdOf(request);
  // A second handshake opens a second session; the old one ends by itself.
  if (sessionId === undefined || message.method === 'initialize') return undefined;
  return front.sessions.find(sessionId, principal.subject, routeKey(route));
}

/** What a client says without expecting an answer. */
export async function hearNotification(exchange: Exchange): Promise<void> {
  const { session, message, runtime, route } = exchange;
  if (session === undefined || message.method === 'notifications/initialized') return;
  if (message.method === 'notifications/cancelled') {
    const id = cancelledId(message);
    const { reason } = paramsOf(message);
    if (id !== undefined) session.cancel(id, typeof reason === 'string' ? reason.slice(0, 500) : undefined);
    return;
  }
  if (message.method === 'notifications/progress') return session.reportProgress(message);
  // Anything else concerns the servers of the session: its roots have changed, or something that we do not know.
  const names = route.kind === 'server' ? [route.server] : [...runtime.pools.keys()];
  const upstreams = names.flatMap((name) => {
    const pool = runtime.pools.get(name);
    const upstream = pool?.ownsUpstream(session) === true ? pool.present(session) : undefined;
    return upstream === undefined ? [] : [upstream];
  });
  await Promise.allSettled(upstreams.map((upstream) => upstream.notify(message.text)));
}
