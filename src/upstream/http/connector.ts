/** The one way out to HTTP servers: every connection that the gateway opens to one of them is made here. */
import { isIP } from 'node:net';
import type { Readable } from 'node:stream';
import { Agent, buildConnector, type Dispatcher } from 'undici';

export interface ConnectorOptions {
  /** For name lookup, TCP and TLS together. */
  readonly connectTimeoutMs: number;
}

export interface OutboundRequest {
  readonly url: URL;
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Ends the request, and the body of its answer for as long as that is being read. */
  readonly signal: AbortSignal;
  /** Longest wait for the head of the answer in ms; 0 = only `signal` ends it (a tool may take long, a stream waits). */
  readonly headersTimeoutMs: number;
  /** Longest silence inside the body of the answer in ms; 0 = only `signal` ends it. */
  readonly bodyTimeoutMs: number;
}

export interface OutboundResponse {
  readonly status: number;
  /** The first value of a header of the answer, by its lower-case name. */
  header(name: string): string | undefined;
  /** Must be read to its end or destroyed, else its connection is never free again. */
  readonly body: Readable;
}

/** The server sent the request to another place, and it must not go there. */
export class RedirectRefusedError extends Error {
  override readonly name = 'RedirectRefusedError';
}

/** More would only queue up in the server; requests beyond wait for a free connection. */
const MAX_CONNECTIONS = 1024;
/** Shorter than the 5 s after which common servers close an idle connection, so that no request meets a closing one. */
const IDLE_TIMEOUT_MS = 4_000;
const MAX_REDIRECTS = 5;
const MAX_DISCARDED_BYTES = 64 * 1024;
const DISCARD_TIMEOUT_MS = 5_000;

export class Connector implements AsyncDisposable {
  readonly #calls: Agent;
  /** Streams stand for as long as their session: if they shared the connections of the calls, many would leave none. */
  readonly #streams: Agent;

  constructor({ connectTimeoutMs }: ConnectorOptions) {
    // One request in flight on a connection: an answer that streams for minutes must not hold up the next.
    const options = { connect: connectWith(connectTimeoutMs), pipelining: 1, keepAliveTimeout: IDLE_TIMEOUT_MS };
    this.#calls = new Agent({ ...options, connections: MAX_CONNECTIONS });
    this.#streams = new Agent(options);
  }

  /**
   * Sends a request and resolves with the head of the answer. Redirects are followed only for 307 and 308, which keep
   * method and body, and only within the origin: credentials never leave for another one (RedirectRefusedError).
   * Rejects with the errors of undici and Node, or the reason of `signal`. Nothing is ever sent a second time.
   */
  async request(request: OutboundRequest): Promise<OutboundResponse> {
    let { url } = request;
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#send(url, request);
      if (answer.statusCode < 300 || answer.statusCode >= 400 || answer.statusCode === 304) return toResponse(answer);
      discard(answer.body);
      url = redirectTarget(url, answer, redirects);
    }
  }

  #send(url: URL, request: OutboundRequest): Promise<Dispatcher.ResponseData> {
    const agent = request.method === 'GET' ? this.#streams : this.#calls;
    return agent.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: request.method,
      headers: request.headers,
      body: request.body ?? null,
      signal: request.signal,
      headersTimeout: request.headersTimeoutMs,
      bodyTimeout: request.bodyTimeoutMs,
    });
  }

  /** Cuts every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#calls.destroy(), this.#streams.destroy()]);
  }
}

/** Reads what is left of a small body, so that its connection can be used again; cuts the connection of a large or slow one. */
export function discard(body: Readable): void {
  let bytes = 0;
  const timer = setTimeout(() => body.destroy(), DISCARD_TIMEOUT_MS).unref();
  body.once('close', () => clearTimeout(timer));
  body.on('error', () => undefined);
  body.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_DISCARDED_BYTES) body.destroy();
  });
}

function connectWith(timeoutMs: number): buildConnector.connector {
  // HTTP/1.1 only: with one connection per stream, a fault in one stream cannot touch another.
  const connect = buildConnector({ timeout: timeoutMs, allowH2: false });
  return (options, callback) => {
    // The certificate must name the host of the URL, whatever a configured Host header says.
    const servername = isIP(unbracketed(options.hostname)) === 0 ? options.hostname : '';
    connect({ ...options, servername }, (...result) => {
      const [error, socket] = result;
      if (error !== null) return callback(error, null);
      // With TLS 1.3 a server refuses the client's certificate only after the handshake. Without this, undici
      // reports the end of the stream that follows the alert and not the alert itself.
      socket.prependListener('error', (fault: NodeJS.ErrnoException) => {
        if (fault.code?.startsWith('ERR_SSL_') === true) socket.destroy();
      });
      callback(null, socket);
    });
  };
}

function unbracketed(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

function toResponse({ statusCode, headers, body }: Dispatcher.ResponseData): OutboundResponse {
  return {
    status: statusCode,
    header: (name) => {
      const value = headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    body,
  };
}

function redirectTarget(from: URL, { statusCode, headers }: Dispatcher.ResponseData, redirects: number): URL {
  const location = Array.isArray(headers['location']) ? headers['location'][0] : headers['location'];
  if (location === undefined || !URL.canParse(location, from)) {
    throw new RedirectRefusedError(`the server answered HTTP ${statusCode} without a usable Location`);
  }
  const to = new URL(location, from);
  if (to.origin !== from.origin) {
    throw new RedirectRefusedError(
      `the server redirects to another origin, ${to.origin}, which is not followed; put the final URL into the configuration`,
    );
  }
  if (statusCode !== 307 && statusCode !== 308) {
    throw new RedirectRefusedError(
      `the server redirects with HTTP ${statusCode} to ${to.pathname}, which would change the request; put the final URL into the configuration`,
    );
  }
  if (redirects >= MAX_REDIRECTS)
    throw new RedirectRefusedError(`the server redirects more than ${MAX_REDIRECTS} times`);
  return to;
}
