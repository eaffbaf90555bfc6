/** A client's session as a server sees it: who it is, what it can be asked, and where messages for it go. */
import { GatewayError } from '../shared/errors.ts';
import type { Message } from '../mcp/message.ts';
import type { Asker, PendingCall } from './upstream.ts';

export interface Attachment {
  readonly sessionId: string;
  /** Subject of the principal; messages that could concern several principals are delivered to none. */
  readonly principal: string;
  /** Raw JSON text, as the client sent it in `initialize`. */
  readonly clientInfo: string;
  readonly clientCapabilities: string;
  readonly protocolVersion: string;
  /** True when the client declared that it can be asked something: sampling, elicitation, roots. */
  readonly askable: boolean;
  /** True once the session has ended: nothing may be opened for it any more. */
  readonly closed: boolean;
  /** What an upstream that was opened anew must be told again. */
  readonly logLevel: string | undefined;
  /** Resource URIs of this server that the client subscribed to, in the server's own form. */
  subscriptions(server: string): ReadonlySet<string>;
  /** The server asks the client. `call` is the client's own call that the question belongs to, where that is known. */
  onRequest(asker: Asker, message: Message, call: PendingCall | undefined): void;
  /** A notification that belongs to no call of the client. */
  onNotification(server: string, message: Message): void;
}

/** The error for whoever still wants something in the name of a session that is over. */
export function sessionEnded(): GatewayError {
  return new GatewayError('session_not_found', 'The session has ended.');
}
