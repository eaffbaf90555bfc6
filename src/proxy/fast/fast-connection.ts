/** One client connection on the fast path: strict requests are answered here, and with the first byte of anything else it becomes Node's. */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { DirectReader } from '../../shared/direct-reader.ts';
import { giveBack } from '../../shared/give-back.ts';
import type { WholeRequest } from '../post-request.ts';
import { isEmptyLines, mayBeginRequest } from './begins-request.ts';
import { FastResponse, type ResponseOwner } from './fast-response.ts';
import { StrictHeads, type StrictHead } from './strict-head.ts';

export interface FastPathEvents {
  /** A whole request. Never throws. */
  onRequest(request: WholeRequest, response: FastResponse): void;
  /** The connection is Node's from here on, beginning with the bytes that it finds in the socket. */
  onHandOver(socket: Socket): void;
  /** A request did not come in time. */
  onLate(socket: Socket): void;
}

export interface FastPathLimits {
  /** For a connection on which nothing has come yet, in ms. */
  readonly headersTimeoutMs: number;
  /** Between two requests, in ms. */
  readonly keepAliveTimeoutMs: number;
  /** What is answered here. */
  readonly methods: readonly StrictHead['method'][];
}

/** A client that sends on while it is being answered is made to wait beyond this. */
const MAX_PENDING_BYTES = 64 * 1024;
/** A body that is longer in coming, or in more pieces, gains nothing here: Node answers before its end where it can, and has the deadlines. */
const MAX_READING_MS = 1_000;
const MAX_PIECES = 256;
/** What is answered for longer may be a stream that nothing follows: the head of it is not kept. */
const LONG_ANSWER_MS = 1_000;
/** So much of what comes behind a request is looked at while that is being answered. */
const LOOKED_AT_BYTES = 64;
const EMPTY = Buffer.alloc(0);

export class FastConnection implements ResponseOwner {
  readonly socket: Socket;
  readonly encrypted: boolean;
  readonly keepAliveSeconds: number;
  readonly #events: FastPathEvents;
  readonly #limits: FastPathLimits;
  readonly #onGone: () => void;
  readonly #heads: StrictHeads;
  readonly #reader: DirectReader;
  /** What has come and is not answered yet. */
  #pieces: Buffer[] = [];
  #pendingBytes = 0;
  /** The head of a request whose body is still coming. */
  #head: StrictHead | undefined;
  #response: FastResponse | undefined;
  #state: 'new' | 'idle' | 'reading' | 'answering' | 'left' = 'new';
  #since = performance.now();
  #paused = false;
  #ending = false;
  /** The client wants no further request on the connection to be answered. */
  #isLast = false;
  #scheduled = false;
  readonly #onEnd = (): void => void this.socket.end();
  readonly #onError = (): void => void this.socket.destroy();
  readonly #onClose = (): void => this.#closed();

  constructor(socket: Socket, events: FastPathEvents, limits: FastPathLimits, onGone: () => void) {
    this.socket = socket;
    this.encrypted = socket instanceof TLSSocket;
    this.keepAliveSeconds = Math.floor(limits.keepAliveTimeoutMs / 1_000);
    this.#events = events;
    this.#limits = limits;
    this.#heads = new StrictHeads(limits.methods);
    this.#onGone = onGone;
    socket.setNoDelay(true);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
    this.#reader = new DirectReader(socket, (chunk) => this.#receive(chunk));
  }

  get ending(): boolean {
    return this.#ending || this.#isLast;
  }

  /** Takes no further request; ends now unless one is being answered. One that is still coming is Node's to finish or cut. */
  finish(): void {
    this.#ending = true;
    if (this.#state === 'reading') this.#handOver();
    else if (this.#state !== 'answering') this.socket.destroy();
  }

  /** Looks whether the client has had long enough. `now` by the clock of `performance.now()`. */
  check(now: number): void {
    const waited = now - this.#since;
    const { headersTimeoutMs, keepAliveTimeoutMs } = this.#limits;
    if (this.#state === 'idle' && waited > keepAliveTimeoutMs) this.socket.destroy();
    else if (this.#state === 'new' && waited > headersTimeoutMs) this.#events.onLate(this.socket);
    else if (this.#state === 'reading' && waited > MAX_READING_MS) this.#handOver();
    else if (this.#state === 'answering' && waited > LONG_ANSWER_MS) this.#heads.forget();
  }

  onFinish(close: boolean): void {
    this.#response = undefined;
    if (this.#state === 'left') return;
    if (close || this.ending) {
      // Also for a client that does not end its side.
      this.socket.destroySoon();
      return;
    }
    this.#to('idle');
    // After the present work: answering one request must not nest inside answering the one before.
    if (this.#pendingBytes > 0) this.#schedule();
    else this.#flow();
  }

  #receive(chunk: Buffer): void {
    const before = this.#pendingBytes;
    this.#pieces.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#state !== 'answering' && !this.#scheduled) this.#proceed();
    else if (this.#isLast ? !isEmptyLines(chunk) : before < LOOKED_AT_BYTES && !mayBeginRequest(this.#joined()))
      this.socket.destroy();
    else if (!this.#paused && (this.#pendingBytes > MAX_PENDING_BYTES || this.#pieces.length > MAX_PIECES)) {
      this.#paused = true;
      this.#reader.pause();
    }
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#state !== 'idle') return;
      this.#flow();
      if (this.#pendingBytes > 0) this.#proceed();
    });
  }

  #flow(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#reader.resume();
  }

  /** Makes a request of what has come, or waits for the rest of a body, or hands everything over. */
  #proceed(): void {
    if (this.#state === 'left') return;
    if (this.#head === undefined) {
      const head = this.#heads.read(this.#joined());
      if (head === undefined) return this.#handOver();
      this.#head = head;
    }
    const { method, length, bodyLength, url, headers, rawHeaders, close } = this.#head;
    const whole = length + bodyLength;
    if (this.#pendingBytes < whole) {
      if (this.#pieces.length > MAX_PIECES) this.#handOver();
      else if (this.#state !== 'reading') this.#to('reading');
      return;
    }
    // What stands behind a request decides in Node whether that is answered at all.
    if (this.#pendingBytes > whole) return this.#handOver();
    const bytes = this.#joined();
    this.#head = undefined;
    this.#pieces = [];
    this.#pendingBytes = 0;
    this.#isLast = close;
    this.#to('answering');
    const response = new FastResponse(this);
    this.#response = response;
    const body = bytes.subarray(length);
    // A head that differs in anything but its length has headers of its own.
    const request = { url, method, headers, rawHeaders, again: headers, socket: this.socket, body };
    this.#events.onRequest(request, response);
  }

  #joined(): Buffer {
    if (this.#pieces.length < 2) return this.#pieces[0] ?? EMPTY;
    const bytes = Buffer.concat(this.#pieces, this.#pendingBytes);
    this.#pieces.forEach(giveBack);
    this.#pieces = [bytes];
    return bytes;
  }

  /** Every byte that was not answered goes back into the socket, in order, before anybody else listens. */
  #handOver(): void {
    const { socket } = this;
    // After the end of what comes nothing can be put back, and nothing be answered.
    if (socket.readableEnded || !socket.writable) {
      socket.destroySoon();
      return;
    }
    const bytes = this.#joined();
    this.#leave();
    this.#pieces = [];
    socket.off('end', this.#onEnd);
    socket.off('error', this.#onError);
    socket.off('close', this.#onClose);
    this.#reader.end();
    socket.pause();
    socket.unshift(bytes);
    this.#events.onHandOver(socket);
    socket.resume();
  }

  #closed(): void {
    this.#leave();
    this.#response?.lost();
    this.#response = undefined;
  }

  #leave(): void {
    if (this.#state === 'left') return;
    this.#state = 'left';
    this.#onGone();
  }

  #to(state: 'idle' | 'reading' | 'answering'): void {
    this.#state = state;
    this.#since = performance.now();
  }
}
