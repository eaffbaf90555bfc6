/** Denials on their way into the audit log: those that come while others are being written share the next transaction. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Denial, StoreError } from '../store.ts';
import type { AuditEntry } from './audit-line.ts';

/** Lines of one transaction, so that it takes only a few ms of this process. */
const MAX_BATCH = 200;
/** After each transaction comes a pause of this many times its own length: whoever sends refused calls in floods slows down themselves, not others. */
const PAUSE_FACTOR = 4;
const LONGEST_PAUSE_MS = 250;
/** Each of them has a caller that waits. More than this means that the disk does not keep up. */
const MAX_WAITING = 20_000;

interface Waiting {
  readonly entry: AuditEntry;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

export class DenialQueue {
  readonly #write: (entries: readonly AuditEntry[]) => Promise<void>;
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;
  #lost = 0;

  /** `write` resolves when the lines are durable. */
  constructor(write: (entries: readonly AuditEntry[]) => Promise<void>) {
    this.#write = write;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** How many were not written. */
  get lost(): number {
    return this.#lost;
  }

  async add(denial: Denial): Promise<void> {
    if (this.#waiting.length >= MAX_WAITING) {
      this.#lost += 1;
      throw new StoreError('unavailable', 'Too many denied requests wait to be written to the audit log.');
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ entry: entryOf(denial), resolve, reject });
    this.#flushing ??= this.#flush();
    await promise;
  }

  /** Resolves when nothing waits any more. */
  async settled(): Promise<void> {
    await this.#flushing;
  }

  async #flush(): Promise<void> {
    // Whatever else comes with the same turn of the event loop goes along.
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_BATCH);
      const started = performance.now();
      try {
        await this.#write(batch.map(({ entry }) => entry));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        this.#lost += batch.length;
        for (const { reject } of batch) reject(error);
      }
      await sleep(Math.min(PAUSE_FACTOR * (performance.now() - started), LONGEST_PAUSE_MS));
    }
    this.#flushing = undefined;
  }
}

function entryOf({ actor, action, object, reason }: Denial): AuditEntry {
  return { at: Date.now(), outcome: 'denied', actor, action, object, before: undefined, after: undefined, reason };
}
