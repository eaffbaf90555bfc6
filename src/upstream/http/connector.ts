/** The one way out to HTTP servers: every connection that the gateway opens to one of them is made here. */
import { isIP, type Socket } from 'node:net';
import { Agent, buildConnector, type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { type AddressGuard, checkLiteral, checkPeer, guardedLookup, guardedTunnels } from './guarded-connect.ts';
import { AddressRefusedError } from '../../shared/address-policy.ts';
import { nativeSignal, type CancelSignal } from '../../shared/cancellation.ts';
import type { UpstreamConnectOptions, UpstreamGeneration, UpstreamIdentity } from '../../tls/upstream-identity.ts';
import { bodyOfStream, type AnswerBody } from './answer-body.ts';
import { Attempt } from './attempt.ts';
import { CallClient } from './calls/call-client.ts';

export interface ConnectorOptions {
  /** For name lookup, TCP and TLS together. */
  readonly connectTimeoutMs: number;
  /** What https connections are opened with; undefined for plain HTTP, which then has no TLS context at all. */
  readonly identity: UpstreamIdentity | undefined;
  /** For URLs that come from others than the operator: which addresses they may lead to. undefined = all. */
  readonly guard?: AddressGuard | undefined;
  /** Told of each connection when it stands; not of those through a proxy. */
  readonly onConnect?: ((socket: Socket) => void) | undefined;
}

export interface OutboundRequest {
  /** Not changed any more. */
  readonly url: URL;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Not changed any more; what comes again is written once. */
  readonly headers: Readonly<Record<string, string>>;
  /** As text, or as pieces of bytes. */
  readonly body?: string | readonly Buffer[] | undefined;
  /** Ends the request, and the body of its answer for as long as that is being read. */
  readonly signal: CancelSignal;
  /** Longest wait for the head of the answer in ms; 0 = only `signal` ends it (a tool may take long, a stream waits). */
  readonly headersTimeoutMs: number;
  /** Longest silence inside the body of the answer in ms; 0 = only `signal` ends it. */
  readonly bodyTimeoutMs: number;
  /** `manual` gives the redirect itself as the answer. */
  readonly redirect?: 'manual' | undefined;
}

/** Told one of the two, once. */
export interface ResponseHandler {
  /** The head of the answer. Never throws. */
  onResponse(response: OutboundResponse): void;
  /** Never throws. */
  onError(error: unknown): void;
}

export interface OutboundResponse {
  readonly status: number;
  /** The first value of a header of the answer, by its lower-case name. */
  header(name: string): string | undefined;
  /** Must be read to its end or destroyed, else its connection is never free again. */
  readonly body: AnswerBody;
}

/** More would only queue up in the server; requests beyond wait for a free connection. */
const MAX_CONNECTIONS = 1024;
const MAX_WAITING_CALLS = 4096;
/** Shorter than the 5 s after which common servers close an idle connection, so that no request meets a closing one. */
const IDLE_TIMEOUT_MS = 4_000;

/**
 * The connections of one server, or of one purpose. They are never shared with another Connector, so nothing that was
 * opened with one client certificate can be used for another.
 */
export class Connector implements AsyncDisposable {
  readonly #options: ConnectorOptions;
  readonly #unsubscribe: (() => void) | undefined;
  #present: Present | undefined;
  /** Dispatchers of earlier certificates, while something is still under way on them. */
  readonly #draining = new Set<Dispatcher>();
  #retired: readonly CallClient[] = [];
  readonly #isProxied = configuredProxies(process.env).length > 0;

  constructor(options: ConnectorOptions) {
    this.#options = options;
    this.#unsubscribe = options.identity?.onReplace(() => this.#retire());
  }

  /** Those for the identity's present generation. Throws a MaterialError while there is no usable material. */
  #dispatchers(): Present {
    const generation = this.#options.identity?.current();
    if (this.#present === undefined || this.#present.generation !== generation) {
      this.#retire();
      const { connectTimeoutMs: timeoutMs, guard, onConnect } = this.#options;
      const way = { timeoutMs, tls: generation?.connect, guard, onConnect };
      this.#present = {
        generation,
        calls: createDispatcher(way, MAX_CONNECTIONS),
        streams: createDispatcher(way, null),
        own: new Map(),
        places: new WeakMap(),
      };
    }
    return this.#present;
  }

  /** What is under way lives on; the next request opens connections anew. TLS sessions of the old certificate end with its dispatcher. */
  #retire(): void {
    const { calls, streams, own } = this.#present ?? {};
    this.#present = undefined;
    const replaced = [...(own?.values() ?? [])];
    for (const client of replaced) client.retire();
    this.#retired = [...this.#retired, ...replaced].filter(({ inUse }) => inUse);
    for (const retired of [calls, streams]) {
      if (retired === undefined) continue;
      this.#draining.add(retired);
      retired.close().then(
        () => this.#draining.delete(retired),
        () => this.#draining.delete(retired),
      );
    }
  }

  /** As `begin`. Resolves with the head of the answer, or rejects. */
  request(request: OutboundRequest): Promise<OutboundResponse> {
    const { promise, resolve, reject } = Promise.withResolvers<OutboundResponse>();
    this.begin(request, { onResponse: resolve, onError: reject });
    return promise;
  }

  /**
   * Sends a request and tells of the head of the answer: without a promise, because each call passes here. Redirects
   * are followed only for 307 and 308, which keep method and body, and only within the origin: credentials never leave
   * for another one (RedirectRefusedError). Other errors are those of undici and Node, or the reason of `signal`.
   * Nothing is ever sent a second time. Never throws.
   */
  begin(request: OutboundRequest, handler: ResponseHandler): void {
    new Attempt(this, request.url, request, handler, 0).begin();
  }

  /** One attempt of it. Throws what stands against sending it at all. */
  attempt(url: URL, request: OutboundRequest, attempt: Attempt): void {
    const { method, body = '', headers, signal, headersTimeoutMs, bodyTimeoutMs } = request;
    if (method === 'POST' && !this.#isProxied) {
      // Calls are what speed is about; everything else may take the general way.
      const { client, path } = this.#placeOf(url);
      client.begin({ path, headers, body, signal, headersTimeoutMs, bodyTimeoutMs }, attempt);
      return;
    }
    this.#dispatch(url, request).then(
      (answer) => attempt.onResponse(answer),
      (error: unknown) => attempt.onError(error),
    );
  }

  /** Who calls there, and what the request line says; taken apart once for each URL. */
  #placeOf(url: URL): Place {
    const { own, places, generation } = this.#dispatchers();
    let place = places.get(url);
    if (place === undefined) {
      let client = own.get(url.origin);
      if (client === undefined) own.set(url.origin, (client = this.#clientFor(url, generation)));
      place = { client, path: url.search === '' ? url.pathname : `${url.pathname}${url.search}` };
      places.set(url, place);
    }
    return place;
  }

  #clientFor({ hostname, host, protocol, port }: URL, generation: UpstreamGeneration | undefined): CallClient {
    const { connectTimeoutMs: timeoutMs, guard, onConnect } = this.#options;
    const connect = connectWith({ timeoutMs, tls: generation?.connect, guard, onConnect });
    const defaultPort = protocol === 'https:' ? '443' : '80';
    return new CallClient({
      host,
      connect: (done) =>
        connect(
          { hostname: unbracketed(hostname), host, protocol, port: port === '' ? defaultPort : port },
          (...result) => {
            const [error, socket] = result;
            done(error, socket);
          },
        ),
      maxConnections: MAX_CONNECTIONS,
      maxWaiting: MAX_WAITING_CALLS,
      idleTimeoutMs: IDLE_TIMEOUT_MS,
    });
  }

  async #dispatch(url: URL, request: OutboundRequest): Promise<OutboundResponse> {
    const { calls, streams } = this.#dispatchers();
    const answer = await (request.method === 'GET' ? streams : calls).request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: request.method,
      headers: request.headers,
      body: typeof request.body === 'object' ? Buffer.concat(request.body) : (request.body ?? null),
      signal: nativeSignal(request.signal),
      headersTimeout: request.headersTimeoutMs,
      bodyTimeout: request.bodyTimeoutMs,
    });
    return toResponse(answer);
  }

  /** Cuts every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe?.();
    for (const client of [...this.#retired, ...(this.#present?.own.values() ?? [])]) client.destroy();
    const dispatchers = [
      ...this.#draining,
      ...(this.#present === undefined ? [] : [this.#present.calls, this.#present.streams]),
    ];
    this.#present = undefined;
    await Promise.all(dispatchers.map((each) => each.destroy()));
  }
}

interface Present {
  readonly generation: UpstreamGeneration | undefined;
  readonly calls: Dispatcher;
  /** Streams stand for as long as their session: if they shared the connections of the calls, many would leave none. */
  readonly streams: Dispatcher;
  /** Our own client for calls, by origin. */
  readonly own: Map<string, CallClient>;
  readonly places: WeakMap<URL, Place>;
}

interface Place {
  readonly client: CallClient;
  /** Path and query. */
  readonly path: string;
}

/** Goes through the proxies that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name; TLS with the server is then inside the tunnel, with the same identity. */
function createDispatcher(way: Way, connections: number | null): Dispatcher {
  const { timeoutMs, tls, guard } = way;
  const options = {
    connect: connectWith(way),
    connections,
    // One request in flight on a connection: an answer that streams for minutes must not hold up the next.
    pipelining: 1,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    // HTTP/1.1 only: with one connection per stream, a fault in one stream cannot touch another.
    allowH2: false,
  };
  const proxies = configuredProxies(process.env);
  if (proxies.length === 0) return new Agent(options);
  if (guard !== undefined && proxies.some((proxy) => proxy.startsWith('socks'))) {
    throw new AddressRefusedError('a SOCKS proxy looks names up by itself, so where a URL leads cannot be checked');
  }
  return new EnvHttpProxyAgent({
    ...options,
    // Without a tunnel the proxy would look the name up once more, and may find another address.
    ...(guard === undefined ? {} : { proxyTunnel: true, clientFactory: guardedTunnels(guard) }),
    connectTimeout: timeoutMs,
    requestTls: { ...tls, timeout: timeoutMs, allowH2: false },
    proxyTls: { timeout: timeoutMs, allowH2: false },
  });
}

interface Way {
  readonly timeoutMs: number;
  readonly tls: UpstreamConnectOptions | undefined;
  readonly guard: AddressGuard | undefined;
  readonly onConnect: ConnectorOptions['onConnect'];
}

function configuredProxies(env: NodeJS.ProcessEnv): readonly string[] {
  return ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy'].flatMap((name) => env[name]?.toLowerCase() || []);
}

function connectWith({ timeoutMs, tls, guard, onConnect }: Way): buildConnector.connector {
  const settings = { ...tls, timeout: timeoutMs, allowH2: false };
  const connect = buildConnector(settings);
  /** By port: an allowed place may be one port of a host. */
  const guarded = new Map<number, buildConnector.connector>();
  const connectorFor = (host: string, port: number): buildConnector.connector => {
    if (guard === undefined || checkLiteral(guard, host, port)) return connect;
    const known = guarded.get(port) ?? buildConnector({ ...settings, lookup: guardedLookup(guard, port) });
    guarded.set(port, known);
    return known;
  };
  return (options, callback) => {
    const host = unbracketed(options.hostname);
    const port = Number(options.port) || (options.protocol === 'https:' ? 443 : 80);
    // The certificate must name the host of the URL, whatever a configured Host header says.
    const servername = tls?.servername ?? (isIP(host) === 0 ? options.hostname : '');
    let open: buildConnector.connector;
    try {
      open = connectorFor(host, port);
    } catch (error) {
      return callback(error instanceof Error ? error : new Error(String(error)), null);
    }
    open({ ...options, servername }, (...result) => {
      const [error, socket] = result;
      if (error !== null) return callback(error, null);
      try {
        if (guard !== undefined) checkPeer(guard, host, port, socket.remoteAddress);
      } catch (refusal) {
        socket.destroy();
        return callback(refusal instanceof Error ? refusal : new Error(String(refusal)), null);
      }
      // With TLS 1.3 a server refuses the client's certificate only after the handshake. Without this, undici
      // reports the end of the stream that follows the alert and not the alert itself.
      socket.prependListener('error', (fault: NodeJS.ErrnoException) => {
        if (fault.code?.startsWith('ERR_SSL_') === true) socket.destroy();
      });
      onConnect?.(socket);
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
    body: bodyOfStream(body),
  };
}
