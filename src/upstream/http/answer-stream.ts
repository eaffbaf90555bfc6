/** Follows the event stream that answers one request, until the response has come, across connections that break off. */
import { setTimeout as sleep } from 'node:timers/promises';
import { JsonScanError } from '../../mcp/json-scanner.ts';
import type { Received } from '../../mcp/large-message.ts';
import { SseEventTooLargeError, type LongEvent, type SseEvent } from '../../mcp/sse.ts';
import { backoffDelay } from '../../shared/backoff.ts';
import { nativeSignal, type CancelSignal } from '../../shared/cancellation.ts';
import { Deadlines, type Deadline } from '../../shared/deadlines.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { SendOptions } from '../transport.ts';
import { AnswerRelay } from './answer-relay.ts';
import type { AnswerBody } from './answer-body.ts';
import { answers, splitBatch } from './answers.ts';
import type { OutboundResponse } from './connector.ts';
import { STREAM_START, EventReader, readLongEvent, type EventTaker, type StreamPosition } from './event-reader.ts';
import { discard } from './discard.ts';
import { peerError } from './http-errors.ts';

export interface FollowOptions {
  readonly server: string;
  /** Raw JSON text of the id of the request. */
  readonly requestId: string;
  readonly maxEventBytes: number;
  readonly signal: CancelSignal;
  /** As in SendOptions. */
  readonly onLargeAnswer?: SendOptions['onLargeAnswer'];
  readonly deliver: (message: Received) => void;
  /** Asks for the rest of the stream after an event. Rejects with a GatewayError. */
  readonly resume: (lastEventId: string) => Promise<OutboundResponse>;
}

/** Tries in a row that brought no event. A server that answers by and by may be asked any number of times. */
const MAX_FRUITLESS_TRIES = 5;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 15_000;
const LONGEST_RETRY_HINT_MS = 60_000;
/** A stream should end after the response (2025-11-25, basic/transports); one that does not is cut. */
const END_AFTER_RESPONSE_MS = 1_000;
const ENDINGS = new Deadlines();

/** Told one of the two, once. */
export interface AnswerOwner {
  /** The response was among the messages. */
  onEnd(): void;
  /** With the reason of `signal`, with server_unavailable when the stream broke off and could not be resumed, or with what resuming met. */
  onError(error: unknown): void;
}

/** Delivers every message of the stream until the response has come. Without promises while nothing breaks: each call that is answered by events passes here. */
export function followAnswer(first: OutboundResponse, options: FollowOptions, owner: AnswerOwner): void {
  new AnswerStream(options, owner).read(first, STREAM_START);
}

class AnswerStream implements EventTaker {
  readonly #options: FollowOptions;
  readonly #owner: AnswerOwner;
  #body: AnswerBody | undefined;
  #gotEvents = false;
  /** Connections in a row that brought nothing. */
  #fruitless = 0;
  /** Cuts the connection when it does not end after the response. */
  #cut: Deadline | undefined;
  #isPassing = false;
  #hasFailed = false;

  constructor(options: FollowOptions, owner: AnswerOwner) {
    this.#options = options;
    this.#owner = owner;
  }

  read(response: OutboundResponse, from: StreamPosition): void {
    this.#body = response.body;
    this.#gotEvents = false;
    const { maxEventBytes } = this.#options;
    EventReader.begin(response, { maxEventBytes, from }, this);
  }

  onEvent({ event, data }: SseEvent): void {
    this.#gotEvents = true;
    if (event === 'message') for (const message of splitBatch(data)) this.#deliver(message);
  }

  onLongEvent(beginning: Buffer): LongEvent | undefined {
    const body = this.#body;
    if (body === undefined) return undefined;
    return (
      this.#passedOn(beginning, body) ??
      readLongEvent(
        beginning,
        body,
        (message) => this.#deliver(message),
        (error) => this.#fail(error),
      )
    );
  }

  onOver(position: StreamPosition, cause: unknown): void {
    if (this.#cut !== undefined) return this.#cut.end();
    if (this.#hasFailed) return;
    const { server } = this.#options;
    // What the client has of an answer cannot be taken back, and another connection would begin the answer anew.
    if (this.#isPassing) return this.#fail(cause ?? brokenOff(server, 'which was being passed on', undefined));
    if (cause instanceof SseEventTooLargeError || cause instanceof JsonScanError) return this.#fail(cause);
    this.#resume(position, cause)
      .then((response) => {
        // It may have come after all, in the rest of the piece in which the connection was cut.
        if (this.#isOver) discard(response.body);
        else this.read(response, position);
      })
      .catch((error: unknown) => this.#fail(error));
  }

  get #isOver(): boolean {
    return this.#cut !== undefined || this.#hasFailed;
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#hasFailed = true;
    this.#owner.onError(error);
  }

  /** Late with its end. */
  onLate(): void {
    this.#body?.destroy();
  }

  async #resume({ lastEventId, retry }: StreamPosition, cause: unknown): Promise<OutboundResponse> {
    const { server, signal } = this.#options;
    signal.throwIfAborted();
    this.#fruitless = this.#gotEvents ? 0 : this.#fruitless + 1;
    if (lastEventId === undefined)
      throw brokenOff(server, 'and the server gave it no event ids to resume it by', cause);
    return reconnect(lastEventId, retry, this.#fruitless, cause, this.#options);
  }

  #deliver(message: Received): void {
    const { deliver, requestId } = this.#options;
    this.#gotEvents = true;
    deliver(message);
    if (answers(message, requestId)) this.#answered();
  }

  #answered(): void {
    if (this.#isOver) return;
    // The rest is read in the background, so that the connection can be used again.
    this.#cut = ENDINGS.begin(END_AFTER_RESPONSE_MS, this);
    this.#owner.onEnd();
  }

  #passedOn(beginning: Buffer, body: AnswerBody): LongEvent | undefined {
    const { requestId, maxEventBytes: maxBytes, onLargeAnswer } = this.#options;
    if (this.#cut !== undefined || onLargeAnswer === undefined) return undefined;
    // Before it has begun: when its beginning is refused, another connection would bring the same again.
    this.#isPassing = true;
    const begun = AnswerRelay.begin(beginning, { requestId, maxBytes, onLargeAnswer, body });
    this.#isPassing = begun !== undefined;
    return begun && { push: (bytes) => begun.push(bytes), end: () => (begun.end(), this.#answered()) };
  }
}

async function reconnect(
  lastEventId: string,
  retry: number | undefined,
  fruitless: number,
  cause: unknown,
  { server, signal, resume }: FollowOptions,
): Promise<OutboundResponse> {
  let lastCause = cause;
  for (let tries = fruitless; tries < MAX_FRUITLESS_TRIES; tries++) {
    await pause(waitBefore(tries, retry), signal);
    try {
      return await resume(lastEventId);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof GatewayError)) throw error;
      if (error.code === 'server_protocol_error') {
        throw brokenOff(server, `and cannot be resumed (${error.detail ?? error.message})`, error);
      }
      if (error.code !== 'server_unavailable') throw error;
      lastCause = error;
    }
  }
  throw brokenOff(server, `and ${MAX_FRUITLESS_TRIES} tries to resume it brought nothing`, lastCause);
}

/** What the server asked for, before the first try exactly, then growing. */
function waitBefore(tries: number, retry: number | undefined): number {
  if (retry === undefined) return backoffDelay(tries, { firstMs: FIRST_WAIT_MS, longestMs: LONGEST_WAIT_MS });
  const hint = Math.min(retry, LONGEST_RETRY_HINT_MS);
  return tries === 0
    ? hint
    : Math.max(hint, backoffDelay(tries, { firstMs: Math.max(hint, 50), longestMs: LONGEST_WAIT_MS }));
}

function brokenOff(server: string, detail: string, cause: unknown): GatewayError {
  return peerError(
    'server_unavailable',
    `the stream of the answer ended before the response, ${detail}`,
    { server },
    cause,
  );
}

/** Rejects with the reason of the signal when that comes first. */
export async function pause(ms: number, signal: CancelSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal: nativeSignal(signal) });
  } catch {
    signal.throwIfAborted();
  }
}
