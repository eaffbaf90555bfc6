/** What the HTTP status of an answer means when the answer is not the one that was hoped for. */
import type { GatewayError } from '../../shared/errors.ts';
import type { ErrorAnswer } from './answers.ts';
import type { OutboundResponse } from './connector.ts';
import { peerError, printable } from './http-errors.ts';

/** The server does not speak this transport: the specification says to try the older one then. */
export class TransportMismatch extends Error {
  override readonly name = 'TransportMismatch';
}

const METHOD_NOT_FOUND = -32601;
const TEMPORARY = new Set([408, 429, 502, 503, 504]);

/**
 * The GatewayError for an answer with status ≥ 400 and without a JSON-RPC body.
 * `first` = nothing was ever answered on this transport, so 400, 404 and 405 may mean that it is the wrong one
 * (2025-11-25, basic/transports, "Backwards Compatibility").
 */
export function statusError(server: string, response: OutboundResponse, method: string, first: boolean): GatewayError {
  const { status } = response;
  if (status === 401 || status === 403) return refusedCredentials(server, response);
  const detail = `the server answered ${method} with HTTP ${status}`;
  const peer = { server };
  if (TEMPORARY.has(status)) return peerError('server_unavailable', detail, peer);
  if (first && (status === 400 || status === 404 || status === 405)) {
    return peerError('server_protocol_error', detail, peer, new TransportMismatch(`HTTP ${status}`));
  }
  return peerError('server_protocol_error', detail, peer);
}

function refusedCredentials(server: string, response: OutboundResponse): GatewayError {
  const challenge = response.header('www-authenticate');
  const asked = challenge === undefined ? '' : `, asking for ${printable(challenge)}`;
  return peerError('server_auth_required', `the server answered HTTP ${response.status}${asked}`, { server });
}

/**
 * True when the answer to a request with a session id says that the server has forgotten the session: HTTP 404 (2025-11-25,
 * basic/transports, "Session Management"), or 400 with a sentence about the session, as the examples of the official
 * SDKs do. An answer that names this request is about the request and not the session: "method not found" may come
 * with 404.
 */
export function isSessionForgotten(status: number, body: string, answer: ErrorAnswer | undefined): boolean {
  if (status === 404) return !(answer?.ownId === true && answer.code === METHOD_NOT_FOUND);
  return status === 400 && answer?.ownId !== true && /\bsession\b/i.test(body);
}

/** True for failures of one transport that make the next candidate worth a try. */
export function isTransportMismatch(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof TransportMismatch;
}
