/** Answers a question of a server that no single client can be asked. */
import type { Logger } from 'pino';
import { errorText, type Message } from '../mcp/message.ts';
import type { Upstream } from './upstream.ts';

/** Nobody was declared as able to answer on a conversation that several clients share, so there is nobody to ask. */
export function refuseRequest(upstream: Pick<Upstream, 'respond'> | undefined, request: Message, log: Logger): void {
  const message = `This conversation serves several clients; "${request.method ?? ''}" has no single addressee.`;
  upstream?.respond(errorText(request.id, { code: -32601, message })).catch((error: unknown) => {
    log.debug({ err: error }, 'could not refuse a request of the server');
  });
}
