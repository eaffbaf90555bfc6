/** The only place where an error becomes HTTP or JSON-RPC. */
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { errorText, type JsonObject, type RpcError } from '../mcp/message.ts';
import { modernGatewayCode } from '../mcp/modern/errors.ts';
import type { Era } from '../mcp/versions.ts';
import type { ClientResponse } from './client-response.ts';
import { cutWhenStalled } from './downstream/stalled-reader.ts';
import { ERRORS, GatewayError } from '../shared/errors.ts';

/** Turns whatever was thrown into an expected failure; a fault shows its caller only the id that is also in the log. */
export function expected(error: unknown, requestId: string): GatewayError {
  if (error instanceof GatewayError) return error;
  return new GatewayError('internal', `Internal error; the log has the details under request id ${requestId}.`, {
    cause: error,
  });
}

/** The error object of MCP Gateway Specification 1.17, section 9. */
export function rpcErrorOf(error: GatewayError, requestId: string, era: Era = 'legacy'): RpcError {
  const data: JsonObject = {
    ...(error.data as JsonObject),
    ...(error.server === undefined ? {} : { server: error.server }),
    detail: error.detail ?? ERRORS[error.code].meaning,
    error: error.code,
    requestId,
  };
  const code = era === 'modern' ? modernGatewayCode(error.rpcCode, error.status) : error.rpcCode;
  return { code, message: error.message, data };
}

/** A whole HTTP answer about a failed request. `rpcId` is the raw id of the message, where it is known. */
export function respondError(response: ClientResponse, error: GatewayError, requestId: string, rpcId?: string): void {
  if (response.headersSent || response.destroyed) return;
  const headers: Record<string, string> = { 'x-request-id': requestId };
  const challenge = challengeOf(error);
  if (challenge !== undefined) headers['www-authenticate'] = challenge;
  if (error.status === 503) headers['retry-after'] = '1';
  if (error.code === 'request_timeout') headers['connection'] = 'close';
  respondJson(response, error.status, errorText(rpcId, rpcErrorOf(error, requestId)), headers);
}

/** A whole HTTP answer to a request that wanted to become something else, on its bare socket. */
export function refuseUpgrade(socket: Duplex, error: GatewayError, requestId: string): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = errorText(undefined, rpcErrorOf(error, requestId));
  const challenge = challengeOf(error);
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? 'Error'}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'cache-control: no-store',
    `x-request-id: ${requestId}`,
    ...(challenge === undefined ? [] : [`www-authenticate: ${challenge}`]),
    ...(error.status === 503 ? ['retry-after: 1'] : []),
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** What the client could do about a refusal (RFC 9110, section 11.6.1). */
function challengeOf({ challenge, status }: GatewayError): string | undefined {
  return challenge ?? (status === 401 ? 'Bearer' : undefined);
}

export function respondJson(
  response: ClientResponse,
  status: number,
  body: string,
  headers?: Readonly<Record<string, string>>,
): void {
  respond(response, status, body, 'application/json', headers);
}

/** The same with no header of its own but the id of the request: as it is with most answers. */
export function answerJson(response: ClientResponse, status: number, body: string, requestId: string): void {
  if (response.answerJson === undefined || response.destroyed)
    return respondJson(response, status, body, { 'x-request-id': requestId });
  response.answerJson(status, requestId, body);
  cutWhenStalled(response);
}

/** The same for a body that is there as pieces of UTF-8. */
export function respondPieces(
  response: ClientResponse,
  status: number,
  pieces: readonly Buffer[],
  headers: Readonly<Record<string, string>>,
): void {
  if (response.destroyed) return;
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const type = { 'content-type': 'application/json', 'cache-control': 'no-store' };
  response.writeHead(status, { 'content-length': length, ...type, ...headers });
  for (const piece of pieces) response.write(piece);
  response.end();
  cutWhenStalled(response);
}

/** HTTP 200 with a text. */
export function respondText(response: ClientResponse, contentType: string, body: string): void {
  respond(response, 200, body, contentType);
}

function respond(
  response: ClientResponse,
  status: number,
  body: string,
  contentType: string,
  headers?: Readonly<Record<string, string>>,
): void {
  if (response.destroyed) return;
  response.writeHead(status, {
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'content-type': contentType,
    ...headers,
  });
  response.end(body);
  cutWhenStalled(response);
}
