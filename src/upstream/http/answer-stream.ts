/** Follows the event stream that answers one request, until the response has come, across connections that break off. */
import { setTimeout as sleep } from 'node:timers/promises';
import { JsonScanError } from '../../mcp/json-scanner.ts';
import type { Received } from '../../mcp/large-message.ts';
import { SseEventTooLargeError, type LongEvent } from '../../mcp/sse.ts';
import { backoffDelay } from '../../shared/backoff.ts';
import { nativeSignal, type CancelSignal } from '../../shared/cancellation.ts';
import { Deadlines, type Deadline } from '../../shared/deadlines.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { SendOptions } from '../transport.ts';
import { AnswerRelay } from './answer-relay.ts';
import { answers, splitBatch } from './answers.ts';
import type { OutboundResponse } from './connector.ts';
import { peerError } from './http-errors.ts';
import { readEvents, readLongEvent, type StreamPosition } from './read-answer.ts';

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

interface Round {
  readonly answered: boolean;
  readonly gotEvents: boolean;
  readonly position: StreamPosition;
  readonly cause: unknown;
}

/**
 * Delivers every message of the stream and resolves when the response was among them. Rejects with the reason of
 * `signal`, with server_unavailable when the stream broke off and could not be resumed, or with what resuming met.
 */
export async function followAnswer(first: OutboundResponse, options: FollowOptions): Promise<void> {
  let position: StreamPosition = { lastEventId: undefined, retry: undefined };
  let response = first;
  let fruitless = 0;
  for (;;) {
    const round = await readRound(response, position, options);
    if (round.answered) return;
    options.signal.throwIfAborted();
    position = round.position;
    fruitless = round.gotEvents ? 0 : fruitless + 1;
    if (position.lastEventId === undefined) {
      throw brokenOff(options.server, 'and the server gave it no event ids to resume it by', round.cause);
    }
    response = await reconnect(position.lastEventId, position.retry, fruitless, round.cause, options);
  }
}

function readRound(response: OutboundResponse, from: StreamPosition, options: FollowOptions): Promise<Round> {
  const { promise, resolve, reject } = Promise.withResolvers<Round>();
  let position = from;
  let gotEvents = false;
  let cut: Deadline | undefined;
  let isPassing = false;
  const { server, requestId, maxEventBytes, onLargeAnswer } = options;
  const end = (cause: unknown): void => {
    cut?.end();
    // What the client has of an answer cannot be taken back, and another connection would begin the answer anew.
    if (isPassing) reject(cause ?? brokenOff(server, 'which was being passed on', undefined));
    else if (cause instanceof SseEventTooLargeError || cause instanceof JsonScanError) reject(cause);
    else resolve({ answered: false, gotEvents, position, cause });
  };
  const answered = (): void => {
    if (cut !== undefined) return;
    // The rest is read in the background, so that the connection can be used again.
    cut = ENDINGS.begin(END_AFTER_RESPONSE_MS, { onLate: () => response.body.destroy() });
    resolve({ answered: true, gotEvents, position, cause: undefined });
  };
  const deliver = (message: Received): void => {
    gotEvents = true;
    options.deliver(message);
    if (answers(message, requestId)) answered();
  };
  const onLongEvent = (beginning: Buffer): LongEvent | undefined =>
    passedOn(beginning) ?? readLongEvent(beginning, response, deliver, reject);
  const passedOn = (beginning: Buffer): LongEvent | undefined => {
    if (cut !== undefined || onLargeAnswer === undefined) return undefined;
    const { body } = response;
    // Before it has begun: when its beginning is refused, another connection would bring the same again.
    isPassing = true;
    const begun = AnswerRelay.begin(beginning, { requestId, maxBytes: maxEventBytes, onLargeAnswer, body });
    isPassing = begun !== undefined;
    return begun && { push: (bytes) => begun.push(bytes), end: () => (begun.end(), answered()) };
  };
  readEvents(response, {
    maxEventBytes,
    from,
    onLongEvent,
    onPosition: (at) => (position = at),
    onEvent: ({ event, data }) => {
      gotEvents = true;
      if (event === 'message') splitBatch(data).forEach(deliver);
    },
  }).then(() => end(undefined), end);
  return promise;
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
