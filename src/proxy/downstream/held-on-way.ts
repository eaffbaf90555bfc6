/** What large answers hold that wait for a client to take them. */
import type { HeldAnswerBytes } from '../../shared/answer-budget.ts';
import { TurnoverSet } from '../../shared/turnover.ts';
import type { ClientResponse } from '../client-response.ts';

/** Of the answer with which this response ends. */
export function holdUntilOut(response: ClientResponse, held: HeldAnswerBytes): void {
  if (response.destroyed || response.writableEnded) return held[Symbol.dispose]();
  response.once('close', () => {
    // Until it was ended somebody may still be at work on the answer.
    if (response.writableEnded) held.sent();
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

  /** The client has the answer that holds this. */
  sent(held: HeldAnswerBytes | undefined): void {
    if (held === undefined || !this.#all.delete(held)) return;
    held.sent();
  }

  /** The client will not get it. */
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
