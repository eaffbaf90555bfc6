/** Reads HTTP/1.1 replies from the wire, strictly: what could be read in two ways is refused. */
import { onlyPart } from '../../../shared/give-back.ts';

/** The bytes are no reply, or not in the one way in which it could be written. */
export class MalformedReplyError extends Error {
  override readonly name = 'MalformedReplyError';
}

/** The head is longer than anything sensible. */
export class ReplyHeadTooLargeError extends Error {
  override readonly name = 'ReplyHeadTooLargeError';
}

export interface ReplyHead {
  readonly status: number;
  /** The first value of each header but Content-Length, by lower-case name, one character for each byte. */
  readonly headers: ReadonlyMap<string, string>;
  /** True when the connection can be used again after the body. */
  readonly keepAlive: boolean;
}

export interface ReplyEvents {
  onHead(head: ReplyHead): void;
  /** The chunk belongs to the reader of the socket and is not changed any more. */
  onBody(chunk: Buffer): void;
  onEnd(): void;
}

const MAX_HEAD_BYTES = 16 * 1024;
const MAX_TRAILER_BYTES = 16 * 1024;
/** A server tells that it works on a call once or twice, and not for ever. */
const MAX_INTERIM_REPLIES = 16;
/** A chunk line: eight digits of size, and an extension that nobody reads. */
const MAX_CHUNK_LINE_BYTES = 1024;

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)$/;
const CHUNK_LINE = /^([0-9A-Fa-f]{1,8})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/;
const LENGTH = /^[0-9]{1,15}$/;
const MAX_LENGTH_DIGITS = 15;
const MAX_SIZE_DIGITS = 8;
const ZERO = 0x30;
const CR = 0x0d;
const LF = 0x0a;

type Expecting = 'head' | 'length' | 'chunk-line' | 'chunk' | 'chunk-end' | 'trailer' | 'close' | 'nothing';

/** One for each connection; replies follow one another on it. */
export class ReplyParser {
  readonly #events: ReplyEvents;
  #expecting: Expecting = 'nothing';
  /** Bytes that are still to come of the body or chunk. */
  #left = 0;
  /** A head or line that has not ended yet. */
  #held: Buffer | undefined;
  #trailerBytes = 0;
  #interimReplies = 0;
  /** The last head: servers send the same again and again, and only the digits of its length differ. */
  #known: KnownHead | undefined;

  constructor(events: ReplyEvents) {
    this.#events = events;
  }

  /** A request was sent: its reply may come. */
  expect(): void {
    this.#expecting = 'head';
    this.#interimReplies = 0;
  }

  /** Takes what arrived. Throws MalformedReplyError and ReplyHeadTooLargeError; the connection is of no further use then. */
  push(chunk: Buffer): void {
    // Whoever takes the body may give its memory back at once: the chunk is empty then, and yet more may have stood in it.
    const { length } = chunk;
    let at = 0;
    while (at < length) {
      switch (this.#expecting) {
        case 'head':
          at = this.#head(chunk, at);
          break;
        case 'length':
        case 'chunk':
          at = this.#data(chunk, at);
          break;
        case 'close':
          this.#events.onBody(at === 0 ? chunk : chunk.subarray(at));
          return;
        case 'chunk-line':
        case 'chunk-end':
        case 'trailer':
          at = (this.#held === undefined ? this.#plainLine(chunk, at) : undefined) ?? this.#lineOf(chunk, at);
          break;
        case 'nothing':
          throw new MalformedReplyError('it sends bytes that answer nothing');
      }
    }
  }

  /** The connection has ended: true when that completes the reply. */
  finish(): boolean {
    if (this.#expecting !== 'close') return false;
    this.#end();
    return true;
  }

  #end(): void {
    this.#expecting = 'nothing';
    this.#events.onEnd();
  }

  #data(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    const last = this.#left === 0;
    if (last && this.#expecting === 'chunk') this.#expecting = 'chunk-end';
    this.#events.onBody(at === 0 && end === chunk.length ? chunk : this.#part(chunk, at, end));
    if (last && this.#expecting === 'length') this.#end();
    return end;
  }

  /** With a length one piece holds one part of the body, and of what stands beside it nothing is kept. */
  #part(chunk: Buffer, at: number, end: number): Buffer {
    return this.#expecting === 'length' ? onlyPart(chunk, at, end) : chunk.subarray(at, end);
  }

  #head(chunk: Buffer, at: number): number {
    const held = this.#held;
    const after = held === undefined && this.#known !== undefined ? this.#again(chunk, at, this.#known) : undefined;
    if (after !== undefined) return after;
    const bytes = held === undefined ? chunk : Buffer.concat([held, chunk.subarray(at)]);
    const start = held === undefined ? at : 0;
    // The end may lie across two pieces.
    const end = bytes.indexOf('\r\n\r\n', held === undefined ? start : Math.max(0, held.length - 3), 'latin1');
    if (end === -1 || end - start > MAX_HEAD_BYTES) {
      if (bytes.length - start > MAX_HEAD_BYTES)
        throw new ReplyHeadTooLargeError('the head of the answer is too large');
      if (bytes.length > start && bytes[start] !== 0x48) throw new MalformedReplyError('it does not begin with HTTP');
      this.#held = held === undefined ? Buffer.from(bytes.subarray(start)) : bytes;
      return chunk.length;
    }
    this.#held = undefined;
    const head = this.#read(bytes.toString('latin1', start, end));
    if (head !== undefined) this.#start(head, head.length);
    return end + 4 - (held === undefined ? 0 : held.length - at);
  }

  /** Where the body begins behind a head that is the known one but for the digits of its length; undefined behind any other. */
  #again(chunk: Buffer, at: number, { head, before, after }: KnownHead): number | undefined {
    const digits = at + before.length;
    if (!startsWith(chunk, at, before)) return undefined;
    if (head.length === undefined) {
      this.#start(head, undefined);
      return digits;
    }
    let end = digits;
    let length = 0;
    for (let digit = (chunk[end] ?? 0) - ZERO; digit >= 0 && digit <= 9; digit = (chunk[++end] ?? 0) - ZERO)
      length = length * 10 + digit;
    if (end === digits || end - digits > MAX_LENGTH_DIGITS || !startsWith(chunk, end, after)) return undefined;
    this.#start(head, length);
    return end + after.length;
  }

  /** The head; undefined for an interim one, which the real one follows. */
  #read(text: string): WireHead | undefined {
    const lines = text.split('\r\n');
    const [, minor, digits] = STATUS_LINE.exec(lines[0] ?? '') ?? [];
    if (digits === undefined) throw new MalformedReplyError('its status line is wrong');
    const status = Number(digits);
    const headers = readFields(lines);
    if (status < 200) {
      if (status === 101) throw new MalformedReplyError('it switches to a protocol that nobody asked for');
      if (++this.#interimReplies > MAX_INTERIM_REPLIES)
        throw new MalformedReplyError('it sends interim answers without end');
      return undefined;
    }
    const chunked = isChunked(headers);
    if (chunked && minor === '0') throw new MalformedReplyError('it has Transfer-Encoding in HTTP/1.0');
    const length = headers.get('content-length');
    headers.delete('content-length');
    if (length !== undefined && (chunked || !LENGTH.test(length)))
      throw new MalformedReplyError(
        chunked ? 'it has both Content-Length and Transfer-Encoding' : 'its Content-Length is wrong',
      );
    const connection = headers.get('connection')?.toLowerCase() ?? '';
    const ends = minor === '0' ? !connection.includes('keep-alive') : connection.includes('close');
    const head = { status, headers, ends, chunked, length: length === undefined ? undefined : Number(length) };
    this.#known = knownHead(text, head);
    return head;
  }

  #start({ status, headers, ends, chunked }: WireHead, length: number | undefined): void {
    const empty = status === 204 || status === 304 || length === 0;
    const open = !empty && !chunked && length === undefined;
    this.#left = length ?? 0;
    this.#trailerBytes = 0;
    this.#expecting = chunked && !empty ? 'chunk-line' : open ? 'close' : 'length';
    this.#events.onHead({ status, headers, keepAlive: !ends && !open });
    if (empty) this.#end();
  }

  /** A line as servers write it: a size without extension, or nothing; undefined for one that has to be looked at. */
  #plainLine(chunk: Buffer, at: number): number | undefined {
    let end = at;
    if (this.#expecting === 'chunk-line') {
      let size = 0;
      for (let digit = hexDigit(chunk[end]); digit >= 0; digit = hexDigit(chunk[++end])) size = size * 16 + digit;
      if (end === at || end - at > MAX_SIZE_DIGITS) return undefined;
      if (chunk[end] !== CR || chunk[end + 1] !== LF) return undefined;
      this.#left = size;
      this.#expecting = size === 0 ? 'trailer' : 'chunk';
    } else {
      if (chunk[end] !== CR || chunk[end + 1] !== LF) return undefined;
      if (this.#expecting === 'chunk-end') this.#expecting = 'chunk-line';
      else this.#end();
    }
    return end + 2;
  }

  #lineOf(chunk: Buffer, at: number): number {
    const limit = this.#expecting === 'trailer' ? MAX_TRAILER_BYTES : MAX_CHUNK_LINE_BYTES;
    const feed = chunk.indexOf(0x0a, at);
    const end = feed === -1 ? chunk.length : feed + 1;
    const part = chunk.subarray(at, end);
    const line = this.#held === undefined ? part : Buffer.concat([this.#held, part]);
    if (line.length > limit) throw new MalformedReplyError('a line between its chunks is too long');
    if (feed === -1) {
      this.#held = Buffer.from(line);
      return end;
    }
    this.#held = undefined;
    if (line[line.length - 2] !== 0x0d) throw new MalformedReplyError('a line between its chunks has no proper end');
    this.#line(line.toString('latin1', 0, line.length - 2));
    return end;
  }

  #line(line: string): void {
    if (this.#expecting === 'chunk-end') {
      if (line !== '') throw new MalformedReplyError('a chunk is longer than it says');
      this.#expecting = 'chunk-line';
    } else if (this.#expecting === 'trailer') {
      this.#trailerBytes += line.length;
      if (line === '') this.#end();
      else if (!FIELD.test(line) || this.#trailerBytes > MAX_TRAILER_BYTES)
        throw new MalformedReplyError('its trailers are wrong');
    } else {
      const [, size] = CHUNK_LINE.exec(line) ?? [];
      if (size === undefined) throw new MalformedReplyError('the size of a chunk is wrong');
      this.#left = Number.parseInt(size, 16);
      this.#expecting = this.#left === 0 ? 'trailer' : 'chunk';
    }
  }
}

interface WireHead {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** The connection ends with the reply. */
  readonly ends: boolean;
  readonly chunked: boolean;
  readonly length: number | undefined;
}

interface KnownHead {
  readonly head: WireHead;
  /** What stands before and after the digits of its Content-Length, with the empty line. */
  readonly before: Buffer;
  readonly after: Buffer;
}

const NOTHING = Buffer.alloc(0);
const LENGTH_LINE = /\r\ncontent-length: ?([0-9]+)(?=\r\n|$)/i;

function knownHead(text: string, head: WireHead): KnownHead | undefined {
  if (head.length === undefined) return { head, before: Buffer.from(`${text}\r\n\r\n`, 'latin1'), after: NOTHING };
  const line = LENGTH_LINE.exec(text);
  if (line?.[1] === undefined) return undefined;
  const end = line.index + line[0].length;
  const before = Buffer.from(text.slice(0, end - line[1].length), 'latin1');
  return { head, before, after: Buffer.from(`${text.slice(end)}\r\n\r\n`, 'latin1') };
}

/** The value of a hexadecimal digit; negative for any other byte. */
function hexDigit(byte = 0): number {
  if (byte >= ZERO && byte <= 0x39) return byte - ZERO;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Byte by byte: for as few as a head has, that is less than a call out of JavaScript. */
function startsWith(chunk: Buffer, at: number, expected: Buffer): boolean {
  const { length } = expected;
  if (chunk.length < at + length) return false;
  for (let index = 0; index < length; index++) if (chunk[at + index] !== expected[index]) return false;
  return true;
}

function readFields(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (let index = 1; index < lines.length; index++) {
    const [, name, value] = FIELD.exec(lines[index] ?? '') ?? [];
    if (name === undefined || value === undefined) throw new MalformedReplyError('one of its header lines is wrong');
    const lower = name.toLowerCase();
    const known = headers.get(lower);
    if (known === undefined) headers.set(lower, trimmed(value));
    else if (lower === 'content-length' || lower === 'transfer-encoding')
      throw new MalformedReplyError(`it has two ${lower} headers`);
    else if (lower === 'connection') headers.set(lower, `${known},${value}`);
  }
  return headers;
}

/** Without the white space of HTTP at both ends; JavaScript knows more of it. */
function trimmed(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isSpace(value.charCodeAt(start))) start++;
  while (end > start && isSpace(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function isChunked(headers: ReadonlyMap<string, string>): boolean {
  const encoding = headers.get('transfer-encoding');
  if (encoding === undefined) return false;
  if (encoding.toLowerCase() !== 'chunked') throw new MalformedReplyError('its Transfer-Encoding is not "chunked"');
  return true;
}
