/** The record that one request carries from accept to answer. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Principal } from '../auth/authenticator.ts';
import type { Message } from '../mcp/message.ts';
import type { Envelope } from '../mcp/modern/envelope.ts';
import type { McpHeaders } from '../mcp/modern/headers.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Cancellation } from '../shared/cancellation.ts';
import type { ReplyChannel } from './downstream/reply.ts';
import type { Endpoint } from './route.ts';
import type { Session } from './session.ts';
import type { View } from './view/view.ts';

/** What of a request is known before its body is read. */
export interface Admitted {
  readonly requestId: string;
  readonly route: Endpoint;
  readonly principal: Principal;
  /** The Runtime that was current when the request came: a reload never changes a request in flight. */
  readonly runtime: Runtime;
  /** What exists for the principal on the route. */
  readonly view: View;
  /** Address of the peer. */
  readonly address: string | undefined;
  /** Of the HTTP request. */
  readonly headers: IncomingHttpHeaders;
}

export interface Exchange {
  /** Correlation id: in the log, in errors and in the X-Request-Id header. */
  readonly requestId: string;
  /** As in Admitted. */
  readonly runtime: Runtime;
  readonly principal: Principal;
  readonly route: Endpoint;
  /** As in Admitted. */
  readonly view: View;
  readonly address: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** undefined for requests without a session. */
  readonly session: Session | undefined;
  /** What a modern request says of its sender; undefined for legacy clients. */
  readonly modern: ModernRequest | undefined;
  readonly message: Message;
  readonly reply: ReplyChannel;
  /** Ends the work on this request. */
  readonly abort: Cancellation;
  /** What the access log says of it, filled in on the way. */
  readonly notes: ExchangeNotes;
}

export interface ModernRequest {
  readonly envelope: Envelope;
  readonly headers: McpHeaders;
}

export interface ExchangeNotes {
  server?: string;
  /** Name of the tool, prompt or resource as the server knows it. */
  target?: string;
  /** It is on its way to a server, so that nobody else may send it once more. */
  sent?: true;
}
