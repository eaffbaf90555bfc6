/** Lets one change after the other through to the database, in the order in which they came, and measures how long each takes. */
import { StoreError } from './store.ts';
import type { Durations } from './store-status.ts';

/** Each of them has a caller that waits. */
const MAX_WAITING = 1_000;
/** Upper ends, in ms: from a disk that syncs at once to the longest that a transaction may wait for another process. */
const BOUNDS = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];

export class ChangeQueue {
  /** Changes stand in line behind this. */
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  readonly #buckets = Array.from({ length: BOUNDS.length + 1 }, () => 0);
  #sum = 0;

  /** How many have not ended, with the one that runs. */
  get waiting(): number {
    return this.#waiting;
  }

  get durations(): Durations {
    return { bounds: BOUNDS, buckets: [...this.#buckets], sum: this.#sum };
  }

  /** Rejects with what `work` rejects with, or with a StoreError when too many wait. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MAX_WAITING)
      throw new StoreError('unavailable', 'Too many changes wait for the store; nothing was changed. Try again.');
    const askedAt = performance.now();
    this.#waiting += 1;
    const before = this.#tail;
    const mine = Promise.withResolvers<void>();
    this.#tail = mine.promise;
    await before;
    try {
      return await work();
    } finally {
      this.#waiting -= 1;
      this.#note(performance.now() - askedAt);
      mine.resolve();
    }
  }

  /** Resolves when everything that was asked for has ended. */
  async settled(): Promise<void> {
    await this.#tail;
  }

  #note(ms: number): void {
    const found = BOUNDS.findIndex((bound) => ms <= bound);
    const at = found === -1 ? BOUNDS.length : found;
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
    this.#sum += ms;
  }
}
