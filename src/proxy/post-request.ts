/** A request to one of the endpoints for messages: as Node read it, or whole, as the fast path did. */
import type { IncomingMessage } from 'node:http';
import type { RequestHead } from '../shared/request-head.ts';

export interface WholeRequest extends RequestHead {
  readonly url: string;
  readonly method: 'POST' | 'GET';
  /** All of it; empty with GET. */
  readonly body: Buffer;
}

export type PostRequest = IncomingMessage | WholeRequest;

export function isWhole(request: PostRequest): request is WholeRequest {
  return 'body' in request;
}
