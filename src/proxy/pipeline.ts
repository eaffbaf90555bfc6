/** The life of one request, from accept to answer. Read this first. */
import {
  cancelledId,
  checkSpelling,
  errorText,
  outlinedMessage,
  parseMessage,
  paramsOf,
  responseText,
  type Message,
} from '../mcp/message.ts';
import type { JsonOutline } from '../mcp/json-outline.ts';
import { CLIENT_LIMITS } from '../mcp/shape.ts';
import { unlessAborted } from '../shared/async.ts';
import { Cancellation } from '../shared/cancellation.ts';
import { GatewayError } from '../shared/errors.ts';
import type { ClientResponse } from './client-response.ts';
import { dispatchModern } from './dispatch-modern.ts';
import { dispatch } from './dispatch.ts';
import { Batch, batchOf, checkBatches } from './downstream/batch.ts';
import type { ClientLink } from './downstream/client-link.ts';
import { readModern } from './downstream/modern-http.ts';
import { Elsewhere, isLeft } from './elsewhere.ts';
import { openReply, sessionIdOf, checkProtocolVersion } from './downstream/streamable-http.ts';
import type { ReplyChannel } from './downstream/reply.ts';
import type { Admitted, Exchange, ExchangeNotes } from './exchange.ts';
import type { Front } from './front.ts';
import { recordDenial } from './denial.ts';
import { initialize } from './initialize.ts';
import { checkPermission } from './permit.ts';
import { answerFailure, deniedCall, logRequest } from './outcome.ts';
import type { PostRequest } from './post-request.ts';
import { readMessageBody, type LargeBody } from './message-body.ts';
import { expected, respondError, rpcErrorOf } from './respond.ts';
import { routeKey } from './route.ts';
import { moveToView } from './session-view.ts';
import type { Session } from './session.ts';
import { isSubscription, standBy } from './standing.ts';

/**
 * Takes one message that a client posted and answers it; over `link` when the client has a stream for that. Rejects only in
 * a worker, with a request that is to be answered by the owner and of which nothing was answered.
 */
export async function handlePost(
  front: Front,
  request: PostRequest,
  response: ClientResponse,
  admitted: Admitted,
  link?: ClientLink,
): Promise<void> {
  // 3. The Runtime was taken hold of once. (1, 2: the listener has checked limits, Host, Origin and the Principal.)
  const { requestId, route, principal, runtime, view } = admitted;
  const startedAt = performance.now();
  const notes: ExchangeNotes = route.kind === 'server' ? { server: route.server } : {};
  let message: Message | undefined;
  let reply: ReplyChannel | undefined;
  let large: LargeBody | undefined;
  let outcome = 'ok';
  let left = false;
  let stands = false;
  try {
    // 4. The wire becomes a message, the message finds its session.
    const reading = link?.text ?? readMessageBody(request, runtime.config.gateway, front.bodies);
    const body = reading instanceof Promise ? await reading : reading;
    if (typeof body !== 'string') large = body;
    // While the credential was checked; with node:http the body could not be read then.
    if (link === undefined && response.destroyed) throw new GatewayError('cancelled', 'The caller has left.');
    // The parts of a batch were signed together, with the body that they came in.
    if (link?.text === undefined)
      runtime.signatures?.check(request, typeof body === 'string' ? body : body.outline.bytes);
    const batch = link?.text === undefined && typeof body === 'string' ? batchOf(body) : undefined;
    if (batch !== undefined && front.leaves === true) throw new Elsewhere();
    if (batch !== undefined) return await handleBatch(front, request, response, admitted, batch, link);
    message = readMessage(typeof body === 'string' ? body : body.outline);
    const modern = readModern(request, message);
    if (front.leaves === true && (modern === undefined || message.kind !== 'request')) throw new Elsewhere();
    if (modern === undefined) checkProtocolVersion(request);
    const found =
      modern === undefined && link === undefined ? findSession(front, request, admitted, message) : undefined;
    const session = link === undefined ? found : link.session;
    if (session !== undefined && session.view !== view) moveToView(session, view);
    const opened =
      link?.reply(response, requestId) ??
      openReply(request, response, requestId, message.kind === 'request' ? session : undefined);
    reply = opened;
    const exchange: Exchange = {
      requestId,
      runtime,
      principal,
      route,
      view,
      address: admitted.address,
      headers: admitted.headers,
      session,
      modern,
      message,
      reply,
      abort: new Cancellation(),
      notes,
    };
    if (link?.text !== undefined && (modern !== undefined || message.method === 'initialize'))
      throw new GatewayError('invalid_request', 'A batch holds neither "initialize" nor requests of later versions.');
    if (message.kind === 'response') {
      await session?.answer(message);
      return reply.accept();
    }
    if (message.kind === 'notification') {
      await hearNotification(exchange);
      return reply.accept();
    }
    // 5. What the principal may do, and nothing new while draining; answers to open questions still pass, above.
    if (front.draining()) throw new GatewayError('shutting_down', 'Gateway is shutting down');
    checkPermission(exchange, request.url);
    // Without a session a cancellation cannot be sent, so leaving is the only way to cancel.
    if (session === undefined && link === undefined) abortWhenLeft(response, exchange.abort);
    if (modern !== undefined && isSubscription(message) && link === undefined && large === undefined) {
      stands = true;
      return standBy(front, exchange, startedAt);
    }
    outcome = await answerRequest(front, exchange, (fresh) => {
      opened.setHeader('mcp-session-id', fresh.sessionId);
      link?.opened(fresh);
    });
  } catch (error) {
    left = isLeft(front, notes) && !response.headersSent && !response.destroyed;
    if (left) throw error;
    const failure = expected(error, requestId);
    outcome = failure.code;
    if (failure.code === 'internal') {
      front.log.error({ err: error, requestId }, 'a request failed through a fault of the gateway');
    }
    await recordDenial(front.recordDenial, failure, () => deniedCall({ ...admitted, message, notes }));
    if (reply !== undefined) reply.fail(failure, message?.id);
    else if (link?.fail(errorText(message?.id, rpcErrorOf(failure, requestId))) !== true)
      respondError(response, failure, requestId, message?.id);
  } finally {
    large?.hold[Symbol.dispose]();
    // 9. One line in the access log, whatever happened.
    if (!left && !stands) logRequest(front, { requestId, principal, route, message, notes, outcome, startedAt });
  }
}

/** By itself: what a listener sees of its surroundings stays for as long as the connection has it. */
function abortWhenLeft(response: ClientResponse, abort: Cancellation): void {
  response.once('close', () => {
    if (!response.writableEnded) abort.abort(new GatewayError('cancelled', 'The caller has left.'));
  });
}

/** Works on all messages of a batch at once. */
async function handleBatch(
  front: Front,
  request: PostRequest,
  response: ClientResponse,
  admitted: Admitted,
  texts: readonly string[],
  link: ClientLink | undefined,
): Promise<void> {
  checkProtocolVersion(request);
  const { principal, route, requestId } = admitted;
  const sessionId = sessionIdOf(request);
  const session =
    link?.session ?? (sessionId === undefined ? undefined : front.sessions.find(sessionId, principal, routeKey(route)));
  checkBatches(session, request.headers['mcp-protocol-version']?.toString());
  const reply = link?.reply(response, requestId) ?? openReply(request, response, requestId);
  const batch = new Batch(reply, session);
  await Promise.all(texts.map((text) => handlePost(front, request, response, admitted, batch.part(text))));
  batch.end();
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
  const { message, reply, session, notes } = exchange;
  const id = message.id ?? 'null';
  session?.begin(exchange);
  front.exchanges.add(exchange);
  // The answer to a handshake carries the session in its head, which therefore must not be sent before.
  if (message.method !== 'initialize' && front.leaves !== true) reply.keepAlive(front.heartbeat);
  try {
    if (exchange.modern !== undefined) {
      exchange.abort.throwIfAborted();
      const answering = dispatchModern(front, exchange, exchange.modern);
      // What is under way to a server is taken back there.
      const answer = await (notes.sent === true ? answering : unlessAborted(answering, exchange.abort));
      if (typeof answer?.text === 'string') reply.answer(answer.text, answer.status);
      else if (answer !== undefined) reply.answerPieces(answer.text, answer.status);
    } else if (message.method === 'initialize') {
      const opened = await unlessAborted(initialize(front, exchange), exchange.abort);
      onOpened(opened.session);
      reply.answer(responseText(id, opened.result));
    } else {
      exchange.abort.throwIfAborted();
      const answering = dispatch(exchange);
      const text = await (notes.sent === true ? answering : unlessAborted(answering, exchange.abort));
      if (typeof text === 'string') reply.answer(text);
      else if (text !== undefined) reply.answerPieces(text);
    }
    return 'ok';
  } catch (error) {
    if (isLeft(front, exchange.notes)) throw error;
    return await answerFailure(front, exchange, error);
  } finally {
    session?.end(exchange);
    front.exchanges.delete(exchange);
  }
}

/** A message from the outside: its shape and spelling are checked before anything looks into it. */
export function readMessage(body: string | JsonOutline): Message {
  const message = typeof body === 'string' ? parseMessage(body, CLIENT_LIMITS) : outlinedMessage(body);
  checkSpelling(message);
  return message;
}

function findSession(
  front: Front,
  request: PostRequest,
  { principal, route }: Admitted,
  message: Message,
): Session | undefined {
  const sessionId = sessionIdOf(request);
  // A second handshake opens a second session; the old one ends by itself.
  if (sessionId === undefined || message.method === 'initialize') return undefined;
  return front.sessions.find(sessionId, principal, routeKey(route));
}

/** What a client says without expecting an answer. */
export async function hearNotification(exchange: Exchange): Promise<void> {
  const { session, message } = exchange;
  if (session === undefined || message.method === 'notifications/initialized') return;
  if (message.method === 'notifications/cancelled') {
    const id = cancelledId(message);
    const { reason } = paramsOf(message);
    if (id !== undefined) session.cancel(id, typeof reason === 'string' ? reason.slice(0, 500) : undefined);
    return;
  }
  if (message.method === 'notifications/progress') return session.reportProgress(message);
  // Anything else concerns the servers of the session: its roots have changed, or something that we do not know.
  const upstreams = [...exchange.view.pools.values()].flatMap((pool) => {
    const upstream = pool.ownsUpstream(session) ? pool.present(session) : undefined;
    return upstream === undefined || upstream.era === 'modern' ? [] : [upstream];
  });
  await Promise.allSettled(upstreams.map((upstream) => upstream.notify(message.text)));
}
