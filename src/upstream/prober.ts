/** Checks conversations: the shared one to know the health of the server, the others so that their sessions do not expire. */
import type { Upstream } from './upstream.ts';

export interface ProberOptions {
  /** Mean time between two checks, in ms; undefined = only what is asked for. */
  readonly intervalMs: number | undefined;
  readonly timeoutMs: number;
  /** Each interval is longer or shorter by up to this share of it. */
  readonly jitter: number;
  /** undefined = conversations of single sessions are not pinged. */
  readonly keepaliveIntervalMs: number | undefined;
  readonly shared: () => Upstream | undefined;
  readonly others: () => readonly Upstream[];
  /** Called after each check. */
  readonly onResult: (result: ProbeResult) => void;
}

export interface ProbeResult {
  /** Failures in a row. */
  readonly failures: number;
  readonly error: unknown;
  /** When the first of them was sent, in ms since the epoch. */
  readonly failingSince: number;
}

/** However many calls fail at once, they lead to one check in this time. */
const LEAST_BETWEEN_CHECKS_MS = 1_000;

export class Prober implements Disposable {
  readonly #options: ProberOptions;
  #next: NodeJS.Timeout | undefined;
  #keepalive: NodeJS.Timeout | undefined;
  #failures = 0;
  #failingSince = 0;
  #lastAt = 0;
  #running: Promise<void> | undefined;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  start(): void {
    this.stop();
    this.#failures = 0;
    this.#lastAt = Date.now();
    this.#schedule();
    const { keepaliveIntervalMs } = this.#options;
    if (keepaliveIntervalMs !== undefined)
      this.#keepalive ??= setInterval(() => this.#keepAlive(), keepaliveIntervalMs);
  }

  /** There is no shared conversation to check at present; those of sessions are still kept alive. */
  stop(): void {
    clearTimeout(this.#next);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#next);
    clearInterval(this.#keepalive);
  }

  /** Checks now. Whoever asks meanwhile shares the check and its result; it tells through `onResult` and never rejects. */
  check(): Promise<void> {
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
    return this.#running;
  }

  /** A call has failed in a way that may have to do with the server: what is wrong is found out now, not at the next turn. */
  suspect(): void {
    if (Date.now() - this.#lastAt >= LEAST_BETWEEN_CHECKS_MS) void this.check();
  }

  #schedule(): void {
    const { intervalMs, jitter } = this.#options;
    if (intervalMs === undefined) return;
    this.#next = setTimeout(
      () => {
        void (this.#hasLived() ? this.#lives() : this.check());
        this.#schedule();
      },
      intervalMs * (1 + (Math.random() * 2 - 1) * jitter),
    );
  }

  /** Whatever the server has sent since the last check shows as much as the answer to a ping. */
  #hasLived(): boolean {
    const upstream = this.#options.shared();
    return upstream !== undefined && upstream.lastReceivedAt > this.#lastAt && this.#running === undefined;
  }

  #lives(): void {
    this.#lastAt = Date.now();
    this.#failures = 0;
    this.#options.onResult({ failures: 0, error: undefined, failingSince: 0 });
  }

  async #run(): Promise<void> {
    const upstream = this.#options.shared();
    if (upstream === undefined) return;
    const sentAt = Date.now();
    this.#lastAt = sentAt;
    try {
      await upstream.ping(this.#options.timeoutMs);
      if (this.#options.shared() === upstream) this.#lives();
    } catch (error) {
      if (this.#options.shared() !== upstream) return;
      if (this.#failures++ === 0) this.#failingSince = sentAt;
      this.#options.onResult({ failures: this.#failures, error, failingSince: this.#failingSince });
    }
  }

  #keepAlive(): void {
    // A failed ping ends the conversation through its transport; there is nothing to add here.
    for (const upstream of this.#options.others()) upstream.ping(this.#options.timeoutMs).catch(() => undefined);
  }
}
