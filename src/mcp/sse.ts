/** Server-Sent Events (WHATWG HTML, section 9.2): bytes to events as they arrive, and events to text. */
import { isAscii } from 'node:buffer';

export interface SseEvent {
  /** Type of the event; `message` when the stream does not say. */
  readonly event: string;
  /** The last event id of the stream up to and with this event; undefined when there was none, or an empty one. */
  readonly id: string | undefined;
  /** The data lines, joined by LF. */
  readonly data: string;
  /** The reconnection time in ms that the stream asked for last. */
  readonly retry: number | undefined;
}

/** An event was larger than the reader is willing to hold. */
export class SseEventTooLargeError extends Error {
  override readonly name = 'SseEventTooLargeError';

  constructor(maxBytes: number) {
    super(`a server-sent event is larger than ${maxBytes} bytes`);
  }
}

/** Takes the data of one event of the type `message` as it comes. */
export interface LongEvent {
  push(data: Buffer): void;
  /** All of it has come. */
  end(): void;
  /** Told instead of `end` when the event names another type behind its data, or breaks off. Who has passed the data on cannot have it: the stream fails then. */
  drop?(): void;
}

/** An event turned out to be of another type when its data had been passed on. */
export class SseTypeError extends Error {
  override readonly name = 'SseTypeError';

  constructor() {
    super('an event names its type behind its data');
  }
}

export interface SseParserOptions {
  /** Most bytes that one event, or one line of it, may have. */
  readonly maxEventBytes: number;
  /** Asked once for an event whose first data line has more bytes than `bytes`, with those that have come; undefined = it is reported whole. */
  readonly long?: { readonly bytes: number; readonly onLongEvent: (data: Buffer) => LongEvent | undefined } | undefined;
  /** The last event id before this stream, when it goes on where another one broke off. */
  readonly lastEventId?: string | undefined;
}

const MESSAGE_LINE = 'event: message';
const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const;
/** What a data line costs beside its bytes, so that a flood of empty lines meets the size limit as well. */
const LINE_COST = 16;
const EMPTY = Buffer.alloc(0);
const LINE_BREAK = Buffer.from('\n');
/** Pieces up to here are read as one text: a buffer for each line costs more than the work on it. What is kept of it keeps all of it. */
const MAX_TEXT_BYTES = 4_096;

/** Reads one stream, fed in pieces cut anywhere. An event that the stream breaks off is never reported. */
export class SseParser {
  readonly #onEvent: (event: SseEvent) => void;
  readonly #maxBytes: number;
  /** The line that has not ended yet: the first `#heldBytes` of a buffer that doubles when it is full. */
  #held = EMPTY;
  #heldBytes = 0;
  #afterCr = false;
  #markBytesSeen: number | undefined = 0;
  #type = '';
  #data: string[] = [];
  #dataBytes = 0;
  /** Counts with the event that it stands in: one that breaks off must come again. */
  #nextId: string;
  #id: string;
  #retry: number | undefined;
  readonly #longOptions: SseParserOptions['long'];
  /** The event whose data is passed on as it comes. */
  #long: LongEvent | undefined;
  /** The line that is being read is data of it. */
  #inLong = false;
  #mayBeLong = true;
  /** Of its data, what is to be passed on next. */
  #passing: Buffer[] = [];

  constructor(onEvent: (event: SseEvent) => void, options: SseParserOptions) {
    this.#onEvent = onEvent;
    this.#maxBytes = options.maxEventBytes;
    this.#id = options.lastEventId ?? '';
    this.#nextId = this.#id;
    this.#longOptions = options.long;
  }

  /** What a client sends as `Last-Event-ID` when it comes back; undefined when the stream gave no id. */
  get lastEventId(): string | undefined {
    return this.#id === '' ? undefined : this.#id;
  }

  /** The reconnection time in ms that the stream asked for; undefined when it did not. */
  get retry(): number | undefined {
    return this.#retry;
  }

  /** Takes the next bytes and reports the events that they complete. Throws SseEventTooLargeError; the parser is then of no further use. */
  push(chunk: Uint8Array): void {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = this.#markBytesSeen === undefined ? 0 : this.#skipByteOrderMark(bytes);
    if (this.#afterCr && at < bytes.length) {
      this.#afterCr = false;
      if (bytes[at] === LF) at++;
    }
    at = this.#textLines(bytes, at);
    let lf = bytes.indexOf(LF, at);
    let cr = bytes.indexOf(CR, at);
    while (lf !== -1 || cr !== -1) {
      const end = cr === -1 || (lf !== -1 && lf < cr) ? lf : cr;
      this.#endLine(bytes.subarray(at, end));
      at = end + 1;
      if (end === cr) {
        if (at === bytes.length) this.#afterCr = true;
        else if (bytes[at] === LF) at++;
        cr = bytes.indexOf(CR, at);
      }
      if (lf !== -1 && lf < at) lf = bytes.indexOf(LF, at);
    }
    if (at < bytes.length) this.#keep(bytes.subarray(at));
    if (this.#long !== undefined) this.#flushLong();
  }

  /** Nothing will follow. */
  close(): void {
    this.#long?.drop?.();
    this.#long = undefined;
  }

  /** A byte order mark at the very beginning is no part of the first line, however the pieces are cut. */
  #skipByteOrderMark(bytes: Buffer): number {
    let seen = this.#markBytesSeen ?? 0;
    let at = 0;
    while (seen < BYTE_ORDER_MARK.length && at < bytes.length && bytes[at] === BYTE_ORDER_MARK[seen]) {
      seen++;
      at++;
    }
    if (seen < BYTE_ORDER_MARK.length && at === bytes.length) {
      this.#markBytesSeen = seen;
      return at;
    }
    this.#markBytesSeen = undefined;
    if (seen < BYTE_ORDER_MARK.length && seen > 0) this.#keep(Buffer.from(BYTE_ORDER_MARK.slice(0, seen)));
    return at;
  }

  #keep(rest: Buffer): void {
    if (this.#inLong) return this.#passOn(rest);
    const total = this.#heldBytes + rest.length;
    this.#checkSize(total);
    if (total > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(total, this.#held.length * 2));
      this.#held.copy(larger, 0, 0, this.#heldBytes);
      this.#held = larger;
    }
    rest.copy(this.#held, this.#heldBytes);
    this.#heldBytes = total;
    if (this.#longOptions !== undefined && total > this.#longOptions.bytes) this.#lookAtLong(this.#longOptions);
  }

  /** A line is long: passes it on when it is data of an event that can be passed on. */
  #lookAtLong({ onLongEvent }: NonNullable<SseParserOptions['long']>): void {
    const held = this.#held.subarray(0, this.#heldBytes);
    if (held.toString('latin1', 0, 5) !== 'data:') return;
    const data = held.subarray(held[5] === SPACE ? 6 : 5);
    if (this.#long !== undefined) this.#passOn(LINE_BREAK, data);
    else if (!this.#beginLong(onLongEvent, data)) return;
    this.#inLong = true;
    this.#held = EMPTY;
    this.#heldBytes = 0;
  }

  /** Offers the event, once; `rest` is the line that is being read. */
  #beginLong(onLongEvent: (data: Buffer) => LongEvent | undefined, rest?: Buffer): boolean {
    if (!this.#mayBeLong || !isMessage(this.#type)) return false;
    this.#mayBeLong = false;
    const before = this.#data.map((line) => Buffer.from(line));
    const lines = rest === undefined ? before : [...before, rest];
    const data = lines.length === 1 ? rest : Buffer.concat(lines.flatMap((line) => [LINE_BREAK, line]).slice(1));
    this.#long = data && onLongEvent(data);
    if (data === undefined || this.#long === undefined) return false;
    this.#data = [];
    this.#dataBytes = data.length;
    return true;
  }

  #passOn(...pieces: readonly Buffer[]): void {
    for (const piece of pieces) {
      this.#dataBytes += piece.length;
      this.#checkSize(this.#dataBytes);
      if (piece.length > 0) this.#passing.push(piece);
    }
  }

  /** Thousands of short lines go on together. */
  #flushLong(): void {
    const pieces = this.#passing;
    if (pieces.length === 0) return;
    this.#passing = [];
    const [first] = pieces;
    this.#long?.push(first !== undefined && pieces.length === 1 ? first : Buffer.concat(pieces));
  }

  #endLine(rest: Buffer): void {
    if (this.#inLong) {
      this.#passOn(rest);
      this.#inLong = false;
      return;
    }
    if (this.#heldBytes === 0) return this.#line(rest);
    this.#keep(rest);
    if (this.#inLong) {
      // With its last bytes the line turned out to be a long one, and is passed on.
      this.#inLong = false;
      return;
    }
    const whole = this.#held.subarray(0, this.#heldBytes);
    this.#held = EMPTY;
    this.#heldBytes = 0;
    this.#line(whole);
  }

  /** Takes the whole lines at the beginning of a small piece in ASCII, and gives the place behind them. */
  #textLines(bytes: Buffer, from: number): number {
    const mayBeText = this.#heldBytes === 0 && !this.#inLong && !this.#afterCr;
    if (!mayBeText || bytes.length > MAX_TEXT_BYTES || !isAscii(bytes)) return from;
    const text = bytes.toString('latin1');
    if (text.includes('\r')) return from;
    let at = from;
    for (let end = text.indexOf('\n', at); end !== -1 && this.#long === undefined; end = text.indexOf('\n', at)) {
      this.#textLine(text, at, end);
      at = end + 1;
    }
    return at;
  }

  #textLine(text: string, start: number, end: number): void {
    if (start === end) return this.#dispatch();
    if (text.startsWith('data: ', start)) return this.#field('data', text.slice(start + 6, end), end - start - 6);
    if (end === start + MESSAGE_LINE.length && text.startsWith(MESSAGE_LINE, start))
      return this.#field('event', 'message', 'message'.length);
    const line = text.slice(start, end);
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const value = colon === -1 ? '' : line.slice(colon + (line.startsWith(' ', colon + 1) ? 2 : 1));
    this.#field(colon === -1 ? line : line.slice(0, colon), value, value.length);
  }

  #line(line: Buffer): void {
    if (line.length === 0) return this.#dispatch();
    const colon = line.indexOf(COLON);
    if (colon === 0) return;
    const field = fieldOf(line, colon === -1 ? line.length : colon);
    const start = colon === -1 ? line.length : colon + (line[colon + 1] === SPACE ? 2 : 1);
    if (field === 'data' && this.#long !== undefined) this.#passOn(LINE_BREAK, line.subarray(start));
    else this.#field(field, line.toString('utf8', start), line.length - start);
  }

  /** `bytes`: how many the value has. */
  #field(field: string, value: string, bytes: number): void {
    if (field === 'data') {
      this.#dataBytes += bytes + LINE_COST;
      this.#checkSize(this.#dataBytes);
      this.#data.push(value);
      const long = this.#longOptions;
      if (long !== undefined && this.#dataBytes > long.bytes) this.#beginLong(long.onLongEvent);
    } else if (field === 'event') {
      this.#checkSize(bytes);
      this.#type = value;
      if (this.#long !== undefined && this.#long.drop === undefined && !isMessage(value)) throw new SseTypeError();
    } else if (field === 'id') {
      this.#checkSize(bytes);
      if (!value.includes('\0')) this.#nextId = value;
    } else if (field === 'retry' && /^[0-9]{1,15}$/.test(value)) this.#retry = Number(value);
  }

  #dispatch(): void {
    const lines = this.#data;
    const type = this.#type;
    this.#type = '';
    this.#id = this.#nextId;
    this.#mayBeLong = true;
    const long = this.#long;
    if (long !== undefined) {
      this.#flushLong();
      this.#long = undefined;
      this.#dataBytes = 0;
      return long.drop === undefined || isMessage(type) ? long.end() : long.drop();
    }
    if (lines.length === 0) return;
    this.#data = [];
    this.#dataBytes = 0;
    const data = lines.length === 1 ? (lines[0] ?? '') : lines.join('\n');
    this.#onEvent({ event: type === '' ? 'message' : type, id: this.lastEventId, data, retry: this.#retry });
  }

  #checkSize(bytes: number): void {
    if (bytes > this.#maxBytes) throw new SseEventTooLargeError(this.#maxBytes);
  }
}

/** True for the type of events that hold messages. */
function isMessage(type: string): boolean {
  return type === '' || type === 'message';
}

/** `data` as a number. */
const DATA = 0x64617461;

/** The name of a field. */
function fieldOf(line: Buffer, end: number): string {
  return end === 4 && line.readUInt32BE(0) === DATA ? 'data' : line.toString('latin1', 0, end);
}

export interface SseEventFields {
  readonly event?: string;
  readonly id?: string;
  readonly data: string;
  /** ms */
  readonly retry?: number;
}

/**
 * One event as text, with the empty line that ends it. Line breaks in `data` become data lines (a reader sees LF).
 * Throws RangeError for an `event` or `id` with a line break or NUL, which would forge other fields.
 */
export function encodeEvent({ event, id, data, retry }: SseEventFields): string {
  let text = '';
  if (event !== undefined) text += `event: ${oneLine('event', event)}\n`;
  if (id !== undefined) text += `id: ${oneLine('id', id)}\n`;
  if (retry !== undefined) text += `retry: ${Math.max(0, Math.round(retry))}\n`;
  if (!/[\r\n]/.test(data)) return `${text}data: ${data}\n\n`;
  for (const line of data.split(/\r\n|\r|\n/)) text += `data: ${line}\n`;
  return `${text}\n`;
}

function oneLine(field: string, value: string): string {
  if (/[\r\n\0]/.test(value)) throw new RangeError(`the ${field} of a server-sent event must be one line without NUL`);
  return value;
}
