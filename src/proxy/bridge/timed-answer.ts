/** A large answer that is passed on, and the deadline of its server: it counts for each piece, and not while the client is slow. */
import type { AnswerSink } from '../../upstream/upstream.ts';

export interface Clock {
  /** Anew, where it runs. */
  start(): void;
  stop(): void;
}

export class TimedAnswer implements AnswerSink {
  readonly #sink: AnswerSink;
  readonly #clock: Clock;
  onReady: AnswerSink['onReady'] = () => undefined;
  onGone: AnswerSink['onGone'] = () => undefined;

  constructor(sink: AnswerSink, clock: Clock) {
    this.#sink = sink;
    this.#clock = clock;
    sink.onReady = () => {
      clock.start();
      this.onReady();
    };
    sink.onGone = (reason) => this.onGone(reason);
  }

  write(bytes: Buffer): boolean {
    const isReady = this.#sink.write(bytes);
    if (isReady) this.#clock.start();
    else this.#clock.stop();
    return isReady;
  }

  end(last: string): void {
    this.#clock.stop();
    this.#sink.end(last);
  }

  cut(): void {
    this.#clock.stop();
    this.#sink.cut();
  }
}
