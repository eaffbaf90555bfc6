/** A large answer on a stream that its client may come back for: it is passed on, and kept for as long as it is not too large for that. */
import type { AnswerSink } from '../../upstream/upstream.ts';

export interface KeptAnswerOptions {
  /** The connection of now. */
  readonly sink: AnswerSink;
  /** Larger ones are not kept: they are lost with their connection, in bytes. */
  readonly maxBytes: number;
  /** Told once: the bytes of the answer when it is complete and was kept. */
  readonly onEnd: (bytes: Buffer | undefined) => void;
}

export class KeptAnswer implements AnswerSink {
  readonly #options: KeptAnswerOptions;
  #pieces: Buffer[] | undefined = [];
  #bytes = 0;
  #isGone = false;
  #over = false;
  onReady: () => void = () => undefined;
  onGone: () => void = () => undefined;

  constructor(options: KeptAnswerOptions) {
    this.#options = options;
    options.sink.onReady = () => this.onReady();
    options.sink.onGone = () => {
      this.#isGone = true;
      if (this.#pieces === undefined) this.onGone();
      else this.onReady();
    };
  }

  write(bytes: Buffer): boolean {
    this.#bytes += bytes.length;
    // The connection gives its pieces back when it has written them.
    this.#pieces?.push(Buffer.from(bytes));
    if (this.#bytes > this.#options.maxBytes && this.#pieces !== undefined) {
      this.#pieces = undefined;
      // Nobody waits for it any more, and nobody can come back for it.
      if (this.#isGone) this.onGone();
    }
    return this.#isGone || this.#options.sink.write(bytes);
  }

  end(last: string): void {
    const bytes = Buffer.from(last);
    this.#bytes += bytes.length;
    if (this.#bytes > this.#options.maxBytes) this.#pieces = undefined;
    this.#pieces?.push(bytes);
    this.#options.sink.end(last);
    this.#finish(this.#pieces && Buffer.concat(this.#pieces));
  }

  cut(): void {
    this.#options.sink.cut();
    this.#finish(undefined);
  }

  #finish(bytes: Buffer | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.onEnd(bytes);
  }
}
