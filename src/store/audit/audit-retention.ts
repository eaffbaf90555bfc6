/** Removes lines of the audit log that may go, now and then, beside everything else. */
import type { Logger } from 'pino';
import type { Actor, Store } from '../store.ts';
import type { AuditLimits } from './audit-limits.ts';

const FIRST_MS = 60_000;
const INTERVAL_MS = 3_600_000;
/** Each time costs a line that tells of it: a log in which little happens would only tell of itself. */
const AT_LEAST = 100;

const GATEWAY: Actor = { subject: 'gateway', user: undefined, requestId: undefined, address: undefined };

export interface AuditRetentionOptions {
  readonly store: Pick<Store, 'pruneAudit'>;
  readonly log: Pick<Logger, 'info' | 'error'>;
  /** Those of the configuration in use; asked each time. */
  readonly limits: () => Pick<AuditLimits, 'keepDays' | 'keepLines'>;
  /** For tests. */
  readonly firstMs?: number;
  readonly intervalMs?: number;
}

export class AuditRetention implements AsyncDisposable {
  readonly #options: AuditRetentionOptions;
  #timer: NodeJS.Timeout;
  #running: Promise<void> | undefined;
  readonly #ending = new AbortController();

  constructor(options: AuditRetentionOptions) {
    this.#options = options;
    this.#timer = setTimeout(() => this.#begin(), options.firstMs ?? FIRST_MS).unref();
  }

  /** Everything that may go at present. Never rejects. */
  async run(): Promise<void> {
    const { store, log, limits } = this.#options;
    const { keepDays, keepLines } = limits();
    const { signal } = this.#ending;
    if (keepDays === undefined && keepLines === undefined) return;
    try {
      while (!signal.aborted) {
        const pruned = await store.pruneAudit({ keepDays, keepLines, atLeast: AT_LEAST }, GATEWAY, signal);
        if (pruned === undefined) return;
        log.info({ ...pruned, keepDays, keepLines }, 'old lines of the audit log were removed');
      }
    } catch (error) {
      if (!signal.aborted) log.error({ err: error }, 'old lines of the audit log could not be removed');
    }
  }

  #begin(): void {
    this.#running = this.run().finally(() => {
      this.#running = undefined;
      if (!this.#ending.signal.aborted)
        this.#timer = setTimeout(() => this.#begin(), this.#options.intervalMs ?? INTERVAL_MS).unref();
    });
  }

  /** Ends what runs; to be disposed before the store. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    clearTimeout(this.#timer);
    await this.#running;
  }
}
