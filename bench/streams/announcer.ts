/**
 * `node announcer.ts PORT`: a server with many listeners, of both eras. It opens a stream for every GET and for every
 * `subscriptions/listen`; for each line on stdin it tells all of them that its tools have changed.
 */
import { createServer, type ServerResponse } from 'node:http';
import { createInterface } from 'node:readline';

interface Rpc {
  readonly id?: number | string;
  readonly method: string;
}

/** What is written to a stream each time. */
const streams = new Map<ServerResponse, string>();
const LIST = { resultType: 'complete', ttlMs: 600_000, cacheScope: 'public' };
const TOOLS = [{ name: 'echo', description: 'Echoes.', inputSchema: { type: 'object' } }];

const RESULTS: Readonly<Record<string, object>> = {
  'server/discover': {
    ...LIST,
    supportedVersions: ['2026-07-28'],
    capabilities: { tools: { listChanged: true } },
    _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'announcer', version: '1' } },
  },
  'tools/list': { ...LIST, tools: TOOLS },
};

function eventOf(method: string, params: object): string {
  return `event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', method, params })}\n\n`;
}

function openStream(response: ServerResponse, change: string): void {
  // nginx keeps what it passes on until it has enough of it, unless it is told otherwise.
  const now = { 'x-accel-buffering': 'no' };
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', ...now });
  response.flushHeaders();
  streams.set(response, change);
  response.once('close', () => streams.delete(response));
}

function answer(response: ServerResponse, { id, method }: Rpc): void {
  if (id === undefined) return void response.writeHead(202).end();
  if (method === 'subscriptions/listen') {
    const _meta = { 'io.modelcontextprotocol/subscriptionId': id };
    openStream(response, eventOf('notifications/tools/list_changed', { _meta }));
    const notifications = { toolsListChanged: true };
    response.write(eventOf('notifications/subscriptions/acknowledged', { _meta, notifications }));
    return;
  }
  const result = RESULTS[method];
  const error = { code: -32_601, message: 'Method not found' };
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', id, ...(result === undefined ? { error } : { result }) }));
}

createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
  if (request.method === 'GET') return openStream(response, eventOf('notifications/tools/list_changed', {}));
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => answer(response, JSON.parse(Buffer.concat(chunks).toString()) as Rpc));
}).listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 }, () => console.log('ready'));

createInterface({ input: process.stdin }).on('line', () => {
  for (const [response, change] of streams) response.write(change);
});
