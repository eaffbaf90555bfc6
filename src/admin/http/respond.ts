/** Writes the answers of the management API. */
import type { ServerResponse } from 'node:http';
import type { GatewayError } from '../../shared/errors.ts';
import { problemOf } from './problem.ts';
import { isUnchanged, liveTag } from './etag.ts';
import type { JsonAnswer, TextAnswer } from './route.ts';

const JSON_TYPE = 'application/json';

/** A client that reads nothing is cut off after so long. */
const STALLED_MS = 30_000;

export function respondAnswer(
  response: ServerResponse,
  { status = 200, body, etag, live, headers }: JsonAnswer,
  ifNoneMatch: string | undefined,
): void {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const tag = etag !== undefined && live === true ? liveTag(etag, text ?? '') : etag;
  if (tag !== undefined) response.setHeader('etag', `"${tag}"`);
  if (status === 200 && tag !== undefined && isUnchanged(ifNoneMatch, tag)) return write(response, 304, undefined, {});
  const type = text === undefined ? {} : { 'content-type': JSON_TYPE };
  write(response, text === undefined && status === 200 ? 204 : status, text, { ...type, ...headers });
}

export function respondText(response: ServerResponse, { text, contentType }: TextAnswer): void {
  write(response, 200, text, { 'content-type': contentType });
}

/** What a stream would begin with, and nothing of it: it has no end that somebody could wait for who only wants the head. */
export function respondHead(response: ServerResponse, contentType = JSON_TYPE): void {
  write(response, 200, undefined, { 'content-type': contentType });
}

export function respondProblem(response: ServerResponse, failure: GatewayError, requestId: string): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const headers: Record<string, string> = { 'content-type': 'application/problem+json', 'x-request-id': requestId };
  const challenge = failure.challenge ?? (failure.status === 401 ? 'Bearer' : undefined);
  if (challenge !== undefined) headers['www-authenticate'] = challenge;
  if (failure.status === 503) headers['retry-after'] = '1';
  if (failure.code === 'request_timeout') headers['connection'] = 'close';
  write(response, failure.status, JSON.stringify(problemOf(failure, requestId)), headers);
}

function write(
  response: ServerResponse,
  status: number,
  body: string | undefined,
  headers: Readonly<Record<string, string>>,
): void {
  if (response.destroyed || response.headersSent) return;
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  response.writeHead(status, { 'cache-control': 'no-store', ...headers, ...length });
  response.end(body);
  if (!response.writableFinished) response.setTimeout(STALLED_MS, () => response.destroy());
}
