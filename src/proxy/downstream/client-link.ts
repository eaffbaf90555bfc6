/** What stands between a message and its POST where the two do not belong together: the stream of HTTP+SSE, or a batch. */
import type { ClientResponse } from '../client-response.ts';
import type { Session } from '../session.ts';
import type { ReplyChannel } from './reply.ts';

export interface ClientLink {
  readonly session: Session | undefined;
  /** The message when it was read already; undefined = it is the body of the POST. */
  readonly text?: string;
  /** The way back for one message. */
  reply(response: ClientResponse, requestId: string): ReplyChannel;
  /** The message was a handshake and has opened this session. */
  opened(session: Session): void;
  /** Takes the error for a message that was not even read; false when the POST is to be answered with it instead. */
  fail(text: string): boolean;
}
