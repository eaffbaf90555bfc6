/** Recognises the one form of a request head that the fast path answers. Whatever differs from it is Node's business. */
import type { IncomingHttpHeaders } from 'node:http';

/**
 * What is not in this form is not wrong: it is only left to the parser that knows all of HTTP.
 *
 *     POST /mcp[/NAME] HTTP/1.1 CRLF            or /servers/NAME/mcp
 *     *( Name ":" SP value CRLF )      each name once; Host and Content-Length among them
 *     CRLF
 *
 * or the same with GET, which opens an event stream, and without Content-Length.
 */
export interface StrictHead {
  readonly method: 'POST' | 'GET';
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Name, value, name, value, … as they came, without Content-Length. */
  readonly rawHeaders: string[];
  /** Bytes of the head with the empty line. */
  readonly length: number;
  /** Bytes of the body: > 0 with POST, 0 with GET. */
  readonly bodyLength: number;
  /** The client wants the connection to end with the answer. */
  readonly close: boolean;
}

const MAX_HEAD_BYTES = 8 * 1024;
const MAX_HEADERS = 64;
/** What is larger gains nothing from the fast path. */
export const MAX_BODY_BYTES = 256 * 1024;

const REQUEST_LINE = /^(POST|GET) (\/mcp(?:\/[A-Za-z0-9_-]{1,128})?|\/servers\/[A-Za-z0-9_-]{1,128}\/mcp) HTTP\/1\.1$/;
const NAME = /^[A-Za-z][A-Za-z0-9-]{0,63}$/;
/** Visible ASCII with inner spaces: no tab, nothing above, and no space at either end. */
const VALUE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
const LENGTH = /^[1-9][0-9]{0,6}$/;

/** What changes the framing, the connection or the meaning of the request, or comes from a browser. */
const FOREIGN = new Set([
  'content-encoding',
  'expect',
  'http2-settings',
  'keep-alive',
  'origin',
  'proxy-connection',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

interface Remembered {
  readonly bytes: Buffer;
  /** Where the digits of Content-Length stand in them. */
  readonly lengthStart: number;
  readonly lengthEnd: number;
  readonly head: StrictHead;
}

/** One for each connection: clients send the same head again and again, and only its length differs. */
export class StrictHeads {
  readonly #methods: readonly string[];
  #last: Remembered | undefined;

  /** `methods`: those that may be in the strict form. */
  constructor(methods: readonly StrictHead['method'][] = ['POST', 'GET']) {
    this.#methods = methods;
  }

  /** The head at the beginning of the bytes; undefined when it is not complete or has another form. */
  read(bytes: Buffer): StrictHead | undefined {
    return this.#again(bytes) ?? this.#parse(bytes);
  }

  /** Remembers nothing: the next head may be long in coming. */
  forget(): void {
    this.#last = undefined;
  }

  /** The same bytes as before, up to the digits of the length. */
  #again(bytes: Buffer): StrictHead | undefined {
    const last = this.#last;
    if (last === undefined || bytes.length < last.lengthEnd) return undefined;
    const { lengthStart, lengthEnd } = last;
    if (bytes.compare(last.bytes, 0, lengthStart, 0, lengthStart) !== 0) return undefined;
    let at = lengthStart;
    let bodyLength = 0;
    for (let digit = digitAt(bytes, at); digit !== undefined; digit = digitAt(bytes, ++at))
      bodyLength = bodyLength * 10 + digit;
    const digits = at - lengthStart;
    if (digits === 0 || digits > MAX_DIGITS || bytes[lengthStart] === ZERO || bodyLength > MAX_BODY_BYTES)
      return undefined;
    const rest = last.bytes.length - lengthEnd;
    if (bytes.length < at + rest || bytes.compare(last.bytes, lengthEnd, lengthEnd + rest, at, at + rest) !== 0)
      return undefined;
    const { method, url, headers, rawHeaders, close } = last.head;
    return { method, url, headers, rawHeaders, length: at + rest, bodyLength, close };
  }

  #parse(bytes: Buffer): StrictHead | undefined {
    const end = bytes.indexOf('\r\n\r\n', 0, 'latin1');
    if (end === -1 || end > MAX_HEAD_BYTES) return undefined;
    const lines = bytes.toString('latin1', 0, end).split('\r\n');
    const [, method, url] = REQUEST_LINE.exec(lines[0] ?? '') ?? [];
    if (method === undefined || url === undefined || lines.length > MAX_HEADERS) return undefined;
    if (!this.#methods.includes(method)) return undefined;
    const headers: Record<string, string> = {};
    const rawHeaders: string[] = [];
    const seen = new Set<string>();
    let at = (lines[0] ?? '').length + 2;
    let lengthStart = 0;
    let digits = '';
    let close = false;
    for (let index = 1; index < lines.length; index++) {
      const line = lines[index] ?? '';
      const colon = line.indexOf(': ');
      const name = line.slice(0, Math.max(0, colon));
      const value = line.slice(colon + 2);
      const lower = name.toLowerCase();
      if (!NAME.test(name) || !VALUE.test(value) || seen.has(lower) || FOREIGN.has(lower)) return undefined;
      seen.add(lower);
      if (lower === 'connection') {
        close = value.toLowerCase() === 'close';
        if (!close && value.toLowerCase() !== 'keep-alive') return undefined;
      }
      if (lower === 'content-length') {
        digits = value;
        lengthStart = at + colon + 2;
      } else {
        headers[lower] = value;
        rawHeaders.push(name, value);
      }
      at += line.length + 2;
    }
    if (headers['host'] === undefined) return undefined;
    const length = end + 4;
    // What opens a stream is not sent again soon.
    if (method === 'GET')
      return digits === '' ? { method, url, headers, rawHeaders, length, bodyLength: 0, close } : undefined;
    if (!LENGTH.test(digits) || Number(digits) > MAX_BODY_BYTES) return undefined;
    const head = { method: 'POST', url, headers, rawHeaders, length, bodyLength: Number(digits), close } as const;
    // A copy: the piece of memory that a socket reads into is far larger than a head.
    const copy = Buffer.from(bytes.subarray(0, end + 4));
    this.#last = { bytes: copy, lengthStart, lengthEnd: lengthStart + digits.length, head };
    return head;
  }
}

const MAX_DIGITS = 7;
const ZERO = 0x30;

function digitAt(bytes: Buffer, at: number): number | undefined {
  const digit = (bytes[at] ?? 0) - ZERO;
  return digit >= 0 && digit <= 9 ? digit : undefined;
}
