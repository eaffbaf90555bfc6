/** What large answers hold that wait for a client to take them. */
import type { HeldAnswerBytes } from '../../shared/answer-budget.ts';
import { TurnoverSet } from '../../shared/turnover.ts';
import type { ClientResponse } from '../client-response.ts';

/** Of the answer with which this response ends. `isGiven`: those bytes were what it ended with. */
export function holdUntilOut(response: ClientResponse, held: HeldAnswerBytes, isGiven: () => boolean): void {
  if (response.destroyed || response.writableEnded) return held[Symbol.dispose]();
  response.once('close', () => {
    // Where something else was said, somebody may still be at work on the answer.
    if (isGiven()) held.sent();
    else held[Symbol.dispose]();
  });
}

/** Of those on a connection that carries the answers to many requests. */
export class HeldOnWay implements Disposable {
  readonly #all = new TurnoverSet<HeldAnswerBytes>();
  #isOver = false;

  add(held: HeldAnswerBytes): void {
    if (this.#isOver) held[Symbol.dispose]();
    else this.#all.add(held);
  }

  /** The client has the very bytes that are held, and nobody else looks at them. */
  sent(held: HeldAnswerBytes | undefined): void {
    if (held === undefined || !this.#all.delete(held)) return;
    held.sent();
  }

  /** The client will not get it, or has got something else. */
  drop(held: HeldAnswerBytes | undefined): void {
    if (held === undefined || !this.#all.delete(held)) return;
    held[Symbol.dispose]();
  }

  /** The connection is gone: nobody gets anything any more. */
  [Symbol.dispose](): void {
    this.#isOver = true;
    for (const held of this.#all) this.drop(held);
  }
}
