/** The body of one reply: handed to its reader as it comes, held back within bounds while nobody reads. */
import type { AnswerBody, BodySink } from '../answer-body.ts';

/** What the body asks of its connection while the reply is not complete. */
export interface BodySource {
  stop(): void;
  flow(): void;
  /** The rest is not wanted. */
  abandon(): void;
}

/** More than that is left in the hands of the server. */
const MAX_WAITING_BYTES = 64 * 1024;

export class ReplyBody implements AnswerBody {
  #source: BodySource | undefined;
  #sink: BodySink | undefined;
  #waiting: Buffer[] | undefined;
  #waitingBytes = 0;
  #state: 'open' | 'ended' | 'failed' | 'over' = 'open';
  #failure: unknown;
  #paused = false;

  constructor(source: BodySource) {
    this.#source = source;
  }

  read(sink: BodySink): void {
    this.#sink = sink;
    this.#drain();
  }

  pause(): void {
    this.#paused = true;
    this.#source?.stop();
  }

  resume(): void {
    this.#paused = false;
    this.#drain();
  }

  destroy(): void {
    if (this.#state === 'over') return;
    this.#fail(new Error('the body was given up'));
    this.#waiting = undefined;
    this.#drain();
    const source = this.#source;
    this.#source = undefined;
    source?.abandon();
  }

  /** The next piece from the wire. */
  push(chunk: Buffer): void {
    if (this.#sink !== undefined && !this.#paused && this.#waiting === undefined) {
      this.#sink.onData(chunk);
    } else {
      (this.#waiting ??= []).push(chunk);
      this.#waitingBytes += chunk.length;
      if (this.#waitingBytes > MAX_WAITING_BYTES) this.#source?.stop();
    }
  }

  /** All of it has come: the connection is not needed any more. */
  end(): void {
    this.#source = undefined;
    if (this.#state === 'open') this.#state = 'ended';
    this.#drain();
  }

  /** No more will come. */
  fail(error: unknown): void {
    this.#source = undefined;
    this.#fail(error);
    this.#drain();
  }

  #fail(error: unknown): void {
    if (this.#state !== 'open' && this.#state !== 'ended') return;
    this.#state = 'failed';
    this.#failure = error;
  }

  /** Tells the reader what there is to tell, unless it pauses. */
  #drain(): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    while (!this.#paused && this.#waiting !== undefined) {
      const chunk = this.#waiting.shift();
      if (chunk === undefined) this.#waiting = undefined;
      else {
        this.#waitingBytes -= chunk.length;
        sink.onData(chunk);
      }
    }
    // Whoever pauses is told of a failure at once, and of the end after the last piece.
    if (this.#state === 'failed' || (this.#state === 'ended' && !this.#paused)) {
      const failed = this.#state === 'failed';
      this.#state = 'over';
      this.#sink = undefined;
      if (failed) sink.onError(this.#failure);
      else sink.onEnd();
    } else if (!this.#paused) this.#source?.flow();
  }
}
