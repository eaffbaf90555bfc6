/** An MCP server over TLS that speaks to nobody without a client certificate, and counts who came: light enough for load. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';

export interface StrictMaterial {
  /** Paths of PEM files. */
  readonly cert: string;
  readonly key: string;
  /** Who may have issued client certificates. */
  readonly ca: string;
}

export interface StrictServer extends AsyncDisposable {
  /** `https://localhost:<port>`; streamable HTTP below `/mcp`, HTTP+SSE below `/sse`. */
  readonly origin: string;
  /** Requests by method and path, then by the common name and serial number of the client certificate. */
  readonly seen: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** Open streams for messages of the server. */
  readonly streams: number;
  /** Says on every open stream that tools have changed, with a number to count by. */
  broadcast(seq: number): void;
  /** Uses other files for connections to come. */
  renew(material: StrictMaterial): void;
}

interface Rpc {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: { readonly protocolVersion?: string; readonly arguments?: object };
}

const TOOLS = ['echo', 'whoami'].map((name) => ({ name, description: name, inputSchema: { type: 'object' } }));

export async function startStrictServer(material: StrictMaterial, port = 0): Promise<StrictServer> {
  const streams = new Set<ServerResponse>();
  const legacy = new Map<string, ServerResponse>();
  const seen = new Map<string, Map<string, number>>();
  const server = createServer(
    { ...read(material), requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.2', keepAliveTimeout: 60_000 },
    (request, response) => {
      const url = new URL(request.url ?? '/', 'https://localhost');
      count(seen, `${request.method ?? ''} ${url.pathname}`, peerOf(request));
      if (request.method === 'GET') return openStream(url.pathname, request, response, streams, legacy);
      if (request.method === 'DELETE') return void response.writeHead(200).end();
      // The transport of 2024-11-05 knows only GET at this path.
      if (url.pathname === '/sse') return void response.writeHead(405, { allow: 'GET' }).end();
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const message = JSON.parse(Buffer.concat(chunks).toString()) as Rpc;
        const answer = message.id === undefined ? undefined : JSON.stringify(answerTo(message, peerOf(request)));
        const stream = legacy.get(url.searchParams.get('id') ?? '');
        if (stream !== undefined && answer !== undefined) stream.write(`event: message\ndata: ${answer}\n\n`);
        if (stream !== undefined || answer === undefined) return void response.writeHead(202).end();
        const session = message.method === 'initialize' ? { 'mcp-session-id': randomUUID() } : {};
        response.writeHead(200, { 'content-type': 'application/json', ...session }).end(answer);
      });
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address() as AddressInfo;
  return {
    origin: `https://localhost:${address.port}`,
    seen,
    get streams() {
      return streams.size;
    },
    broadcast(seq) {
      const notice = { jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { seq } };
      for (const stream of streams) stream.write(`event: message\ndata: ${JSON.stringify(notice)}\n\n`);
    },
    renew: (next) => server.setSecureContext(read(next)),
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function openStream(
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  streams: Set<ServerResponse>,
  legacy: Map<string, ServerResponse>,
): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  response.flushHeaders();
  streams.add(response);
  const id = randomUUID();
  if (path === '/sse') {
    legacy.set(id, response);
    response.write(`event: endpoint\ndata: /messages?id=${id}\n\n`);
  }
  request.once('close', () => {
    streams.delete(response);
    legacy.delete(id);
  });
}

function answerTo({ id, method, params }: Rpc, peer: string): object {
  const result = (value: object): object => ({ jsonrpc: '2.0', id, result: value });
  switch (method) {
    case 'initialize':
      return result({
        protocolVersion: params?.protocolVersion ?? '2025-06-18',
        capabilities: { tools: { listChanged: true } },
        serverInfo: { name: 'strict', version: '1' },
      });
    case 'tools/list':
      return result({ tools: TOOLS });
    case 'tools/call':
      return result({ content: [{ type: 'text', text: JSON.stringify(params?.arguments ?? {}) }], _meta: { peer } });
    case 'ping':
      return result({});
    default:
      return { jsonrpc: '2.0', id, error: { code: -32_601, message: 'Method not found' } };
  }
}

function peerOf({ socket }: IncomingMessage): string {
  const { subject, serialNumber } = (socket as TLSSocket).getPeerCertificate();
  return `${String(subject.CN)} ${serialNumber}`;
}

function count(seen: Map<string, Map<string, number>>, path: string, peer: string): void {
  const peers = seen.get(path) ?? new Map<string, number>();
  peers.set(peer, (peers.get(peer) ?? 0) + 1);
  seen.set(path, peers);
}

function read({ cert, key, ca }: StrictMaterial): { cert: Buffer; key: Buffer; ca: Buffer } {
  return { cert: readFileSync(cert), key: readFileSync(key), ca: readFileSync(ca) };
}
