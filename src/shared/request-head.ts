/** The head of a request, whoever has read it from the wire. */
import type { IncomingMessage } from 'node:http';

/** As Node has them; nothing in it changes any more. */
export type RequestHead = Pick<IncomingMessage, 'url' | 'method' | 'headers' | 'rawHeaders' | 'socket'>;
