/** Word of changes, made here or by another process, for whoever goes by the store: each revision once, the newest last. */

export class ChangeNews {
  readonly #ask: () => Promise<number>;
  readonly #listeners = new Set<(revision: number) => void>();
  #newest: number;
  #asking = false;
  /** Somebody has called after the present question was asked. */
  #askAgain = false;
  #ended = false;

  /** `ask` gets the revision from the database; `newest` is the one that everybody knows already. */
  constructor(newest: number, ask: () => Promise<number>) {
    this.#newest = newest;
    this.#ask = ask;
  }

  /** The newest revision that is known. */
  get newest(): number {
    return this.#newest;
  }

  /** Returns how to end it. */
  follow(listener: (revision: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Another process may have changed something. Never rejects: what cannot be asked now is asked again soon. */
  async look(): Promise<void> {
    this.#askAgain = true;
    if (this.#asking) return;
    this.#asking = true;
    try {
      while (this.#askAgain && !this.#ended) {
        this.#askAgain = false;
        this.tell(await this.#ask());
      }
    } catch {
      // Whoever asks for something himself is told.
    } finally {
      this.#asking = false;
    }
  }

  tell(revision: number): void {
    if (revision <= this.#newest) return;
    this.#newest = revision;
    // On their own: what goes wrong in one is no failure of the change, which is written.
    for (const listener of this.#listeners) queueMicrotask(() => listener(revision));
  }

  end(): void {
    this.#ended = true;
  }
}
