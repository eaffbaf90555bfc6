/** The socket of a worker: calls of modern servers are answered here, and everything else is passed on to the owner as it came. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { MODERN_VERSION } from '../mcp/versions.ts';
import { callerOf, endpointOf, messageRoute } from '../proxy/admission.ts';
import type { Admitted } from '../proxy/exchange.ts';
import { FastPath } from '../proxy/fast/fast-path.ts';
import type { FastResponse } from '../proxy/fast/fast-response.ts';
import type { Front } from '../proxy/front.ts';
import type { HostCheck } from '../proxy/host-check.ts';
import { CONNECTION_TIMEOUTS, type ListenerSecurity } from '../proxy/listener.ts';
import { handlePost } from '../proxy/pipeline.ts';
import type { WholeRequest } from '../proxy/post-request.ts';
import { newRequestId } from '../proxy/request-id.ts';
import { respondError } from '../proxy/respond.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { GatewayError } from '../shared/errors.ts';
import type { Door, Start } from './messages.ts';
import { OwnerLink } from './owner-link.ts';

export interface WorkerListenerDeps {
  readonly front: Front;
  readonly hostCheck: HostCheck;
  readonly door: Door;
  readonly reach: () => Reach;
}

/**
 * Which calls a worker can answer with the present configuration: of `single servers` when there are others that only the
 * owner can reach, so that only the owner can tell whose name it is on an endpoint of several.
 */
export type Reach = 'everything' | 'single servers' | 'nothing';

/** Methods that leave nothing behind in the gateway. */
const CALLS = new Set(['tools/call', 'resources/read', 'prompts/get']);
const BACKLOG = 4_096;
const LOOPBACK = /^(?:127\.|::1$|::ffff:127\.)/;

export class WorkerListener implements AsyncDisposable {
  readonly #deps: WorkerListenerDeps;
  readonly #server: Server;
  readonly #fastPath: FastPath;
  readonly #links = new WeakMap<Socket, OwnerLink>();
  /** Connections of which every byte goes to the owner. */
  readonly #handedOver = new Set<Socket>();
  #draining = false;

  constructor(deps: WorkerListenerDeps, tls?: ListenerSecurity) {
    this.#deps = deps;
    const takeRest = (socket: Socket): void => this.#handOver(socket);
    if (tls === undefined) {
      this.#server = createServer({ allowHalfOpen: true, noDelay: true }, takeRest);
    } else {
      const server = createTlsServer({ allowHalfOpen: true, noDelay: true, ...tls.options() }, takeRest);
      tls.attach(server);
      this.#server = server;
    }
    this.#fastPath = new FastPath(this.#server, {
      event: tls === undefined ? 'connection' : 'secureConnection',
      ...CONNECTION_TIMEOUTS,
      // Streams belong to sessions, and these to the owner.
      methods: ['POST'],
      onRequest: (request, response) => this.#accept(request, response),
      onLate: (socket) =>
        void socket.end('HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'),
    });
  }

  /** Binds the port that the owner has bound. */
  async bind({ address, port }: Start['address']): Promise<AddressInfo> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: address, port, reusePort: true, backlog: BACKLOG }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    return this.#server.address() as AddressInfo;
  }

  /** From now on everything goes to the owner, who says no. */
  drain(): void {
    this.#draining = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#fastPath.finish();
    const last = setTimeout(() => this.#cut(), 500);
    if (this.#server.listening || this.#handedOver.size > 0) await closed;
    clearTimeout(last);
    this.#cut();
  }

  #cut(): void {
    this.#fastPath[Symbol.dispose]();
    for (const socket of this.#handedOver) socket.destroy();
  }

  #accept(request: WholeRequest, response: FastResponse): void {
    if (this.#isOurs(request)) void this.#serve(request, response);
    else this.#pass(request, response);
  }

  /** What can be told from the head alone. */
  #isOurs({ headers, socket: { remoteAddress } }: WholeRequest): boolean {
    if (this.#draining || headers['mcp-session-id'] !== undefined) return false;
    if (headers['mcp-protocol-version'] !== MODERN_VERSION || !CALLS.has(String(headers['mcp-method']))) return false;
    const reach = this.#deps.reach();
    // Where there are containers, only the owner knows their addresses.
    return reach === 'everything' || (reach === 'single servers' && LOOPBACK.test(remoteAddress ?? ''));
  }

  async #serve(request: WholeRequest, response: FastResponse): Promise<void> {
    const { front, hostCheck } = this.#deps;
    const requestId = newRequestId();
    try {
      hostCheck.check(request);
      using held = front.hold();
      const admitted = await this.#admit(held.runtime, requestId, request);
      // Awaited, so that the Runtime is held for as long.
      if (admitted !== undefined) return await handlePost(front, request, response, admitted);
    } catch {
      // The owner finds the same, says it and writes it down.
    }
    if (!response.headersSent && !response.destroyed) this.#pass(request, response);
  }

  async #admit(runtime: Runtime, requestId: string, request: WholeRequest): Promise<Admitted | undefined> {
    const { front, reach } = this.#deps;
    const known = callerOf(runtime, requestId, request);
    const caller = known instanceof Promise ? await known : known;
    const endpoint = await endpointOf(front, messageRoute(request.url), caller);
    if (endpoint.route.kind !== 'server' && reach() !== 'everything') return undefined;
    return { ...caller, headers: request.headers, ...endpoint };
  }

  #pass(request: WholeRequest, response: FastResponse): void {
    const link = this.#linkOf(request.socket);
    link.pass(request, response, () => {
      const failure = new GatewayError('shutting_down', 'The process that answers this request has ended.');
      respondError(response, failure, newRequestId());
    });
  }

  #handOver(socket: Socket): void {
    this.#handedOver.add(socket);
    socket.once('close', () => this.#handedOver.delete(socket));
    this.#linkOf(socket).handOver(socket);
  }

  #linkOf(socket: Socket): OwnerLink {
    const known = this.#links.get(socket);
    if (known?.usable === true) return known;
    known?.close();
    const link = new OwnerLink(this.#deps.door, socket);
    this.#links.set(socket, link);
    return link;
  }
}
