/** One connection to an HTTP server: a request at a time, and the reply to it. */
import type { Socket } from 'node:net';
import type { CancelSignal } from '../../../shared/cancellation.ts';
import type { AnswerBody } from '../answer-body.ts';
import { ReplyBody, type BodySource } from './reply-body.ts';
import { ReplyParser, type ReplyHead } from './reply-parser.ts';

export interface Call {
  /** Request line and headers with the empty line after them, one character for each byte. */
  readonly head: string;
  /** True when `head` and `body` together are ASCII: they are then written as they are. */
  readonly ascii: boolean;
  readonly body: string | readonly Buffer[];
  /** Ends the call, and the body of its reply for as long as that is being read. */
  readonly signal: CancelSignal;
  /** Longest wait for the head, and longest silence in the body, in ms; 0 = only `signal` ends it. */
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly handler: ReplyHandler;
}

/** Told one of the two, once, and never before the call was begun. */
export interface ReplyHandler {
  /** The head is there. Whoever takes it reads or destroys its body. Never throws. */
  onReply(reply: Reply): void;
  /** With the errors of Node and of this folder, or the reason of `signal`. Never throws. */
  onError(error: unknown): void;
}

export interface Reply {
  readonly head: ReplyHead;
  readonly body: AnswerBody;
}

/** The server has ended the connection, or the gateway gave it up. */
export class ConnectionEndedError extends Error {
  override readonly name = 'ConnectionEndedError';
  /** Of what the server sent on it before. */
  readonly bytesRead: number;

  constructor(bytesRead: number, cause?: Error) {
    super('the connection has ended', cause === undefined ? undefined : { cause });
    this.bytesRead = bytesRead;
  }
}

/** A reply, or the next piece of one, did not come in time. */
export class ReplyTimeoutError extends Error {
  override readonly name = 'ReplyTimeoutError';
  readonly code: 'UND_ERR_HEADERS_TIMEOUT' | 'UND_ERR_BODY_TIMEOUT';

  constructor(part: 'head' | 'body') {
    super('the reply did not come in time');
    this.code = part === 'head' ? 'UND_ERR_HEADERS_TIMEOUT' : 'UND_ERR_BODY_TIMEOUT';
  }
}

export interface ConnectionOwner {
  /** The connection can take the next call. */
  onFree(connection: CallConnection): void;
  /** It is gone; called once. */
  onGone(connection: CallConnection): void;
}

export class CallConnection implements BodySource {
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #parser: ReplyParser;
  #call: Call | undefined;
  #body: ReplyBody | undefined;
  #keepAlive = false;
  #stopped = false;
  #gone = false;
  #failure: Error | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Bytes that have come since the call was sent. */
  #bytesRead = 0;
  /** Its reply has come whole; told when nothing is left of what came with it. */
  #isDone = false;
  /** When it became free, by the clock of `performance.now()`. */
  freeSince = 0;
  /** How long it may be kept then, in ms, where the server says so. */
  keepForMs: number | undefined;
  readonly #onAbort = (): void => this.#fail(this.#call?.signal.reason);

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#owner = owner;
    this.#parser = new ReplyParser({
      onHead: (head) => this.#begin(head),
      onBody: (chunk) => this.#body?.push(chunk),
      onEnd: () => this.#complete(),
    });
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (error) => (this.#failure ??= error));
    // The reason of an end may still be on its way when the end itself is told: only `close` knows it.
    socket.once('close', () => this.#closed());
  }

  /** False once either side has begun to end it: what is written then is never worked on. */
  get usable(): boolean {
    return this.#socket.writable && this.#socket.readable;
  }

  /** Sends a call. The connection must be free. */
  send(call: Call): void {
    this.#call = call;
    this.#bytesRead = 0;
    this.#parser.expect();
    call.signal.addEventListener('abort', this.#onAbort, { once: true });
    if (call.headersTimeoutMs > 0) this.#wait(call.headersTimeoutMs, 'head');
    const socket = this.#socket;
    const { head, body } = call;
    if (call.ascii && typeof body === 'string') {
      socket.write(head + body, 'latin1');
    } else {
      socket.cork();
      socket.write(head, 'latin1');
      if (typeof body === 'string') socket.write(body, 'utf8');
      else for (const piece of body) socket.write(piece);
      socket.uncork();
    }
  }

  /** Cuts it, whatever is under way. */
  cut(reason: Error): void {
    this.#fail(reason);
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#socket.pause();
  }

  flow(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#socket.resume();
  }

  abandon(): void {
    this.#fail(new ConnectionEndedError(this.#bytesRead));
  }

  #receive(chunk: Buffer): void {
    this.#bytesRead += chunk.length;
    // A head that comes by and by must be there in time nevertheless.
    if (this.#body !== undefined) this.#timer?.refresh();
    try {
      this.#parser.push(chunk);
    } catch (error) {
      this.#fail(error);
      return;
    }
    // Not before: what stands behind the reply in the same piece would be taken for the reply to the next call.
    if (this.#isDone && !this.#gone) {
      this.#isDone = false;
      this.#owner.onFree(this);
    }
  }

  #begin(head: ReplyHead): void {
    const call = this.#call;
    if (call === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (call.bodyTimeoutMs > 0) this.#wait(call.bodyTimeoutMs, 'body');
    this.#keepAlive = head.keepAlive;
    const hint = head.headers.get('keep-alive');
    if (hint !== undefined) this.keepForMs = keepForOf(hint);
    this.#body = new ReplyBody(this);
    call.handler.onReply({ head, body: this.#body });
  }

  #complete(): void {
    const body = this.#body;
    this.#body = undefined;
    this.#rest();
    this.flow();
    // A server that answers before it has read the call may never read the rest of it.
    if (this.#keepAlive && !this.#socket.writableNeedDrain) this.#isDone = true;
    else {
      this.#leave();
      this.#socket.destroy();
    }
    body?.end();
  }

  /** Nothing is under way any more. */
  #rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#call?.signal.removeEventListener('abort', this.#onAbort);
    this.#call = undefined;
  }

  #fail(error: unknown): void {
    const [call, body] = [this.#call, this.#body];
    this.#body = undefined;
    this.#rest();
    this.#leave();
    this.#socket.destroy();
    if (body !== undefined) body.fail(error);
    else call?.handler.onError(error);
  }

  #closed(): void {
    if (this.#body !== undefined && this.#failure === undefined && this.#parser.finish()) this.#leave();
    else this.#fail(this.#reason());
  }

  #reason(): Error {
    const failure = this.#failure;
    const isReset =
      failure !== undefined && 'code' in failure && (failure.code === 'ECONNRESET' || failure.code === 'EPIPE');
    return failure === undefined || isReset ? new ConnectionEndedError(this.#bytesRead, failure) : failure;
  }

  #leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#owner.onGone(this);
  }

  #wait(ms: number, part: 'head' | 'body'): void {
    this.#timer = setTimeout(() => this.#fail(new ReplyTimeoutError(part)), ms);
  }
}

/** `timeout=5` in a Keep-Alive header, in ms and a little less: a request must not meet the end of the connection. */
function keepForOf(hint: string): number | undefined {
  const [, seconds] = /(?:^|[,\s])timeout=([0-9]{1,6})/.exec(hint) ?? [];
  return seconds === undefined ? undefined : Math.max(0, Number(seconds) * 1_000 - 1_000);
}
