/** How much of all large request bodies the gateway holds at a time: more is refused rather than paid with its memory. */
import { GatewayError } from '../shared/errors.ts';

/** What one request holds. */
export class BodyHold implements Disposable {
  readonly #budget: BodyBudget;
  readonly #limit: number;
  #bytes = 0;

  constructor(budget: BodyBudget, limit: number) {
    this.#budget = budget;
    this.#limit = limit;
  }

  /** Holds at least so many bytes. Throws `too_many_bodies` when all requests together would hold more than they may. */
  grow(bytes: number): void {
    if (bytes <= this.#bytes) return;
    this.#budget.add(bytes - this.#bytes, this.#limit);
    this.#bytes = bytes;
  }

  [Symbol.dispose](): void {
    this.#budget.give(this.#bytes);
    this.#bytes = 0;
  }
}

export class BodyBudget {
  #held = 0;

  /** Bytes of large bodies that are held now. */
  get held(): number {
    return this.#held;
  }

  add(bytes: number, limit: number): void {
    if (this.#held + bytes > limit)
      throw new GatewayError(
        'too_many_bodies',
        `Large request bodies together hold ${this.#held} bytes, and may not hold more than ${limit}; try again later.`,
      );
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}
