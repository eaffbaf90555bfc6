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
  #onClose: (() => void)[] = [];

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
    this.#close = this.#owner.ending || headers['connection'] === 'close';
    this.#chunked = headers['content-length'] === undefined;
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`;
    for (const name in headers) head += `${name}: ${headers[name] ?? ''}\r\n`;
    head += `Date: ${now()}\r\n`;
    if (headers['connection'] === undefined)
      head += this.#close
        ? 'Connection: close\r\n'
        : `Connection: keep-alive\r\nKeep-Alive: timeout=${this.#owner.keepAliveSeconds}\r\n`;
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
    const last = this.#chunked ? '0\r\n\r\n' : '';
    const piece = text !== '' && this.#chunked ? `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n` : text;
    this.#send(piece + last);
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
    this.#onClose.push(listener);
  }

  prependOnceListener(_event: 'finish', listener: () => void): void {
    const { socket } = this.#owner;
    // What was written last is written when all before it is.
    if (socket.writableLength === 0) listener();
    else socket.once('drain', listener);
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
    this.#owner.onEnd(close);
    this.#tellClosed();
  }

  /** The connection is gone. */
  lost(): void {
    this.#destroyed = true;
    this.#tellClosed();
  }

  #tellClosed(): void {
    const listeners = this.#onClose;
    this.#onClose = [];
    for (const listener of listeners) listener();
  }

  #send(text: string): boolean {
    const head = this.#head ?? '';
    this.#head = undefined;
    const { socket } = this.#owner;
    if (this.#destroyed || !socket.writable) return false;
    const piece = head + text;
    return piece === '' || socket.write(piece, 'utf8');
  }
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
