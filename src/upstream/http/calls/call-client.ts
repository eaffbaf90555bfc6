/** Our own HTTP/1.1 client for calls to one server: pooled connections, one request at a time on each, nothing sent twice. */
import type { Socket } from 'node:net';
import type { CancelSignal } from '../../../shared/cancellation.ts';
import {
  CallConnection,
  ConnectionEndedError,
  type Call,
  type ConnectionOwner,
  type ReplyHandler,
} from './call-connection.ts';
import { TurnoverSet } from '../../../shared/turnover.ts';

export interface CallRequest {
  readonly path: string;
  /** By lower-case name. An object that comes again must be the same in all it has: it is read once. */
  readonly headers: Readonly<Record<string, string>>;
  /** As text, or as pieces of bytes. */
  readonly body: string | readonly Buffer[];
  readonly signal: CancelSignal;
  /** As in Call. */
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
}

export interface CallClientOptions {
  /** Of the server, for the Host header. */
  readonly host: string;
  /** Opens a connection; `done` is called once. */
  readonly connect: (done: (error: Error | null, socket: Socket | null) => void) => void;
  readonly maxConnections: number;
  /** Calls beyond are refused at once. */
  readonly maxWaiting: number;
  /** How long a free connection is kept, in ms. */
  readonly idleTimeoutMs: number;
}

/** Every connection is in use, and as many calls as may wait do so. */
export class TooManyCallsError extends Error {
  override readonly name = 'TooManyCallsError';

  constructor() {
    super('too many calls wait for a connection');
  }
}

/** A call that no connection is free for. */
interface WaitingCall {
  readonly call: Call;
  readonly onAbort: () => void;
}

/** Names and values were checked when the configuration was read, or are made by the gateway; a line break must never pass. */
const FORBIDDEN = /[^\t\x20-\x7e\x80-\xff]/;

export class CallClient implements ConnectionOwner {
  readonly #options: CallClientOptions;
  readonly #connections = new TurnoverSet<CallConnection>();
  /** The one that became free last is used first, so that the others can end. */
  readonly #free: CallConnection[] = [];
  /** In the order in which they came. */
  readonly #waiting = new TurnoverSet<WaitingCall>();
  readonly #fields = new WeakMap<CallRequest['headers'], string>();
  #opening = 0;
  #retired = false;
  #destroyed = false;
  #sweep: NodeJS.Timeout | undefined;

  constructor(options: CallClientOptions) {
    this.#options = options;
  }

  /** Sends a request, and tells what becomes of it. Throws the reason of `signal` when that was aborted before, and a TypeError for headers that HTTP does not allow. */
  begin(request: CallRequest, handler: ReplyHandler): void {
    const { signal, body, path, headersTimeoutMs, bodyTimeoutMs } = request;
    signal.throwIfAborted();
    const length = typeof body === 'string' ? Buffer.byteLength(body) : sizeOf(body);
    const head = `POST ${path} HTTP/1.1\r\n${this.#fieldsOf(request)}content-length: ${length}\r\n\r\n`;
    const ascii = typeof body === 'string' && length === body.length;
    const call = { head, body, ascii, signal, headersTimeoutMs, bodyTimeoutMs, handler };
    const connection = this.#usable();
    if (connection !== undefined) connection.send(call);
    else this.#openFor(call);
  }

  #fieldsOf({ headers }: CallRequest): string {
    let fields = this.#fields.get(headers);
    if (fields === undefined) this.#fields.set(headers, (fields = fieldsOf(headers, this.#options.host)));
    return fields;
  }

  /** Takes no new calls; what is under way goes on, and its connections end with it. */
  retire(): void {
    this.#retired = true;
    clearTimeout(this.#sweep);
    for (const connection of [...this.#free]) connection.cut(new ConnectionEndedError(0));
  }

  /** False once it is retired and nothing is under way any more. */
  get inUse(): boolean {
    return !this.#retired || this.#connections.size + this.#opening > 0;
  }

  /** Cuts everything. */
  destroy(): void {
    this.retire();
    this.#destroyed = true;
    const reason = new ConnectionEndedError(0);
    for (let call = this.#next(); call !== undefined; call = this.#next()) call.handler.onError(reason);
    for (const connection of [...this.#connections]) connection.cut(reason);
  }

  onFree(connection: CallConnection): void {
    const next = this.#next();
    if (next !== undefined) connection.send(next);
    else if (this.#retired) connection.cut(new ConnectionEndedError(0));
    else {
      connection.freeSince = performance.now();
      this.#free.push(connection);
      this.#sweep ??= setTimeout(() => this.#endIdle(), this.#options.idleTimeoutMs / 2).unref();
    }
  }

  onGone(connection: CallConnection): void {
    this.#connections.delete(connection);
    const index = this.#free.lastIndexOf(connection);
    if (index !== -1) this.#free.splice(index, 1);
    this.#openFor(this.#next());
  }

  #usable(): CallConnection | undefined {
    const now = performance.now();
    for (;;) {
      const connection = this.#free.pop();
      if (connection === undefined) return undefined;
      if (connection.usable && now - connection.freeSince < this.#lifetime(connection)) return connection;
      connection.cut(new ConnectionEndedError(0));
    }
  }

  #lifetime({ keepForMs }: CallConnection): number {
    return Math.min(this.#options.idleTimeoutMs, keepForMs ?? Number.POSITIVE_INFINITY);
  }

  /** The call that waits longest. */
  #next(): Call | undefined {
    for (const waiting of this.#waiting) {
      this.#waiting.delete(waiting);
      waiting.call.signal.removeEventListener('abort', waiting.onAbort);
      return waiting.call;
    }
    return undefined;
  }

  #await(call: Call): void {
    if (this.#waiting.size >= this.#options.maxWaiting) {
      call.handler.onError(new TooManyCallsError());
      return;
    }
    const waiting: WaitingCall = {
      call,
      onAbort: () => {
        this.#waiting.delete(waiting);
        call.handler.onError(call.signal.reason);
      },
    };
    this.#waiting.add(waiting);
    call.signal.addEventListener('abort', waiting.onAbort, { once: true });
  }

  #openFor(call: Call | undefined): void {
    if (call === undefined) return;
    if (this.#connections.size + this.#opening >= this.#options.maxConnections) {
      this.#await(call);
      return;
    }
    this.#opening++;
    // The connection keeps what is named here for as long as it stands: the call must not be among it.
    let waiting: Call | undefined = call;
    const onAbort = (): void => {
      const taken = waiting;
      waiting = undefined;
      taken?.handler.onError(taken.signal.reason);
    };
    call.signal.addEventListener('abort', onAbort, { once: true });
    this.#options.connect((error, socket) => {
      this.#opening--;
      const first = waiting;
      waiting = undefined;
      first?.signal.removeEventListener('abort', onAbort);
      if (socket === null) {
        first?.handler.onError(error ?? new ConnectionEndedError(0));
        this.#openFor(this.#next());
        return;
      }
      const connection = new CallConnection(socket, this);
      this.#connections.add(connection);
      if (this.#destroyed) {
        const reason = new ConnectionEndedError(0);
        first?.handler.onError(reason);
        connection.cut(reason);
      } else if (first !== undefined) connection.send(first);
      else this.onFree(connection);
    });
  }

  #endIdle(): void {
    this.#sweep = undefined;
    const now = performance.now();
    for (const connection of this.#free.filter((each) => now - each.freeSince >= this.#lifetime(each)))
      connection.cut(new ConnectionEndedError(0));
    if (this.#free.length > 0) this.#sweep = setTimeout(() => this.#endIdle(), this.#options.idleTimeoutMs / 2).unref();
  }
}

function sizeOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((size, piece) => size + piece.length, 0);
}

/** What the headers of one server have in common is written once. */
function fieldsOf(headers: CallRequest['headers'], host: string): string {
  const own = headers['host'] ?? host;
  if (FORBIDDEN.test(own)) throw new TypeError('the Host has characters that HTTP does not allow');
  let fields = `host: ${own}\r\nconnection: keep-alive\r\n`;
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || name === 'host') continue;
    if (FORBIDDEN.test(value)) throw new TypeError(`the header ${name} has characters that HTTP does not allow`);
    fields += `${name}: ${value}\r\n`;
  }
  return fields;
}
