/** The socket that clients connect to: limits, Host and Origin checks, authentication, and the way to each endpoint. */
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import { createServer as createNetServer, type AddressInfo, type Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Server as TlsServer } from 'node:tls';
import type { Hold } from '../runtime/current.ts';
import { GatewayError } from '../shared/errors.ts';
import { SetupError } from '../shared/setup-error.ts';
import { callerOf, endpointOf, pathOnly, placeOf, refused } from './admission.ts';
import { wantsWebSocket, type WebSocketEndpoint } from './downstream/websocket.ts';
import type { Front } from './front.ts';
import type { HostCheck } from './host-check.ts';
import type { ManagementEndpoint } from './management.ts';
import { handleOperation, handlePublicOperation, isPublic, type OperationsDeps } from './operations.ts';
import type { ClientResponse } from './client-response.ts';
import { FastPath } from './fast/fast-path.ts';
import { handlePost } from './pipeline.ts';
import type { WholeRequest } from './post-request.ts';
import { newRequestId } from './request-id.ts';
import { readBody } from './read-body.ts';
import { describeResource, describesResource } from './resource-metadata.ts';
import { refuseUpgrade, respondError } from './respond.ts';
import { routeOf, type Route } from './route.ts';
import { answerAt, openStream } from './verbs.ts';

const MAX_HEADER_BYTES = 16 * 1024;
const MAX_HEADERS = 100;
/** How long clients may take, in ms. */
export const CONNECTION_TIMEOUTS = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 65_000,
};

/** What Node says of a request that is too late. */
const LATE = Object.assign(new Error('the request is too late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  /** False = every request takes the way through node:http. */
  readonly fastPath: boolean;
  /** Other processes of this gateway will bind the same port. */
  readonly sharesPort: boolean;
}

/** What makes the socket speak TLS. */
export interface ListenerSecurity {
  options(): ServerOptions;
  /** Watches over the connections of the server from now on. */
  attach(server: TlsServer): void;
}

export interface ListenerDeps {
  readonly front: Front;
  readonly operations: OperationsDeps;
  readonly hostCheck: HostCheck;
  readonly webSockets: WebSocketEndpoint;
  readonly management: ManagementEndpoint;
}

export class Listener implements AsyncDisposable {
  readonly #server: Server;
  readonly #options: ListenerOptions;
  /** Connections on which a request is being answered, with the number of such requests. */
  readonly #occupied = new WeakMap<Socket, number>();
  readonly #serving = Promise.withResolvers<ListenerDeps>();
  readonly #fastPath: FastPath | undefined;
  #deps: ListenerDeps | undefined;

  /** Without `tls` it speaks plain HTTP. */
  constructor(options: ListenerOptions, tls?: ListenerSecurity) {
    this.#options = options;
    const limits = {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: CONNECTION_TIMEOUTS.headersTimeoutMs,
      requestTimeout: CONNECTION_TIMEOUTS.requestTimeoutMs,
      keepAliveTimeout: CONNECTION_TIMEOUTS.keepAliveTimeoutMs,
      connectionsCheckingInterval: 1_000,
      requireHostHeader: true,
      // Without this an offer of anything else, such as h2c, could not be ignored any more, as HTTP wants it.
      shouldUpgradeCallback: wantsWebSocket,
    };
    const onRequest = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#accept(request, response);
    if (tls === undefined) {
      this.#server = createHttpServer(limits, onRequest);
    } else {
      const server = createHttpsServer({ ...limits, ...tls.options() }, onRequest);
      tls.attach(server);
      this.#server = server;
    }
    this.#server.maxHeadersCount = MAX_HEADERS;
    if (options.fastPath)
      this.#fastPath = new FastPath(this.#server, {
        event: tls === undefined ? 'connection' : 'secureConnection',
        ...CONNECTION_TIMEOUTS,
        methods: ['POST', 'GET'],
        onRequest: (request, response) => void this.#acceptWhole(request, response),
        onLate: (socket) => this.#refuseUnreadable(LATE, socket),
      });
    this.#server.on('connection', (socket) => void this.#refuseContainers(socket));
    this.#server.on('clientError', (error, socket: Socket) => this.#refuseUnreadable(error, socket));
    this.#server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head));
  }

  /** Binds the socket. Connections are accepted from now on; their requests wait for `serve`. */
  async bind(): Promise<AddressInfo> {
    const { host, port, sharesPort } = this.#options;
    // A port that may be shared could be shared with another gateway by mistake: nobody else may have it yet.
    if (sharesPort && port !== 0) await listen(createNetServer(), { host, port }, 'and close');
    await listen(this.#server, { host, port, reusePort: sharesPort });
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the listener has no address');
    return address;
  }

  /** Takes a connection that another process of this gateway has accepted; with the fast path only. */
  adopt(socket: Socket): void {
    void this.#refuseContainers(socket);
    this.#fastPath?.adopt(socket);
  }

  /** Lets requests in. */
  serve(deps: ListenerDeps): void {
    this.#deps = deps;
    this.#serving.resolve(deps);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    this.#fastPath?.finish();
    // What is still open now belongs to clients that were told to go, or that are in the middle of something that was aborted.
    const last = setTimeout(() => {
      this.#server.closeAllConnections();
      this.#fastPath?.[Symbol.dispose]();
    }, 500);
    await closed;
    clearTimeout(last);
    // Those that were adopted are none of which the server waits for the end.
    this.#server.closeAllConnections();
    this.#fastPath?.[Symbol.dispose]();
  }

  /** A server in a container is asked by the gateway and has no business asking it, not even for its health. */
  async #refuseContainers(socket: Socket): Promise<void> {
    const { front } = await this.#serving.promise;
    const { remoteAddress } = socket;
    if (remoteAddress !== undefined && front.runtime().isAddressOfContainer(remoteAddress)) socket.destroy();
  }

  #occupy(socket: Socket, response: ServerResponse): void {
    this.#occupied.set(socket, (this.#occupied.get(socket) ?? 0) + 1);
    response.once('close', () => this.#occupied.set(socket, (this.#occupied.get(socket) ?? 1) - 1));
  }

  /** Bytes that are not HTTP, headers that are too large or too late: answered in one line, then the connection ends. */
  #refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
    // Behind a request that is still being answered, such a line would be taken for its answer.
    if (!socket.writable || error.code === 'ECONNRESET' || (this.#occupied.get(socket) ?? 0) > 0) {
      socket.destroy();
      return;
    }
    socket.end(`HTTP/1.1 ${refusalOf(error)}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  }

  async #accept(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // At once: what stands behind the request may be found wrong before anything else happens.
    this.#occupy(request.socket, response);
    const deps = await this.#serving.promise;
    const requestId = newRequestId();
    const route = routeOf(request.url ?? '');
    const managed = route === undefined && deps.management.owns(pathOnly(request));
    try {
      if (route?.kind === 'operation' && isPublic(route.name)) {
        return await handlePublicOperation(deps.operations, route.name, request, response);
      }
      const origin = deps.hostCheck.check(request);
      if (origin !== undefined) allowPage(response, origin);
      if (origin !== undefined && request.method === 'OPTIONS') return answerPreflight(response);
      if (describesResource(request)) return describeResource(request, response, deps.front.runtime());
      if (managed) return await manage(deps, requestId, request, response);
      await this.#authenticated(deps, requestId, route, request, response);
    } catch (error) {
      const failure = await refused(deps.front, error, requestId, request);
      if (managed) deps.management.refuse(response, failure, requestId);
      else respondError(response, failure, requestId);
    }
  }

  /** The same for what the fast path has read: no page of a browser, and none of our other endpoints. */
  async #acceptWhole(request: WholeRequest, response: ClientResponse): Promise<void> {
    const { front, hostCheck } = this.#deps ?? (await this.#serving.promise);
    const requestId = newRequestId();
    let held: Hold | undefined;
    try {
      hostCheck.check(request);
      held = front.hold();
      const entering = callerOf(held.runtime, requestId, request);
      const { principal, runtime, address } = entering instanceof Promise ? await entering : entering;
      const finding = placeOf(front, request, { requestId, principal, runtime, address });
      const { route, view } = finding instanceof Promise ? await finding : finding;
      const { headers } = request;
      const admitted = { requestId, principal, runtime, address, headers, route, view };
      if (request.method === 'GET') return await openStream(front, request, response, admitted);
      // Awaited, so that the Runtime is held for as long.
      await handlePost(front, request, response, admitted);
    } catch (error) {
      respondError(response, await refused(front, error, requestId, request), requestId);
    } finally {
      held?.[Symbol.dispose]();
    }
  }

  /** A request that wants to become a WebSocket: the same checks, and the answer on the bare socket when it is refused. */
  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    const { front, hostCheck, webSockets } = await this.#serving.promise;
    const requestId = newRequestId();
    try {
      hostCheck.check(request);
      const asked = routeOf(request.url ?? '');
      if (asked === undefined || asked.kind === 'operation') {
        throw new GatewayError('not_found', 'There is no WebSocket endpoint at this path.');
      }
      using held = front.hold();
      const { runtime } = held;
      runtime.signatures?.check(request, '');
      const caller = await callerOf(runtime, requestId, request);
      const endpoint = await endpointOf(front, asked, caller);
      webSockets.accept(front, request, socket, head, { ...caller, headers: request.headers, ...endpoint });
    } catch (error) {
      refuseUpgrade(socket, await refused(front, error, requestId, request), requestId);
    }
  }

  async #authenticated(
    { front, operations }: ListenerDeps,
    requestId: string,
    asked: Route | undefined,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    if (asked === undefined) throw new GatewayError('not_found', 'There is no endpoint at this path.');
    if (asked.kind === 'operation' && asked.name === 'close' && request.method !== 'POST') {
      throw new GatewayError('method_not_allowed', 'method not allowed');
    }
    using held = front.hold();
    const { runtime } = held;
    const caller = await callerOf(runtime, requestId, request);
    if (asked.kind === 'operation') return await handleOperation(operations, asked.name, request, response, caller);
    const admitted = { ...caller, headers: request.headers, ...(await endpointOf(front, asked, caller)) };
    // Awaited, so that the Runtime is held for as long.
    await answerAt(front, request, response, admitted);
  }
}

async function manage(
  { front, management }: ListenerDeps,
  requestId: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // Not held: what the API changes may well be the Runtime.
  const principal = await front.runtime().authenticator.authenticate(request);
  await management.handle({
    request,
    response,
    requestId,
    principal,
    readBody: async (maxBytes) => readBody(request, maxBytes),
  });
}

async function listen(
  server: NetServer,
  where: { readonly host: string; readonly port: number; readonly reusePort?: boolean },
  andThen?: 'and close',
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explained(error, where.host, where.port)));
    server.listen(where, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
  if (andThen !== undefined) await new Promise<void>((resolve) => server.close(() => resolve()));
}

function explained(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const where = `${host}:${port}`;
  const told: Record<string, string> = {
    EADDRINUSE: `${where} is already in use. Stop the program that has it, or choose another with --listen HOST:PORT.`,
    EACCES: `This user may not listen on ${where}. Ports below 1024 need privileges: choose another with --listen HOST:PORT.`,
    EADDRNOTAVAIL: `This machine has no address ${host}. Choose one that it has with --listen HOST:PORT.`,
  };
  const sentence = told[error.code ?? ''];
  return sentence === undefined ? error : new SetupError(sentence, { cause: error });
}

function refusalOf({ code }: NodeJS.ErrnoException): string {
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large';
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request';
}

/** Lets the page that made the request read the answer. */
function allowPage(response: ServerResponse, origin: string): void {
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader(
    'access-control-expose-headers',
    'mcp-session-id, mcp-protocol-version, x-request-id, etag, location, idempotency-replayed, www-authenticate',
  );
  response.setHeader('vary', 'origin');
}

/** A browser asks before it sends; it carries no credentials yet. */
function answerPreflight(response: ServerResponse): void {
  response.writeHead(204, {
    'access-control-allow-methods': 'GET, POST, PUT, DELETE',
    'access-control-allow-headers':
      'authorization, content-type, accept, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name, last-event-id, if-match, if-none-match, idempotency-key, prefer',
    'access-control-max-age': '600',
  });
  response.end();
}
