/** What the listener knows of the management API: which paths belong to it, and how it is asked. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Principal } from '../auth/authenticator.ts';
import type { GatewayError } from '../shared/errors.ts';

export interface ManagementEndpoint {
  /** True for the path of a request target, without its query, that belongs to the API. */
  owns(path: string): boolean;
  /** Answers a request whose Host, Origin and credentials are in order. Rejects only through a fault. */
  handle(call: ManagementCall): Promise<void>;
  /** Answers a request that failed before or in `handle`. */
  refuse(response: ServerResponse, failure: GatewayError, requestId: string): void;
}

export interface ManagementCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly principal: Principal;
  /** The body as text. Rejects as `readBody` of `read-body.ts` does. */
  readonly readBody: (maxBytes: number) => Promise<string>;
}
