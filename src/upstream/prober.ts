/** Pings conversations: the shared one to know the health of the server, the others so that their sessions do not expire. */
import type { Upstream } from './upstream.ts';

export interface ProberOptions {
  readonly intervalMs: number;
  /** undefined = conversations of single sessions are not pinged. */
  readonly keepaliveIntervalMs: number | undefined;
  readonly shared: () => Upstream | undefined;
  readonly others: () => readonly Upstream[];
  /** Called after each probe. */
  readonly onResult: (result: ProbeResult) => void;
}

export interface ProbeResult {
  /** Failures in a row. */
  readonly failures: number;
  readonly error: unknown;
  /** When the first of them was sent, in ms since the epoch. */
  readonly failingSince: number;
}

const PROBE_TIMEOUT_MS = 10_000;

export class Prober implements Disposable {
  readonly #options: ProberOptions;
  #probe: NodeJS.Timeout | undefined;
  #keepalive: NodeJS.Timeout | undefined;
  #failures = 0;
  #failingSince = 0;
  #running = false;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  start(): void {
    this.stop();
    this.#failures = 0;
    // Spread over half an interval, so that many servers are not probed in the same moment.
    const interval = this.#options.intervalMs * (0.75 + Math.random() / 2);
    this.#probe = setInterval(() => void this.#run(), interval);
    const { keepaliveIntervalMs } = this.#options;
    if (keepaliveIntervalMs !== undefined)
      this.#keepalive ??= setInterval(() => this.#keepAlive(), keepaliveIntervalMs);
  }

  /** There is no shared conversation to probe at present; those of sessions are still kept alive. */
  stop(): void {
    clearInterval(this.#probe);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#probe);
    clearInterval(this.#keepalive);
  }

  async #run(): Promise<void> {
    const upstream = this.#options.shared();
    if (upstream === undefined || this.#running) return;
    this.#running = true;
    const sentAt = Date.now();
    try {
      await upstream.ping(PROBE_TIMEOUT_MS);
      this.#failures = 0;
      this.#options.onResult({ failures: 0, error: undefined, failingSince: 0 });
    } catch (error) {
      if (this.#failures++ === 0) this.#failingSince = sentAt;
      if (this.#options.shared() !== upstream) return;
      this.#options.onResult({ failures: this.#failures, error, failingSince: this.#failingSince });
    } finally {
      this.#running = false;
    }
  }

  #keepAlive(): void {
    // A failed ping ends the conversation through its transport; there is nothing to add here.
    for (const upstream of this.#options.others()) upstream.ping(PROBE_TIMEOUT_MS).catch(() => undefined);
  }
}
