/** A server over HTTP with one tool, of either era, whose every answer the test writes byte by byte. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ByteCall {
  /** Raw JSON text. */
  readonly id: string;
  readonly body: string;
  readonly response: ServerResponse;
}

export interface ByteServer extends AsyncDisposable {
  readonly url: string;
  /** Responses that were begun and have not ended. */
  readonly open: number;
  /** How many connections there were. */
  connections(): number;
  /** How many requests were no POST. */
  others(): number;
}

const LIST = '"resultType":"complete","ttlMs":60000,"cacheScope":"public"';
const DISCOVERED = `{${LIST},"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}`;
const TOOLS = `{${LIST},"tools":[{"name":"tool","inputSchema":{"type":"object"}}]}`;

const GREETED =
  '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"bytes","version":"1"}}';

/** What each answers whatever the test wants. */
const USUAL = {
  modern: { 'server/discover': DISCOVERED, 'tools/list': TOOLS },
  legacy: { initialize: GREETED, 'tools/list': TOOLS },
} as const;

export async function startByteServer(
  answer: (call: ByteCall) => void,
  era: keyof typeof USUAL = 'modern',
): Promise<ByteServer> {
  let open = 0;
  let connections = 0;
  let others = 0;
  const http = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const id = /"id":([^,}]+)/.exec(body.slice(0, 200))?.[1] ?? 'null';
      const usual = Object.entries(USUAL[era]).find(([method]) => body.includes(`"method":"${method}"`))?.[1];
      open++;
      response.once('close', () => open--);
      response.on('error', () => undefined);
      if (request.method !== 'POST') {
        others++;
        response.writeHead(405).end();
      } else if (era === 'legacy' && body.includes('"notifications/')) response.writeHead(202).end();
      else if (era === 'legacy' && body.includes('"server/discover"')) response.writeHead(400).end();
      else if (usual === undefined) answer({ id, body, response });
      else
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(`{"jsonrpc":"2.0","id":${id},"result":${usual}}`);
    });
  });
  http.on('connection', () => connections++);
  // The default of five seconds would close connections under a test that has to wait.
  http.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    get open() {
      return open;
    },
    connections: () => connections,
    others: () => others,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => {
        http.close(() => resolve());
      });
      http.closeAllConnections();
      await closed;
    },
  };
}
