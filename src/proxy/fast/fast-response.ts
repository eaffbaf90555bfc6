/** Writes one answer to the wire as Node would write it: the head and a whole body in one piece, or chunks. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ClientResponse } from '../client-response.ts';

/** What the connection is told of its answer. */
export interface ResponseOwner {
  readonly socket: Socket;
  /** True with TLS. */
  readonly encrypted: boolean;
  /** Seconds that the connection is kept without a request, for the Keep-Alive header. */
  readonly keepAliveSeconds: number;
  /** True when the connection ends with this answer. */
  readonly ending: boolean;
  /** The answer is in the hands of the operating system. */
  onFinish(close: boolean): void;
}

/** Pieces of a stream wait for each other up to here, in characters. */
const MAX_HELD = 16 * 1024;
/** As in Node: a line break in a value would begin another header. */
const FORBIDDEN = /[^\t\x20-\x7e]/;

export class FastResponse implements ClientResponse {
  readonly #owner: ResponseOwner;
  #head: string | undefined;
  #chunked = false;
  #close = false;
  #headersSent = false;
  #ended = false;
  #finished = false;
  #destroyed = false;
  #onClose: (() => void)[] = [];
  #onFinish: (() => void)[] = [];
  #onTimeout: (() => void) | undefined;
  #length: string | number | undefined;
  /** Pieces of a stream that were written in this turn of the event loop: they leave together as one chunk, since each write costs a system call. */
  #held = '';
  #isWaiting = false;
  #whenSent: (() => void) | undefined;

  constructor(owner: ResponseOwner) {
    this.#owner = owner;
  }

  get headersSent(): boolean {
    return this.#headersSent;
  }
  get destroyed(): boolean {
    return this.#destroyed;
  }
  get writableEnded(): boolean {
    return this.#ended;
  }
  get writableLength(): number {
    return this.#finished ? 0 : this.#owner.socket.writableLength + this.#held.length;
  }
  /** As in Node, null once the answer is out: the connection belongs to the next one then. */
  get socket(): Socket | null {
    return this.#finished ? null : this.#owner.socket;
  }

  writeHead(status: number, headers: Readonly<Record<string, string | number>>): void {
    if (this.#headersSent) throw new Error('the head was written before');
    this.#close = this.#owner.ending || headers['connection'] === 'close';
    this.#length = headers['content-length'];
    this.#chunked = this.#length === undefined;
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`;
    for (const name in headers) {
      const value = headers[name] ?? '';
      if (typeof value === 'string' && FORBIDDEN.test(value))
        throw new TypeError(`the header ${name} has characters that HTTP does not allow`);
      head += `${name}: ${value}\r\n`;
    }
    head += `Date: ${now()}\r\n`;
    if (headers['connection'] === undefined)
      head += this.#close
        ? 'Connection: close\r\n'
        : `Connection: keep-alive\r\nKeep-Alive: timeout=${this.#owner.keepAliveSeconds}\r\n`;
    this.#headersSent = true;
    this.#head = this.#chunked ? `${head}Transfer-Encoding: chunked\r\n\r\n` : `${head}\r\n`;
  }

  /** As it is with most answers: their head is put together at once, as only length, id and time differ. */
  answerJson(status: number, requestId: string, text: string): void {
    if (this.#headersSent) throw new Error('the head was written before');
    const { ending, keepAliveSeconds } = this.#owner;
    const length = Buffer.byteLength(text);
    this.#close = ending;
    this.#length = length;
    this.#headersSent = true;
    this.#head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\ncontent-length: ${length}\r\ncache-control: no-store\r\ncontent-type: application/json\r\nx-request-id: ${requestId}\r\nDate: ${now()}\r\n${
      ending ? 'Connection: close' : `Connection: keep-alive\r\nKeep-Alive: timeout=${keepAliveSeconds}`
    }\r\n\r\n`;
    this.end(text);
  }

  /** The same for the head of an event stream. */
  openEvents(requestId: string): void {
    if (this.#headersSent) throw new Error('the head was written before');
    const { ending, keepAliveSeconds } = this.#owner;
    this.#close = ending;
    this.#chunked = true;
    this.#headersSent = true;
    this.#head = `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache, no-transform\r\nx-accel-buffering: no\r\nx-request-id: ${requestId}\r\nDate: ${now()}\r\n${
      ending ? 'Connection: close' : `Connection: keep-alive\r\nKeep-Alive: timeout=${keepAliveSeconds}`
    }\r\nTransfer-Encoding: chunked\r\n\r\n`;
    this.#hold('');
  }

  flushHeaders(): void {
    this.#hold('');
  }

  write(text: string | Buffer, onWritten?: () => void): boolean {
    // Behind the end stands the answer to another request.
    if (text.length === 0 || this.#ended) return !this.#ended;
    if (typeof text !== 'string') return this.#sendBytes(text, onWritten);
    if (this.#chunked) return this.#hold(text);
    return this.#send(text, Buffer.byteLength(text) === text.length);
  }

  end(text = ''): void {
    if (this.#ended) return;
    this.#ended = true;
    const { encrypted } = this.#owner;
    // With TLS no write is ever finished at once, without it nearly every one.
    const onWritten = encrypted ? this.#onWritten() : undefined;
    if (this.#chunked) {
      this.#held += text;
      this.#flush('0\r\n\r\n', onWritten);
    } else this.#send(text, this.#length === text.length, onWritten);
    if (!encrypted) this.#finishWhenWritten();
  }

  whenSent(listener: () => void): boolean {
    if (!this.#isWaiting || !this.#isHolding) return false;
    this.#whenSent ??= listener;
    return true;
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    if (!this.#finished) this.#owner.socket.destroy();
  }

  setTimeout(ms: number, onTimeout: () => void): void {
    if (this.#finished) return;
    this.#unwatch();
    this.#onTimeout = onTimeout;
    this.#owner.socket.on('timeout', onTimeout);
    this.#owner.socket.setTimeout(ms);
  }

  once(event: 'close' | 'drain', listener: () => void): void {
    if (event === 'close') this.#onClose.push(listener);
    else this.#owner.socket.once('drain', listener);
  }

  prependOnceListener(_event: 'finish', listener: () => void): void {
    this.#onFinish.unshift(listener);
  }

  /** Passes on a piece of an answer that another process has written, with its head and framing. False when the client is slow. */
  relay(bytes: Buffer): boolean {
    this.#headersSent = true;
    const { socket } = this.#owner;
    return !this.#destroyed && socket.writable && socket.write(bytes);
  }

  /** The last piece was passed on. `close`: the connection ends with it. */
  relayed(close: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#close = close;
    this.#finishWhenWritten();
  }

  /** The connection is gone. */
  lost(): void {
    this.#destroyed = true;
    this.#unwatch();
    this.#tellClosed();
  }

  #finishWhenWritten(): void {
    const { socket } = this.#owner;
    if (socket.writableLength === 0) this.#finish();
    else if (socket.writable) socket.write('', this.#onWritten());
  }

  /** When the write fails, the connection is about to tell that it is gone. */
  #onWritten(): (error?: Error | null) => void {
    return (error) => {
      if (error === undefined || error === null) this.#finish();
    };
  }

  #finish(): void {
    if (this.#finished || this.#destroyed) return;
    for (const listener of this.#onFinish) listener();
    this.#unwatch();
    this.#finished = true;
    this.#owner.onFinish(this.#close);
    this.#tellClosed();
  }

  /** The next request on the connection may take longer. */
  #unwatch(): void {
    if (this.#onTimeout === undefined) return;
    const { socket } = this.#owner;
    socket.off('timeout', this.#onTimeout);
    socket.setTimeout(0);
    this.#onTimeout = undefined;
  }

  #tellClosed(): void {
    const listeners = this.#onClose;
    this.#onClose = [];
    for (const listener of listeners) listener();
  }

  get #isHolding(): boolean {
    return this.#held !== '' || this.#head !== undefined;
  }

  /** Adds a piece to those that leave once the event loop has gone round. False when the client is slow, as `write()` of a socket. */
  #hold(piece: string): boolean {
    const { socket } = this.#owner;
    if (this.#destroyed || !socket.writable) return false;
    if (!this.#isWaiting) {
      this.#isWaiting = true;
      releaseLater(this);
    }
    this.#held += piece;
    if (this.#held.length > MAX_HELD) return this.#flush();
    return !socket.writableNeedDrain;
  }

  /** The event loop has gone round. */
  release(): void {
    this.#isWaiting = false;
    const listener = this.#whenSent;
    this.#whenSent = undefined;
    if (this.#isHolding) this.#flush();
    listener?.();
  }

  /** Sends what is held as one chunk, with what follows it. */
  #flush(following = '', onWritten?: (error?: Error | null) => void): boolean {
    const held = this.#held;
    this.#held = '';
    if (held === '') return this.#send(following, true, onWritten);
    const bytes = Buffer.byteLength(held);
    return this.#send(`${bytes.toString(16)}\r\n${held}\r\n${following}`, bytes === held.length, onWritten);
  }

  /** A piece of a large body, which is not copied. */
  #sendBytes(bytes: Buffer, onWritten: (() => void) | undefined): boolean {
    const { socket } = this.#owner;
    if (this.#destroyed || !socket.writable) return false;
    socket.cork();
    if (this.#isHolding) this.#flush();
    if (this.#chunked) socket.write(`${bytes.length.toString(16)}\r\n`, 'latin1');
    const more = socket.write(bytes, onWritten);
    const all = this.#chunked ? socket.write('\r\n', 'latin1') : more;
    socket.uncork();
    return all;
  }

  /** `isAscii`: it has as many bytes as characters. Such text is written as it is. */
  #send(text: string, isAscii: boolean, onWritten?: (error?: Error | null) => void): boolean {
    const head = this.#head ?? '';
    this.#head = undefined;
    const { socket } = this.#owner;
    if (this.#destroyed || !socket.writable) return false;
    const piece = head + text;
    return (piece === '' && onWritten === undefined) || socket.write(piece, isAscii ? 'latin1' : 'utf8', onWritten);
  }
}

/** Those that hold something until the event loop has gone round: one callback for all of them. */
let waiting: FastResponse[] = [];

function releaseLater(response: FastResponse): void {
  if (waiting.push(response) === 1) setImmediate(releaseAll);
}

function releaseAll(): void {
  const all = waiting;
  waiting = [];
  for (const response of all) response.release();
}

let date = '';
let dateUntil = 0;

/** The time as HTTP writes it, which changes once a second. */
function now(): string {
  const time = Date.now();
  if (time >= dateUntil) {
    date = new Date(time).toUTCString();
    dateUntil = time - (time % 1_000) + 1_000;
  }
  return date;
}
