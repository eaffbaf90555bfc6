/** Keeps the standalone stream of a server open: the one on which it sends what belongs to no request. */
import type { CancelSignal } from '../../shared/cancellation.ts';
import { backoffDelay } from '../../shared/backoff.ts';
import { SharedWireReader, type Received } from '../../mcp/large-message.ts';
import { pause } from './answer-stream.ts';
import { splitBatch } from './answers.ts';
import type { OutboundResponse } from './connector.ts';
import { STREAM_START, readEvents } from './event-reader.ts';

export interface ListenOptions {
  readonly maxEventBytes: number;
  readonly signal: CancelSignal;
  readonly deliver: (message: Received) => void;
  /** Asks for the stream, or for the rest of it after an event. undefined = the server has none. Rejects when it may have one later. */
  readonly open: (lastEventId: string | undefined) => Promise<OutboundResponse | undefined>;
  /** Told each time that the stream was lost or could not be opened. */
  readonly onBreak: (error: unknown, retryInMs: number) => void;
}

const BACKOFF = { firstMs: 1_000, longestMs: 60_000 };
const LONGEST_RETRY_HINT_MS = 60_000;
/** A stream that was open for so long was a good one: losing it starts the waiting times again from the first. */
const GOOD_AFTER_MS = 10_000;

/** Resolves when the server has no such stream, or `signal` ends the listening. Never rejects. */
export async function listenStream(options: ListenOptions): Promise<void> {
  const { signal, maxEventBytes } = options;
  const deliver = (data: Received): void => {
    failures = 0;
    for (const message of typeof data === 'string' ? splitBatch(data) : [data]) options.deliver(message);
  };
  let position = STREAM_START;
  let failures = 0;
  while (!signal.aborted) {
    let openedAt: number | undefined;
    let cause: unknown;
    try {
      const response = await options.open(position.lastEventId);
      if (response === undefined) return;
      openedAt = performance.now();
      ({ position, cause } = await readEvents(response, {
        maxEventBytes,
        from: position,
        onLongEvent: (beginning) => {
          const reader = new SharedWireReader(deliver, {
            pause: () => response.body.pause(),
            resume: () => response.body.resume(),
            // What comes here answers nothing.
            refuse: () => undefined,
          });
          reader.push(beginning);
          return reader;
        },
        onEvent: ({ event, data }) => {
          failures = 0;
          if (event === 'message') deliver(data);
        },
      }));
    } catch (error) {
      cause = error;
    }
    if (signal.aborted) return;
    if (openedAt !== undefined && performance.now() - openedAt > GOOD_AFTER_MS) failures = 0;
    const wait = delay(position.retry, failures++);
    options.onBreak(cause, wait);
    await pause(wait, signal).catch(() => undefined);
  }
}

/** At least what the server asked for, and with jitter: a server that restarts must not meet all its clients at once. */
function delay(retry: number | undefined, failures: number): number {
  const backoff = backoffDelay(failures, BACKOFF);
  if (retry === undefined) return backoff;
  const hint = Math.min(retry, LONGEST_RETRY_HINT_MS) * (1 + Math.random() / 5);
  return failures === 0 ? hint : Math.max(hint, backoff);
}
