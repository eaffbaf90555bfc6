/** Cuts off clients that stop reading: what waits for them would stay in memory for as long as they like. */
import type { ClientResponse } from '../client-response.ts';

/**
 * A client that reads nothing is cut off after one to two of these. So may be one that reads less than some 30 kB a second
 * while megabytes wait for it: the kernel tells of what was read in steps of about a third of what it holds.
 */
const PATIENCE_MS = 30_000;

const WATCHED = new WeakSet<ClientResponse>();

/** Call it after writing. Does nothing while nothing waits. */
export function cutWhenStalled(response: ClientResponse, patienceMs = PATIENCE_MS): void {
  // What only waits for the end of the present work tells nothing yet.
  if (response.whenSent?.(() => cutWhenStalled(response, patienceMs)) === true) return;
  if (response.writableLength === 0 && (response.socket?.writableLength ?? 0) === 0) return;
  if (WATCHED.has(response)) return;
  WATCHED.add(response);
  // Node's timer of the socket sees how much the kernel takes of a single large write, which its counters do not tell.
  response.setTimeout(patienceMs, () => {
    if (response.writableLength > 0 || (response.socket?.writableLength ?? 0) > 0) response.destroy();
  });
  // The next request on the connection may take longer; ahead of Node, which then sets its keep-alive timer.
  response.prependOnceListener('finish', () => response.socket?.setTimeout(0));
}
