/** Writes one answer to the wire as Node would write it: the head and a whole body in one piece, or chunks. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ClientResponse } from '../client-response.ts';

/** What the connection is told of its answer. */
export interface ResponseOwner {
  readonly socket: Socket;
  /** Seconds that the connection is kept without a request, for the Keep-Alive header. */
  readonly keepAliveSeconds: number;
  /** True when the connection ends with this answer. */
  readonly ending: boolean;
  /** The answer is written. */
  onEnd(close: boolean): void;
}

export class FastResponse implements ClientResponse {
  readonly #owner: ResponseOwner;
  #head: string | undefined;
  #chunked = false;
  #close = false;
  #headersSent = false;
  #ended = false;
  #destroyed = false;
  #onClose: (() => void)[] | undefined;
  #length: string | number | undefined;

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
    return this.#owner.socket.writableLength;
  }
  get socket(): Socket {
    return this.#owner.socket;
  }

  writeHead(status: number, headers: Readonly<Record<string, string | number>>): void {
    if (this.#headersSent) throw new Error('the head was written before');
    this.#headersSent = true;
    const connection = headers['connection'];
    const length = headers['content-length'];
    this.#close = this.#owner.ending || connection === 'close';
    this.#chunked = length === undefined;
    this.#length = length;
    let head = status === 200 ? OK : `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`;
    for (const name in headers) head += `${name}: ${headers[name] ?? ''}\r\n`;
    if (connection !== undefined) head += dateLine();
    else if (this.#close) head += `${dateLine()}Connection: close\r\n`;
    else head += linesOfKept(this.#owner.keepAliveSeconds);
    this.#head = this.#chunked ? `${head}Transfer-Encoding: chunked\r\n\r\n` : `${head}\r\n`;
  }

  flushHeaders(): void {
    this.#send('');
  }

  write(text: string): boolean {
    if (text === '') return true;
    return this.#send(this.#chunked ? `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n` : text);
  }

  end(text = ''): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#chunked) {
      const piece = text === '' ? '' : `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
      this.#send(`${piece}0\r\n\r\n`);
      // With as many bytes as characters it is ASCII, which is written as it is.
    } else this.#send(text, this.#length === text.length ? 'latin1' : 'utf8');
    this.#owner.onEnd(this.#close);
    this.#tellClosed();
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#owner.socket.destroy();
  }

  setTimeout(ms: number, onTimeout: () => void): void {
    this.#owner.socket.setTimeout(ms, onTimeout);
  }

  once(_event: 'close', listener: () => void): void {
    if (this.#onClose === undefined) this.#onClose = [listener];
    else this.#onClose.push(listener);
  }

  prependOnceListener(_event: 'finish', listener: () => void): void {
    const { socket } = this.#owner;
    // What was written last is written when all before it is.
    if (socket.writableLength === 0) listener();
    else socket.once('drain', listener);
  }

  /** The connection is gone. */
  lost(): void {
    this.#destroyed = true;
    this.#tellClosed();
  }

  #tellClosed(): void {
    const listeners = this.#onClose;
    if (listeners === undefined) return;
    this.#onClose = undefined;
    for (const listener of listeners) listener();
  }

  #send(text: string, encoding: 'latin1' | 'utf8' = 'utf8'): boolean {
    const head = this.#head;
    this.#head = undefined;
    const { socket } = this.#owner;
    if (this.#destroyed || !socket.writable) return false;
    const piece = head === undefined ? text : head + text;
    return piece === '' || socket.write(piece, encoding);
  }
}

const OK = 'HTTP/1.1 200 OK\r\n';

let date = '';
let dateUntil = 0;
let kept = '';
let keptFor = -1;

/** The time as HTTP writes it, which changes once a second. */
function dateLine(): string {
  const time = Date.now();
  if (time >= dateUntil || time < dateUntil - 1_000) {
    date = `Date: ${new Date(time).toUTCString()}\r\n`;
    dateUntil = time - (time % 1_000) + 1_000;
    keptFor = -1;
  }
  return date;
}

/** How the head of an answer ends after which the connection is kept. */
function linesOfKept(seconds: number): string {
  const line = dateLine();
  if (keptFor !== seconds) {
    keptFor = seconds;
    kept = `${line}Connection: keep-alive\r\nKeep-Alive: timeout=${seconds}\r\n`;
  }
  return kept;
}
