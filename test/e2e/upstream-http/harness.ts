/** A transport to a server on loopback with everything that it says recorded, and small servers to point it at. */
import { DEFAULT_HEALTH } from '../../../src/config/health.ts';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { pino } from 'pino';
import type { HttpServerConfig } from '../../../src/config/config.ts';
import { registrationOfFile } from '../../../src/config/registration.ts';
import type { GatewayError } from '../../../src/shared/errors.ts';
import { plainIdentity, type UpstreamIdentity } from '../../../src/tls/upstream-identity.ts';
import { GithubOidcTokens } from '../../../src/upstream/credentials/github-oidc.ts';
import { httpTransportCandidates } from '../../../src/upstream/http/candidates.ts';
import { Connector } from '../../../src/upstream/http/connector.ts';
import type { Transport } from '../../../src/upstream/transport.ts';

export interface Wire extends AsyncDisposable {
  readonly transport: Transport;
  readonly messages: readonly { readonly text: string; readonly requestId: string | undefined }[];
  readonly closed: readonly GatewayError[];
  readonly warnings: readonly string[];
  /** Resolves when so many messages have come, or the wire has closed. */
  received(count: number): Promise<void>;
  /** Sends a request and resolves with its parsed response. */
  call(id: number, method: string, params?: object, signal?: AbortSignal): Promise<Record<string, unknown>>;
}

export interface WireOptions {
  readonly kind?: 'streamable-http' | 'sse';
  readonly config?: Partial<HttpServerConfig>;
  readonly env?: Record<string, string>;
  readonly maxMessageBytes?: number;
  /** For https; default: the authorities of the system, as `openWire` fills in. */
  readonly identity?: UpstreamIdentity;
}

export function httpConfig(url: string, config: Partial<HttpServerConfig> = {}): HttpServerConfig {
  return {
    kind: 'http',
    name: 'remote',
    registration: registrationOfFile('remote', 'test.toml'),
    tools: undefined,
    start: 'boot',
    health: DEFAULT_HEALTH,
    startupTimeoutMs: 60_000,
    toolTimeoutMs: 60_000,
    registry: undefined,
    url,
    headers: {},
    query: undefined,
    passthroughHeaders: undefined,
    auth: undefined,
    connectTimeoutMs: 30_000,
    tls: undefined,
    ...config,
  };
}

export async function openWire(url: string, options: WireOptions = {}): Promise<Wire> {
  const identity = url.startsWith('https:') ? { identity: await plainIdentity() } : {};
  const wire = createWire(url, { ...identity, ...options });
  try {
    await wire.open();
  } catch (error) {
    await wire[Symbol.asyncDispose]();
    throw error;
  }
  return wire;
}

export function createWire(
  url: string,
  options: WireOptions = {},
): Wire & { open(signal?: AbortSignal): Promise<void> } {
  const messages: { text: string; requestId: string | undefined }[] = [];
  const closed: GatewayError[] = [];
  const warnings: string[] = [];
  const waiting = new Set<() => void>();
  const tell = (): void => {
    for (const each of waiting) each();
  };
  const config = httpConfig(url, options.config);
  const connector = new Connector({ connectTimeoutMs: config.connectTimeoutMs, identity: options.identity });
  const log = pino({ level: 'warn' }, { write: (line) => warnings.push(line) });
  const candidates = httpTransportCandidates(config, {
    connector,
    oidc: new GithubOidcTokens({ connector, env: options.env ?? {} }),
    log,
    ...(options.maxMessageBytes === undefined ? {} : { maxMessageBytes: options.maxMessageBytes }),
  });
  const transport = candidates.find(({ name }) => name === (options.kind ?? 'streamable-http'))?.create();
  if (transport === undefined) throw new Error('no such transport');
  const open = (signal: AbortSignal = new AbortController().signal): Promise<void> =>
    transport.open(
      {
        onMessage: (message, requestId) => {
          messages.push({ text: typeof message === 'string' ? message : message.text, requestId });
          tell();
        },
        onClose: (reason) => {
          closed.push(reason);
          tell();
        },
      },
      signal,
    );
  const received = async (count: number): Promise<void> => {
    while (messages.length < count && closed.length === 0) {
      const next = Promise.withResolvers<void>();
      waiting.add(next.resolve);
      await next.promise;
      waiting.delete(next.resolve);
    }
  };
  const call = async (
    id: number,
    method: string,
    params: object = {},
    signal?: AbortSignal,
  ): Promise<Record<string, unknown>> => {
    const text = JSON.stringify({ jsonrpc: '2.0', id, method, params });
    await transport.send(text, { requestId: String(id), ...(signal === undefined ? {} : { signal }) });
    for (;;) {
      const found = messages
        .map((message) => JSON.parse(message.text) as Record<string, unknown>)
        .find((message) => message['id'] === id && !('method' in message));
      if (found !== undefined) return found;
      if (closed[0] !== undefined) throw closed[0];
      await received(messages.length + 1);
    }
  };
  return {
    transport,
    messages,
    closed,
    warnings,
    received,
    call,
    open,
    [Symbol.asyncDispose]: async () => {
      await transport.close();
      await connector[Symbol.asyncDispose]();
    },
  };
}

export const INITIALIZE = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'test', version: '1' },
};

/** The handshake of a client. */
export async function handshake(wire: Wire): Promise<Record<string, unknown>> {
  const answer = await wire.call(0, 'initialize', INITIALIZE);
  wire.transport.setProtocolVersion('2025-11-25');
  await wire.transport.send('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  return answer;
}

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly requests: readonly RecordedRequest[];
  /** Connections accepted so far. */
  readonly connections: () => number;
  /** Connections open now. */
  readonly open: () => number;
}

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export type Handler = (request: RecordedRequest, response: ServerResponse) => void | Promise<void>;

/** An HTTP server whose handler is called when the body is complete. */
export async function serveHttp(handler: Handler, tls?: ServerOptions, host = '127.0.0.1'): Promise<TestServer> {
  const requests: RecordedRequest[] = [];
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const recorded = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      };
      requests.push(recorded);
      Promise.resolve(handler(recorded, response)).catch(() => response.destroy());
    });
    response.on('error', () => undefined);
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  server.on('tlsClientError', () => undefined);
  // The default of five seconds would close connections that a test has kept for its next request.
  server.keepAliveTimeout = 60_000;
  return { ...(await running(server, tls === undefined ? 'http' : 'https', host)), requests };
}

/** A TCP server, for answers that no HTTP server would give. */
export async function serveTcp(onConnection: (socket: Socket) => void, host = '127.0.0.1'): Promise<TestServer> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  return { ...(await running(server, 'http', host)), requests: [] };
}

async function running(server: Server, scheme: string, host: string): Promise<Omit<TestServer, 'requests'>> {
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `${scheme}://${host}:${port}/mcp`,
    port,
    connections: () => connections,
    open: () => sockets.size,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

export function json(
  response: ServerResponse,
  value: unknown,
  headers: Record<string, string> = {},
  status = 200,
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}

/** The id of the JSON-RPC message in a request. */
export function idOf({ body }: RecordedRequest): unknown {
  return (JSON.parse(body) as { id?: unknown }).id;
}
