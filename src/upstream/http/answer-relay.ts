/** Passes one large answer on while it comes: no faster than its client reads, and never as complete unless it is. */
import { LargeResponse } from '../../mcp/large-response.ts';
import type { AnswerSink } from '../upstream.ts';
import type { LargeAnswerWay } from '../transport.ts';
import type { AnswerBody } from './answer-body.ts';
import { AnswerTooLargeError } from './http-errors.ts';

export interface RelayOptions {
  /** Raw JSON text of the id that the request had upstream. */
  readonly requestId: string;
  readonly maxBytes: number;
  readonly onLargeAnswer: (beginning: Buffer) => LargeAnswerWay | undefined;
  /** What is paused while the client does not read. */
  readonly body: AnswerBody;
}

export class AnswerRelay {
  readonly #response: LargeResponse;
  readonly #sink: AnswerSink;
  readonly #options: RelayOptions;
  #bytes: number;

  private constructor(response: LargeResponse, { id, sink }: LargeAnswerWay, bytes: number, options: RelayOptions) {
    this.#response = response;
    this.#sink = sink;
    this.#options = options;
    this.#bytes = bytes;
    sink.onReady = () => options.body.resume();
    for (const piece of response.head(id)) this.#write(piece);
  }

  /** From the beginning of an answer; undefined when it must be read whole. */
  static begin(held: Buffer, options: RelayOptions): AnswerRelay | undefined {
    const response = LargeResponse.begin(held, options.requestId);
    const way = response === undefined ? undefined : options.onLargeAnswer(held);
    return response === undefined || way === undefined
      ? undefined
      : new AnswerRelay(response, way, held.length, options);
  }

  /** The next bytes of the answer. Throws JsonScanError and AnswerTooLargeError: the answer is wrong, or too long. */
  push(bytes: Buffer): void {
    this.#bytes += bytes.length;
    const { maxBytes } = this.#options;
    if (this.#bytes > maxBytes) throw new AnswerTooLargeError(`the answer is larger than ${maxBytes} bytes`);
    this.#write(this.#response.push(bytes));
  }

  /** All of it has come. Throws a JsonScanError when it is not what it seemed to be. */
  end(): void {
    this.#sink.end(this.#response.end());
  }

  #write(bytes: Buffer): void {
    if (bytes.length > 0 && !this.#sink.write(bytes)) this.#options.body.pause();
  }
}
