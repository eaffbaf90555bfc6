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

export interface CallRequest {
  readonly path: string;
  /** By lower-case name. An object that comes again must be the same in all it has: it is read once. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
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
  /** How long a free connection is kept, in ms. */
  readonly idleTimeoutMs: number;
}

/** Names and values were checked when the configuration was read, or are made by the gateway; a line break must never pass. */
const FORBIDDEN = /[^\t\x20-\x7e\x80-\xff]/;

export class CallClient implements ConnectionOwner {
  readonly #options: CallClientOptions;
  readonly #connections = new Set<CallConnection>();
  /** The one that became free last is used first, so that the others can end. */
  readonly #free: CallConnection[] = [];
  readonly #queue: Call[] = [];
  readonly #fields = new WeakMap<CallRequest['headers'], string>();
  #opening = 0;
  #retired = false;
  #sweep: NodeJS.Timeout | undefined;

  constructor(options: CallClientOptions) {
    this.#options = options;
  }

  /** Sends a request, and tells what becomes of it. Throws the reason of `signal` when that was aborted before, and a TypeError for headers that HTTP does not allow. */
  begin(request: CallRequest, handler: ReplyHandler): void {
    const { signal, body, path, headersTimeoutMs, bodyTimeoutMs } = request;
    signal.throwIfAborted();
    const length = Buffer.byteLength(body);
    const head = `POST ${path} HTTP/1.1\r\n${this.#fieldsOf(request)}content-length: ${length}\r\n\r\n`;
    const ascii = length === body.length;
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

  /** Cuts everything. */
  destroy(): void {
    this.retire();
    const reason = new ConnectionEndedError(0);
    for (const call of this.#queue.splice(0)) call.handler.onError(reason);
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
      if (connection === undefined || now - connection.freeSince < this.#lifetime(connection)) return connection;
      connection.cut(new ConnectionEndedError(0));
    }
  }

  #lifetime({ keepForMs }: CallConnection): number {
    return Math.min(this.#options.idleTimeoutMs, keepForMs ?? Number.POSITIVE_INFINITY);
  }

  /** The call that waits longest and that somebody still wants. */
  #next(): Call | undefined {
    for (;;) {
      const call = this.#queue.shift();
      if (call === undefined || !call.signal.aborted) return call;
      call.handler.onError(call.signal.reason);
    }
  }

  #openFor(call: Call | undefined): void {
    if (call === undefined) return;
    if (this.#connections.size + this.#opening >= this.#options.maxConnections) {
      this.#queue.push(call);
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
      if (first !== undefined) connection.send(first);
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

/** What the headers of one server have in common is written once. */
function fieldsOf(headers: CallRequest['headers'], host: string): string {
  let fields = `host: ${headers['host'] ?? host}\r\nconnection: keep-alive\r\n`;
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || name === 'host') continue;
    if (FORBIDDEN.test(value)) throw new TypeError(`the header ${name} has characters that HTTP does not allow`);
    fields += `${name}: ${value}\r\n`;
  }
  return fields;
}
