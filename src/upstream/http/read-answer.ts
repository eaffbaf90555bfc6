/** Reads the body of an HTTP answer, bounded: as one text, or as a stream of events. */
import { SseParser, type SseEvent } from '../../mcp/sse.ts';
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

/** Told one of the two, once. */
export interface TextHandler {
  onText(text: string): void;
  onError(error: unknown): void;
}

/** The whole body as UTF-8 text. Tells AnswerTooLargeError beyond `maxBytes`, and cuts the connection then. */
export function readWhole({ body }: OutboundResponse, maxBytes: number, handler: TextHandler): void {
  let first: Buffer | undefined;
  let others: Buffer[] | undefined;
  let bytes = 0;
  let over = false;
  body.read({
    onData(chunk) {
      if (over) return;
      bytes += chunk.length;
      if (bytes > maxBytes) {
        over = true;
        body.destroy();
        handler.onError(new AnswerTooLargeError(`the answer is larger than ${maxBytes} bytes`));
      } else if (first === undefined) first = chunk;
      else (others ??= []).push(chunk);
    },
    onEnd() {
      if (over) return;
      over = true;
      const whole = first === undefined || others === undefined ? first : Buffer.concat([first, ...others], bytes);
      handler.onText(whole?.toString('utf8') ?? '');
    },
    onError(error) {
      if (over) return;
      over = true;
      handler.onError(error);
    },
  });
}

/** The same as a promise. */
export function readText(response: OutboundResponse, maxBytes: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  readWhole(response, maxBytes, { onText: resolve, onError: reject });
  return promise;
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
}

/** Reads events until the stream ends. Rejects when it breaks, or when an event is too large. */
export function readEvents({ body }: OutboundResponse, options: ReadEventsOptions): Promise<void> {
  const { maxEventBytes, from, onEvent, onPosition } = options;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const parser = new SseParser(onEvent, { maxEventBytes, lastEventId: from.lastEventId });
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
    onEnd: resolve,
    onError: reject,
  });
  return promise;
}

/** The id if it can stand in a header: without control characters, and not so long that it would fill the head of a request. */
function sendable(id: string | undefined): string | undefined {
  return id !== undefined && id.length <= MAX_EVENT_ID_LENGTH && !/\p{Cc}/u.test(id) ? id : undefined;
}
