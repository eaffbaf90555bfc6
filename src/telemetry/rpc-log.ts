/** Records every message between the gateway and its servers in `rpc-messages.jsonl`, in the shape that tools of gh-aw read. */
import type { LineSink } from './line-sink.ts';
import type { Limits, Redactor } from './redaction.ts';

/** `OUT`: to the server. `IN`: from the server. */
export type Direction = 'IN' | 'OUT';

interface Entry {
  readonly time: number;
  readonly direction: Direction;
  readonly server: string;
  /** Of what is too large, its beginning. */
  readonly text: string;
  /** Of all of it, in UTF-16 units; in bytes where it came as these. */
  readonly length: number;
}

/** A message as text, or as pieces of its UTF-8. */
type Recorded = string | readonly Buffer[];

/** Parsing a message costs time that requests need: what is larger than this is recorded without its content. UTF-16 units. */
const MAX_MESSAGE = 1024 * 1024;
/** Enough to tell a request from an answer. */
const BEGINNING = 256;
const MAX_QUEUED = 16 * 1024 * 1024;
/** How long one turn of the event loop may be spent on the record. */
const SLICE_MS = 2;

/** A payload is kept whole; only nesting beyond what the walk can follow is cut. */
const PAYLOAD_LIMITS: Limits = { depth: 500, entries: Number.MAX_SAFE_INTEGER, text: Number.MAX_SAFE_INTEGER };

/** Takes messages at once and formats them later, in slices, so that no request waits for its own record. */
export class RpcLog {
  readonly #sink: LineSink;
  readonly #redactor: Redactor;
  readonly #onDropped: (messages: number) => void;
  #queue: Entry[] = [];
  #queuedSize = 0;
  #scheduled = false;
  #dropped = 0;

  constructor(sink: LineSink, redactor: Redactor, onDropped: (messages: number) => void) {
    this.#sink = sink;
    this.#redactor = redactor;
    this.#onDropped = onDropped;
  }

  record(direction: Direction, server: string, message: Recorded): void {
    const length = typeof message === 'string' ? message.length : message.reduce((sum, piece) => sum + piece.length, 0);
    const text = length > MAX_MESSAGE ? beginningOf(message) : textOf(message);
    if (this.#queuedSize + text.length > MAX_QUEUED) {
      this.#dropped += 1;
      return;
    }
    this.#queue.push({ time: Date.now(), direction, server, text, length });
    this.#queuedSize += text.length;
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#slice());
  }

  /** Formats everything that is queued, now. */
  flush(): void {
    this.#work(Number.POSITIVE_INFINITY);
  }

  #slice(): void {
    this.#scheduled = false;
    this.#work(performance.now() + SLICE_MS);
    if (this.#queue.length > 0) {
      this.#scheduled = true;
      setImmediate(() => this.#slice());
    } else if (this.#dropped > 0) {
      this.#onDropped(this.#dropped);
      this.#dropped = 0;
    }
  }

  #work(until: number): void {
    let done = 0;
    for (const entry of this.#queue) {
      this.#sink.write(rpcLine(entry, this.#redactor));
      this.#queuedSize -= entry.text.length;
      done += 1;
      if (performance.now() > until) break;
    }
    this.#queue = done === this.#queue.length ? [] : this.#queue.slice(done);
  }
}

/** One line of the file; JSON whatever the text is. */
function rpcLine(entry: Entry, redactor: Redactor): string {
  const message = entry.length > MAX_MESSAGE ? undefined : messageOf(entry.text);
  const method = fieldOf(message, 'method');
  const error = fieldOf(fieldOf(message, 'error'), 'message');
  const line = JSON.stringify({
    timestamp: new Date(entry.time).toISOString(),
    event: isRequest(message, entry.text) ? 'rpc_request' : 'rpc_response',
    _schema: 'rpc-message/v2',
    direction: entry.direction,
    server_id: entry.server,
    method: typeof method === 'string' ? redactor.text(method) : undefined,
    error: typeof error === 'string' ? redactor.text(error) : undefined,
    payload: message === undefined ? withoutContent(entry, redactor) : redactor.value(message, PAYLOAD_LIMITS),
  });
  return `${line}\n`;
}

function beginningOf(message: Recorded): string {
  return typeof message === 'string'
    ? message.slice(0, BEGINNING)
    : Buffer.concat(message.map((piece) => piece.subarray(0, BEGINNING))).toString('utf8', 0, BEGINNING);
}

function textOf(message: Recorded): string {
  return typeof message === 'string' ? message : Buffer.concat(message).toString('utf8');
}

function messageOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** For a message that was not parsed its beginning decides: every common library writes `method` before the content. */
function isRequest(message: unknown, text: string): boolean {
  return message === undefined
    ? /"method"\s*:/.test(text.slice(0, BEGINNING))
    : fieldOf(message, 'method') !== undefined;
}

function withoutContent({ text, length }: Entry, redactor: Redactor): object {
  if (length > MAX_MESSAGE) return { _omitted: 'too large', _length: length };
  return { _omitted: 'not JSON', _length: length, _raw: redactor.text(text).slice(0, 1_000) };
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}
