/** Remembers when tokens were last used and writes it down from time to time: a use must not cost a write. */
import type { Logger } from 'pino';
import type { Store } from '../store/store.ts';

const INTERVAL_MS = 30_000;

export interface TokenUsesOptions {
  readonly store: Pick<Store, 'touchTokens'>;
  readonly log: Pick<Logger, 'warn'>;
  readonly intervalMs?: number;
}

export class TokenUses implements AsyncDisposable {
  readonly #options: TokenUsesOptions;
  #uses = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: TokenUsesOptions) {
    this.#options = options;
  }

  /** `at` in ms since the epoch. */
  note(id: string, at: number): void {
    this.#uses.set(id, at);
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => void this.flush(), this.#options.intervalMs ?? INTERVAL_MS);
    this.#timer.unref();
  }

  /** Writes what is there. Never rejects: a time that is lost harms nobody. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const uses = this.#uses;
    if (uses.size === 0) return this.#writing;
    this.#uses = new Map();
    this.#writing = this.#writing.then(async () => {
      try {
        await this.#options.store.touchTokens(uses);
      } catch (error) {
        this.#options.log.warn({ err: error, tokens: uses.size }, 'the last use of tokens could not be written');
      }
    });
    return this.#writing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.flush();
  }
}
