/** Whether the items of a server stand in listings: counts failures and successes in a row against their thresholds. */

export interface PresenceOptions {
  readonly failureThreshold: number;
  readonly successThreshold: number;
}

/** One slip is not yet an outage, and one sign of life not yet a recovery: listings do not flicker. */
export class Presence {
  readonly #options: PresenceOptions;
  #listed = true;
  #failures = 0;
  #successes = 0;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** False from the threshold of failures on until that of successes. */
  get listed(): boolean {
    return this.#listed;
  }

  /** How many successes in a row it takes until the items come back; 0 while they are there. */
  get missing(): number {
    return this.#listed ? 0 : Math.max(1, this.#options.successThreshold - this.#successes);
  }

  /** True when the items leave listings by this. */
  failed(): boolean {
    this.#successes = 0;
    this.#failures++;
    if (!this.#listed || this.#failures < this.#options.failureThreshold) return false;
    this.#listed = false;
    return true;
  }

  /** True when the items come back by this. */
  succeeded(): boolean {
    this.#failures = 0;
    this.#successes++;
    if (this.#listed || this.#successes < this.#options.successThreshold) return false;
    this.#listed = true;
    return true;
  }
}
