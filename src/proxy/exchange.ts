/** The record that one request carries from accept to answer. */
import type { Principal } from '../auth/authenticator.ts';
import type { Message } from '../mcp/message.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { GatewayError } from '../shared/errors.ts';
import type { Heartbeat } from './downstream/heartbeat.ts';
import type { Route } from './route.ts';
import type { Session } from './session.ts';

/** What of a request is known before its body is read. */
export interface Admitted {
  readonly requestId: string;
  readonly route: Route;
  readonly principal: Principal;
  /** The Runtime that was current when the request came: a reload never changes a request in flight. */
  readonly runtime: Runtime;
}

/** The way to the client that waits for a request. */
export interface ReplyChannel {
  /** Sends a message that precedes the answer; false when it cannot reach the client on this way. */
  send(text: string): boolean;
  /** Sends the answer and ends. */
  answer(text: string): void;
  /** Ends without an answer: the client took its request back. */
  drop(error: GatewayError, rpcId: string): void;
  /** The answer may be long in coming: shows meanwhile that the connection lives. */
  keepAlive(heartbeat: Heartbeat): void;
}

export interface Exchange {
  /** Correlation id: in the log, in errors and in the X-Request-Id header. */
  readonly requestId: string;
  /** As in Admitted. */
  readonly runtime: Runtime;
  readonly principal: Principal;
  readonly route: Route;
  /** undefined for requests without a session. */
  readonly session: Session | undefined;
  readonly message: Message;
  readonly reply: ReplyChannel;
  /** Ends the work on this request. */
  readonly abort: AbortController;
  /** What the access log says of it, filled in on the way. */
  readonly notes: ExchangeNotes;
}

export interface ExchangeNotes {
  server?: string;
  /** Name of the tool, prompt or resource as the server knows it. */
  target?: string;
}
