/** Reads the body of an HTTP answer, bounded: as one text, or as a stream of events. */
import { giveBack } from '../../shared/give-back.ts';
import type { AnswerSource } from '../../shared/answer-budget.ts';
import { Pieces } from '../../shared/pieces.ts';
import { LargeMessageReader, wasTold, type Received } from '../../mcp/large-message.ts';
import { SseParser, type LongEvent, type SseEvent } from '../../mcp/sse.ts';
import { LARGE_ANSWER_BYTES, type SendOptions } from '../transport.ts';
import type { AnswerBody } from './answer-body.ts';
import { AnswerRelay } from './answer-relay.ts';
import { splitBatch } from './answers.ts';
import type { OutboundResponse } from './connector.ts';
import { AnswerTooLargeError } from './http-errors.ts';

const MAX_EVENT_ID_LENGTH = 2048;

export type MediaType = 'json' | 'event-stream' | 'other';

/** What the answer says it is. */
export function mediaType(response: OutboundResponse): MediaType {
  const given = response.header('content-type');
  if (given === 'application/json') return 'json';
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
export function readResponse(
  { body }: OutboundResponse,
  { maxBytes, requestId, onLargeAnswer }: ReadResponseOptions,
  reader: ResponseReader,
): void {
  let chunks = new Pieces();
  let bytes = 0;
  let relay: AnswerRelay | undefined;
  let mayRelay = onLargeAnswer !== undefined;
  let over = false;
  /** Of an answer that is read whole. */
  let large: LargeMessageReader | undefined;
  const fail = (error: unknown): void => {
    if (over) return;
    over = true;
    large?.drop();
    reader.onError(error);
  };
  const take = (chunk: Buffer): void => {
    if (relay !== undefined) return relay.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) throw new AnswerTooLargeError(`the answer is larger than ${maxBytes} bytes`);
    if (large !== undefined) return large.push(chunk);
    chunks.add(chunk);
    if (bytes <= LARGE_ANSWER_BYTES) return;
    if (mayRelay && onLargeAnswer !== undefined) {
      mayRelay = false;
      const pieces = chunks.all;
      const [only] = pieces;
      const held = only !== undefined && pieces.length === 1 ? only : Buffer.concat(pieces);
      relay = AnswerRelay.begin(held, { requestId, maxBytes, onLargeAnswer, body });
      if (relay !== undefined) {
        if (held !== only) pieces.forEach(giveBack);
        chunks = new Pieces();
        return;
      }
    }
    large = new LargeMessageReader(roomIn(body, fail));
    for (const each of chunks.all) large.push(each);
    chunks = new Pieces();
  };
  body.read({
    onData(chunk) {
      if (over) return;
      try {
        take(chunk);
      } catch (error) {
        fail(error);
        body.destroy();
      }
    },
    onEnd() {
      if (over) return;
      let message: Received | undefined;
      try {
        relay?.end();
        message = relay === undefined ? (large?.end() ?? textOf(chunks.all, bytes)) : undefined;
      } catch (error) {
        fail(error);
        body.destroy();
        return;
      }
      over = true;
      reader.onMessage(message);
      if (message !== undefined) wasTold(message);
    },
    onError: fail,
  });
}

function textOf(chunks: readonly Buffer[], bytes: number): string {
  return (chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, bytes))?.toString('utf8') ?? '';
}

/** Where a stream of events stands: what is needed to go on after it broke off. */
export interface StreamPosition {
  readonly lastEventId: string | undefined;
  /** The reconnection time that the server asked for, in ms. */
  readonly retry: number | undefined;
}

export interface ReadEventsOptions {
  readonly maxEventBytes: number;
  readonly from: StreamPosition;
  readonly onEvent: (event: SseEvent) => void;
  /** Told after every piece that arrived, also one with no whole event in it. */
  readonly onPosition: (position: StreamPosition) => void;
  /** Asked what becomes of an event of more than `LARGE_ANSWER_BYTES`, with its beginning. */
  readonly onLongEvent?: ((beginning: Buffer) => LongEvent | undefined) | undefined;
}

/** Reads events until the stream ends. Rejects when it breaks, or when an event is too large. */
export function readEvents({ body }: OutboundResponse, options: ReadEventsOptions): Promise<void> {
  const { maxEventBytes, from, onEvent, onPosition, onLongEvent } = options;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const long = onLongEvent && { bytes: LARGE_ANSWER_BYTES, onLongEvent };
  const parser = new SseParser(onEvent, { maxEventBytes, lastEventId: from.lastEventId, long });
  body.read({
    onData(chunk) {
      try {
        parser.push(chunk);
        onPosition({ lastEventId: sendable(parser.lastEventId), retry: parser.retry ?? from.retry });
      } catch (error) {
        reject(error);
        body.destroy();
      }
    },
    onEnd() {
      parser.close();
      resolve();
    },
    onError(error) {
      parser.close();
      reject(error);
    },
  });
  return promise;
}

/** What is paused while there is no room for more of a message; `fail` is told when that lasts too long. */
function roomIn(body: AnswerBody, fail: (error: unknown) => void): AnswerSource {
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

/** Reads the message in a long event while it comes, and tells each message in it when all of it is there. */
export function readLongEvent(
  beginning: Buffer,
  { body }: OutboundResponse,
  deliver: (message: Received) => void,
  fail: (error: unknown) => void,
): LongEvent {
  const reader = new LargeMessageReader(roomIn(body, fail));
  reader.push(beginning);
  return {
    push: (data) => reader.push(data),
    end: () => {
      const message = reader.end();
      if (typeof message === 'string') splitBatch(message).forEach(deliver);
      else deliver(message);
      wasTold(message);
    },
    drop: () => reader.drop(),
  };
}

/** The id if it can stand in a header: without control characters, and not so long that it would fill the head of a request. */
function sendable(id: string | undefined): string | undefined {
  return id !== undefined && id.length <= MAX_EVENT_ID_LENGTH && !/\p{Cc}/u.test(id) ? id : undefined;
}
