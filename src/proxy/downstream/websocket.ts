/** The WebSocket transport for clients: one connection is one session, every text message is one JSON-RPC message. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { Principal } from '../../auth/authenticator.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { Admitted } from '../exchange.ts';
import type { Front } from '../front.ts';
import { checkProtocolVersion } from './streamable-http.ts';
import { GOING_AWAY, WebSocketConnection } from './websocket-connection.ts';

/** The name under which MCP clients speak WebSocket. */
const SUBPROTOCOL = 'mcp';
const MAX_CONNECTIONS = 10_000;
/** Clients that do not answer the closing handshake within this time are cut off when the gateway ends, in ms. */
const CLOSE_TIMEOUT_MS = 500;

/** True for a request that wants to become a WebSocket; other upgrades are answered as if they had not been offered. */
export function wantsWebSocket({ headers }: IncomingMessage): boolean {
  return (headers.upgrade ?? '').toLowerCase() === 'websocket';
}

export class WebSocketEndpoint implements AsyncDisposable {
  readonly #connections = new Set<WebSocketConnection>();

  get size(): number {
    return this.#connections.size;
  }

  /** Makes a connection out of an admitted request. Throws a GatewayError while nothing was answered yet. */
  accept(front: Front, request: IncomingMessage, socket: Duplex, head: Buffer, admitted: Admitted): void {
    if (front.draining()) throw new GatewayError('shutting_down', 'Gateway is shutting down');
    if (this.#connections.size >= MAX_CONNECTIONS) {
      throw new GatewayError('too_many_sessions', `The gateway already holds ${MAX_CONNECTIONS} WebSockets.`);
    }
    checkProtocolVersion(request);
    checkSubprotocol(request);
    const server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      // Compression costs memory for each connection, and mixing secrets with foreign text under it leaks their length.
      perMessageDeflate: false,
      maxPayload: admitted.runtime.config.gateway.maxBodyBytes,
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    });
    const { principal, route, address, headers } = admitted;
    server.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = new WebSocketConnection(
        webSocket,
        front,
        { principal, route, address, headers },
        request,
        () => this.#connections.delete(connection),
      );
      this.#connections.add(connection);
    });
  }

  /** Ends those of principals of which `remains` says no. */
  endLost(remains: (principal: Principal) => boolean): void {
    for (const connection of this.#connections) connection.endUnless(remains);
  }

  /** The gateway takes nothing new: connections end as soon as nothing is being worked on for them. */
  drain(): void {
    for (const connection of this.#connections) connection.closeWhenIdle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const connections = [...this.#connections];
    for (const connection of connections) connection.close(GOING_AWAY, 'The gateway is shutting down.');
    const last = setTimeout(() => {
      for (const connection of connections) connection.cutOff();
    }, CLOSE_TIMEOUT_MS);
    await Promise.all(connections.map(({ closed }) => closed));
    clearTimeout(last);
  }
}

/** Who offers none gets none; who offers others speaks something else. */
function checkSubprotocol({ headers }: IncomingMessage): void {
  const offered = headers['sec-websocket-protocol'];
  if (offered === undefined || offered.split(',').some((name) => name.trim() === SUBPROTOCOL)) return;
  throw new GatewayError('invalid_request', `The WebSocket subprotocol must be "${SUBPROTOCOL}".`);
}
