/** What the transports to HTTP servers are made of. */
import type { Logger } from 'pino';
import type { Outbound } from './outbound.ts';

export interface HttpTransportOptions {
  readonly outbound: Outbound;
  readonly log: Logger;
  /** Most bytes that one message of the server may have. */
  readonly maxMessageBytes: number;
}
