/** Whether those who were let in may still be here: looked at again after each change in the store, for sessions and streams that stay open. */
import type { Logger } from 'pino';
import type { Store } from '../store/store.ts';
import { GatewayError } from '../shared/errors.ts';
import type { Verified } from './verified.ts';

const MAX_SUBJECTS = 50_000;
const SWEEP_MS = 15_000;

export interface StandingsOptions {
  /** undefined = nothing changes but the time. */
  readonly store: Pick<Store, 'onChange'> | undefined;
  readonly log: Pick<Logger, 'error'>;
  /** ms since the epoch. */
  readonly now: () => number;
}

export class Standings implements Disposable {
  readonly #options: StandingsOptions;
  /** By subject, what was verified for it last. */
  readonly #standing = new Map<string, Verified>();
  readonly #listeners = new Set<() => void>();
  readonly #unsubscribe: (() => void) | undefined;
  readonly #sweep: NodeJS.Timeout;
  #epoch = 0;
  #ended = false;
  #checking: Promise<void> | undefined;

  constructor(options: StandingsOptions) {
    this.#options = options;
    this.#unsubscribe = options.store?.onChange(() => {
      // At once, for the requests; the sessions follow when everybody was looked at.
      this.#epoch++;
      void this.check();
    });
    this.#sweep = setInterval(() => this.#dropExpired(), SWEEP_MS);
    this.#sweep.unref();
  }

  /** Moves with each change in the store: what was verified in an earlier one must be looked at again. */
  get epoch(): number {
    return this.#epoch;
  }

  add(verified: Verified): void {
    const { subject } = verified.principal;
    if (!this.#standing.has(subject) && this.#standing.size >= MAX_SUBJECTS) this.#makeRoom();
    this.#standing.set(subject, verified);
  }

  has(subject: string): boolean {
    const verified = this.#standing.get(subject);
    return verified !== undefined && this.#options.now() < verified.validUntil;
  }

  /** `listener` is called when somebody is not in standing any more. */
  onLoss(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Looks at everybody again, until nothing has changed while it did. Never rejects. */
  check(): Promise<void> {
    this.#checking ??= this.#checkUntilSettled().finally(() => (this.#checking = undefined));
    return this.#checking;
  }

  async #checkUntilSettled(): Promise<void> {
    let checked = -1;
    while (checked !== this.#epoch && !this.#ended) {
      checked = this.#epoch;
      await this.#checkAll();
    }
  }

  async #checkAll(): Promise<void> {
    let lost = false;
    for (const [subject, before] of this.#standing) {
      if (this.#ended) return;
      try {
        const verified = await before.recheck();
        // Whoever has come again meanwhile was looked at then.
        if (this.#standing.get(subject) === before) this.#standing.set(subject, verified);
      } catch (error) {
        if (!(error instanceof GatewayError))
          this.#options.log.error({ err: error }, 'a credential could not be looked at again; its sessions end');
        if (this.#standing.get(subject) === before) lost = this.#standing.delete(subject);
      }
    }
    if (lost) this.#tell();
  }

  #dropExpired(): void {
    const now = this.#options.now();
    let lost = false;
    for (const [subject, { validUntil }] of this.#standing) {
      if (validUntil <= now) lost = this.#standing.delete(subject);
    }
    if (lost) this.#tell();
  }

  #makeRoom(): void {
    this.#dropExpired();
    for (const subject of this.#standing.keys()) {
      if (this.#standing.size < MAX_SUBJECTS) break;
      this.#standing.delete(subject);
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    clearInterval(this.#sweep);
    this.#unsubscribe?.();
    this.#listeners.clear();
  }
}
