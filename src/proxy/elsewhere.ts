/** Requests that this process begins to answer and leaves to another one: as long as nothing was sent to a server, nothing has happened. */
import type { ExchangeNotes } from './exchange.ts';
import type { Front } from './front.ts';

/** Thrown where a request is found to be one for the owner of sessions, containers and the store. */
export class Elsewhere extends Error {
  override readonly name = 'Elsewhere';

  constructor() {
    super('the request is answered by another process');
  }
}

/**
 * True when a request that has failed is to be left to the owner, which then says why, and writes it down. Never in a
 * process that answers everything itself.
 */
export function isLeft({ leaves }: Front, { sent }: ExchangeNotes): boolean {
  return leaves === true && sent !== true;
}
