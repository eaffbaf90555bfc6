/** The head of a request, whoever has read it from the wire. */
import type { IncomingMessage } from 'node:http';

/** As Node has them; nothing in it changes any more. */
export type RequestHead = Pick<IncomingMessage, 'url' | 'method' | 'headers' | 'rawHeaders' | 'socket'> & {
  /**
   * The same object for each request of a connection that repeats this very head: whatever follows from the head alone
   * is worked out once, and kept by it. undefined where no head is recognised again.
   */
  readonly again?: object;
};
