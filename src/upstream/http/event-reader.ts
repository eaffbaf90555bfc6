/** Reads the body of an HTTP answer as a stream of events. */
import { LargeMessageReader, wasTold, type Received } from '../../mcp/large-message.ts';
import { SseParser, type LongEvent, type SseEvent } from '../../mcp/sse.ts';
import { LARGE_ANSWER_BYTES } from '../transport.ts';
import type { AnswerBody, BodySink } from './answer-body.ts';
import { splitBatch } from './answers.ts';
import type { OutboundResponse } from './connector.ts';
import { roomIn } from './read-answer.ts';

const MAX_EVENT_ID_LENGTH = 2048;

/** Where a stream of events stands: what is needed to go on after it broke off. */
export interface StreamPosition {
  readonly lastEventId: string | undefined;
  /** The reconnection time that the server asked for, in ms. */
  readonly retry: number | undefined;
}

export const STREAM_START: StreamPosition = { lastEventId: undefined, retry: undefined };

/** What is told of one stream. */
export interface EventTaker {
  onEvent(event: SseEvent): void;
  /** Asked what becomes of an event of more than `LARGE_ANSWER_BYTES`, with its beginning. */
  onLongEvent(beginning: Buffer): LongEvent | undefined;
  /** It has ended; with a cause it broke, or an event was too large. Told once. */
  onOver(position: StreamPosition, cause: unknown): void;
}

export class EventReader implements BodySink {
  readonly #parser: SseParser;
  readonly #body: AnswerBody;
  readonly #from: StreamPosition;
  readonly #taker: EventTaker;
  #isOver = false;

  private constructor(body: AnswerBody, maxEventBytes: number, from: StreamPosition, taker: EventTaker) {
    this.#body = body;
    this.#from = from;
    this.#taker = taker;
    const long = { bytes: LARGE_ANSWER_BYTES, onLongEvent: (beginning: Buffer) => taker.onLongEvent(beginning) };
    const { lastEventId } = from;
    this.#parser = new SseParser((event) => taker.onEvent(event), { maxEventBytes, lastEventId, long });
  }

  /** Reads a stream that goes on where another one ended. Without a promise: each call that is answered by events passes here. */
  static begin(
    { body }: OutboundResponse,
    { maxEventBytes, from }: { readonly maxEventBytes: number; readonly from: StreamPosition },
    taker: EventTaker,
  ): void {
    body.read(new EventReader(body, maxEventBytes, from, taker));
  }

  onData(chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      this.#parser.push(chunk);
    } catch (error) {
      this.#over(error);
      this.#body.destroy();
    }
  }

  onEnd(): void {
    this.#over(undefined);
  }

  onError(error: unknown): void {
    this.#over(error);
  }

  #over(cause: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#parser.close();
    const { lastEventId, retry = this.#from.retry } = this.#parser;
    this.#taker.onOver({ lastEventId: sendable(lastEventId), retry }, cause);
  }
}

export interface ReadEventsOptions {
  readonly maxEventBytes: number;
  readonly from: StreamPosition;
  readonly onEvent: EventTaker['onEvent'];
  readonly onLongEvent: EventTaker['onLongEvent'];
}

/** Reads events until the stream ends or breaks. Resolves with its position, and with the cause where it broke or an event was too large. */
export function readEvents(
  response: OutboundResponse,
  { onEvent, onLongEvent, ...options }: ReadEventsOptions,
): Promise<{ readonly position: StreamPosition; readonly cause: unknown }> {
  return new Promise((resolve) =>
    EventReader.begin(response, options, {
      onEvent,
      onLongEvent,
      onOver: (position, cause) => resolve({ position, cause }),
    }),
  );
}

/** Reads the message in a long event while it comes, and tells each message in it when all of it is there. */
export function readLongEvent(
  beginning: Buffer,
  body: AnswerBody,
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
