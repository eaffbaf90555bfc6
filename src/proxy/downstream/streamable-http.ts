/** The streamable HTTP transport of protocol versions up to 2025-11-25, on the side of the clients. */
import type { ServerResponse } from 'node:http';
import { isLegacyVersion, LEGACY_VERSIONS } from '../../mcp/versions.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { RequestHead } from '../../shared/request-head.ts';
import type { ClientResponse } from '../client-response.ts';
import type { Admitted } from '../exchange.ts';
import type { Front } from '../front.ts';
import { routeKey } from '../route.ts';
import type { Session } from '../session.ts';
import { EventStream } from './event-stream.ts';
import { Reply } from './reply.ts';
import type { StreamLog } from './stream-log.ts';

/** Checks the media types of a POST and prepares its answer, which the client of a session may come back for. */
export function openReply(request: RequestHead, response: ClientResponse, requestId: string, session?: Session): Reply {
  const { again } = request;
  let mayStream = again && MAY_STREAM.get(again);
  if (mayStream === undefined) {
    mayStream = checkMediaTypes(request);
    if (again !== undefined) MAY_STREAM.set(again, mayStream);
  }
  const mayPassOn = !('httpVersion' in request) || request.httpVersion !== '1.0';
  return new Reply(response, { requestId, mayStream, mayPassOn, log: resumption(session) });
}

/** By a head that is repeated. */
const MAY_STREAM = new WeakMap<object, boolean>();

/** True when the answer may be an event stream. */
function checkMediaTypes(request: RequestHead): boolean {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') {
    throw new GatewayError('unsupported_media_type', 'The Content-Type must be application/json.');
  }
  const mayStream = accepts(request, 'text/event-stream');
  if (!mayStream && !accepts(request, 'application/json')) {
    throw new GatewayError('not_acceptable', 'The Accept header must allow application/json and text/event-stream.');
  }
  return mayStream;
}

export function sessionIdOf(request: RequestHead): string | undefined {
  const value = request.headers['mcp-session-id'];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A version that the gateway does not speak is refused (2025-11-25, basic/transports, protocol version header). */
export function checkProtocolVersion(request: RequestHead): void {
  const version = request.headers['mcp-protocol-version'];
  if (version === undefined || (typeof version === 'string' && isLegacyVersion(version))) return;
  throw new GatewayError(
    'invalid_request',
    `Unsupported MCP-Protocol-Version; this endpoint speaks ${LEGACY_VERSIONS.join(', ')}.`,
  );
}

/** GET: opens the stream on which a session hears what belongs to no request of its own. */
export function handleGet(front: Front, request: RequestHead, response: ClientResponse, admitted: Admitted): void {
  const session = requiredSession(front, request, admitted);
  if (!accepts(request, 'text/event-stream')) {
    throw new GatewayError('not_acceptable', 'The Accept header must allow text/event-stream.');
  }
  if (front.draining()) throw new GatewayError('shutting_down', 'Gateway is shutting down');
  // Its end has been told already: nothing would ever take the stream away, and what waits for the client would be lost.
  if (response.destroyed) throw new GatewayError('cancelled', 'The caller has left.');
  const lastEventId = request.headers['last-event-id'];
  const resumed = lastEventId === undefined ? undefined : session.log.find(String(lastEventId));
  if (lastEventId !== undefined && resumed === undefined) {
    throw new GatewayError('invalid_request', 'The Last-Event-ID is unknown, or what followed it is no longer kept.');
  }
  const stream = new EventStream(response, admitted.requestId, { 'mcp-session-id': session.sessionId });
  const standing = resumed?.stream ?? resumption(session)?.open(true);
  standing?.attach(stream, resumed?.after ?? 0);
  session.lastUsed = Date.now();
  // It had ended before, and its rest is out.
  if (!stream.open) return;
  front.heartbeat.add(stream);
  // What is resumed may be the answer to a call, on which nothing else is sent.
  const mine = standing ?? stream;
  if (resumed === undefined || resumed.stream.standing) session.addStream(mine);
  response.once('close', () => {
    front.heartbeat.remove(stream);
    session.removeStream(mine);
    session.lastUsed = Date.now();
  });
}

/** Where streams are kept for clients that know what an event without data means, which older ones take for a message. */
function resumption(session: Session | undefined): StreamLog | undefined {
  return session?.protocolVersion === '2025-11-25' ? session.log : undefined;
}

/** DELETE: ends the session, and with it its conversations with servers. */
export function handleDelete(front: Front, request: RequestHead, response: ServerResponse, admitted: Admitted): void {
  const session = requiredSession(front, request, admitted);
  // Its containers may take seconds to end; the client need not wait for that.
  void front.sessions.end(session);
  response.writeHead(204, { 'x-request-id': admitted.requestId });
  response.end();
}

function requiredSession(front: Front, request: RequestHead, { principal, route }: Admitted): Session {
  const sessionId = sessionIdOf(request);
  if (sessionId === undefined) throw new GatewayError('session_missing', 'The request needs an Mcp-Session-Id header.');
  checkProtocolVersion(request);
  return front.sessions.find(sessionId, principal, routeKey(route));
}

/** A missing Accept header accepts everything (RFC 9110, section 12.5.1). */
function accepts(request: RequestHead, type: string): boolean {
  const accept = request.headers.accept;
  if (accept === undefined) return true;
  const family = `${type.split('/')[0]}/*`;
  return accept.split(',').some((part) => {
    const [range = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase());
    if (parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))) return false;
    return range === type || range === family || range === '*/*';
  });
}
