/** Reads the body of an HTTP answer, bounded, as one text. */
import { giveBack } from '../../shared/give-back.ts';
import type { AnswerSource } from '../../shared/answer-budget.ts';
import { Pieces } from '../../shared/pieces.ts';
import { LargeMessageReader, wasTold, type Received } from '../../mcp/large-message.ts';
import { LARGE_ANSWER_BYTES, type SendOptions } from '../transport.ts';
import type { AnswerBody, BodySink } from './answer-body.ts';
import { AnswerRelay } from './answer-relay.ts';
import type { OutboundResponse } from './connector.ts';
import { AnswerTooLargeError } from './http-errors.ts';

export type MediaType = 'json' | 'event-stream' | 'other';

/** What the answer says it is. */
export function mediaType(response: OutboundResponse): MediaType {
  const given = response.header('content-type');
  if (given === 'application/json') return 'json';
  if (given === 'text/event-stream') return 'event-stream';
  const type = (given ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (type === 'text/event-stream') return 'event-stream';
  return /^application\/(?:.*\+)?json(?:-rpc|rpc)?$/.test(type) ? 'json' : 'other';
}

/** The whole body as UTF-8 text. Throws AnswerTooLargeError beyond `maxBytes`, and cuts the connection then. */
export function readText({ body }: OutboundResponse, maxBytes: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks = new Pieces();
  let bytes = 0;
  body.read({
    onData(chunk) {
      bytes += chunk.length;
      if (bytes <= maxBytes) {
        chunks.add(chunk);
        return;
      }
      reject(new AnswerTooLargeError(`the answer is larger than ${maxBytes} bytes`));
      body.destroy();
    },
    onEnd: () => resolve(textOf(chunks.all, bytes)),
    onError: reject,
  });
  return promise;
}

export interface ReadResponseOptions {
  readonly maxBytes: number;
  readonly requestId: string;
  readonly onLargeAnswer: SendOptions['onLargeAnswer'];
}

/** Told one of the two, once. What is no single message is told as text. */
export interface ResponseReader {
  /** undefined when it has been passed on. */
  onMessage(message: Received | undefined): void;
  onError(error: unknown): void;
}

/** The same for the answer to a request, which may be passed on while it comes; without a promise, because each call passes here. */
export function readResponse({ body }: OutboundResponse, options: ReadResponseOptions, reader: ResponseReader): void {
  body.read(new ResponseBody(body, options, reader));
}

class ResponseBody implements BodySink {
  readonly #body: AnswerBody;
  readonly #options: ReadResponseOptions;
  readonly #reader: ResponseReader;
  #chunks = new Pieces();
  #bytes = 0;
  #relay: AnswerRelay | undefined;
  /** Of a large answer that is read whole. */
  #large: LargeMessageReader | undefined;
  #isOver = false;

  constructor(body: AnswerBody, options: ReadResponseOptions, reader: ResponseReader) {
    this.#body = body;
    this.#options = options;
    this.#reader = reader;
  }

  onData(chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      this.#take(chunk);
    } catch (error) {
      this.onError(error);
      this.#body.destroy();
    }
  }

  onEnd(): void {
    if (this.#isOver) return;
    let message: Received | undefined;
    try {
      this.#relay?.end();
      if (this.#relay === undefined) message = this.#large?.end() ?? textOf(this.#chunks.all, this.#bytes);
    } catch (error) {
      this.onError(error);
      this.#body.destroy();
      return;
    }
    this.#isOver = true;
    this.#reader.onMessage(message);
    if (message !== undefined) wasTold(message);
  }

  onError(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#large?.drop();
    this.#reader.onError(error);
  }

  #take(chunk: Buffer): void {
    if (this.#relay !== undefined) return this.#relay.push(chunk);
    const { maxBytes } = this.#options;
    this.#bytes += chunk.length;
    if (this.#bytes > maxBytes) throw new AnswerTooLargeError(`the answer is larger than ${maxBytes} bytes`);
    if (this.#large !== undefined) return this.#large.push(chunk);
    this.#chunks.add(chunk);
    if (this.#bytes > LARGE_ANSWER_BYTES) this.#beginLarge();
  }

  /** It is passed on while it comes, or scanned. */
  #beginLarge(): void {
    const { all } = this.#chunks;
    this.#chunks = new Pieces();
    const { maxBytes, requestId, onLargeAnswer } = this.#options;
    if (onLargeAnswer !== undefined) {
      const [only] = all;
      const held = only !== undefined && all.length === 1 ? only : Buffer.concat(all);
      this.#relay = AnswerRelay.begin(held, { requestId, maxBytes, onLargeAnswer, body: this.#body });
      if (this.#relay !== undefined) {
        if (held !== only) all.forEach(giveBack);
        return;
      }
    }
    this.#large = new LargeMessageReader(roomIn(this.#body, (error) => this.onError(error)));
    for (const each of all) this.#large.push(each);
  }
}

function textOf(chunks: readonly Buffer[], bytes: number): string {
  return (chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, bytes))?.toString('utf8') ?? '';
}

/** What is paused while there is no room for more of a message; `fail` is told when that lasts too long. */
export function roomIn(body: AnswerBody, fail: (error: unknown) => void): AnswerSource {
  return {
    isShared: false,
    pause: () => body.pause(),
    resume: () => body.resume(),
    refuse(error) {
      fail(error);
      body.destroy();
    },
  };
}
