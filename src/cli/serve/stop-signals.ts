/** SIGINT and SIGTERM: the first one stops in good order, the second one stops now. */
import type { Logger } from 'pino';
import { EXIT_FAILURE } from '../exit-codes.ts';

/** What was not torn down after the second signal within this time is left to the operating system. */
const ABORT_DEADLINE_MS = 5_000;

export class StopSignals implements Disposable {
  /** A second signal has come. */
  aborted = false;
  readonly #received = new AbortController();
  readonly #log: Logger;
  #stop: (() => Promise<unknown>) | undefined;
  #abort: (() => Promise<unknown>) | undefined;

  constructor(log: Logger) {
    this.#log = log;
    process.on('SIGINT', this.#onSignal);
    process.on('SIGTERM', this.#onSignal);
  }

  /** Aborted by the first signal. */
  get first(): AbortSignal {
    return this.#received.signal;
  }

  /** From now on there is something to stop; a signal that came before takes effect at once. */
  onStop(stop: () => Promise<unknown>, abort: () => Promise<unknown>): void {
    this.#stop = stop;
    this.#abort = abort;
    if (this.aborted) this.#run(abort);
    else if (this.first.aborted) this.#run(stop);
  }

  [Symbol.dispose](): void {
    process.off('SIGINT', this.#onSignal);
    process.off('SIGTERM', this.#onSignal);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (!this.first.aborted) {
      this.#received.abort();
      const starting = this.#stop === undefined;
      this.#log.info(
        { signal },
        starting ? 'ending the start; a second signal stops now' : 'shutting down; a second signal stops now',
      );
      if (this.#stop !== undefined) this.#run(this.#stop);
      return;
    }
    if (this.aborted) return;
    this.aborted = true;
    this.#log.warn({ signal }, 'second signal: stopping now');
    // Runs only if the teardown itself hangs; the exit handlers still write the log out.
    setTimeout(() => process.exit(EXIT_FAILURE), ABORT_DEADLINE_MS).unref();
    if (this.#abort === undefined) process.exit(EXIT_FAILURE);
    this.#run(this.#abort);
  };

  #run(action: () => Promise<unknown>): void {
    action().catch((error: unknown) =>
      this.#log.error({ err: error }, 'the gateway could not be stopped in good order'),
    );
  }
}
