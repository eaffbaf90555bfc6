/** `node sdk-proxy-program.ts PORT SERVER-PORT`: the naive gateway, which joins an SDK server to an SDK client for each session. */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  CallToolRequestSchema,
  CallToolResultSchema,
  ListToolsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';

const [port, serverPort] = process.argv.slice(2);
const url = new URL(`http://127.0.0.1:${serverPort ?? ''}/mcp`);
const info = { name: 'sdk-proxy', version: '1' };
const sessions = new Map<string, StreamableHTTPServerTransport>();

async function open(): Promise<StreamableHTTPServerTransport> {
  const client = new Client(info);
  await client.connect(new StreamableHTTPClientTransport(url));
  const server = new Server(info, { capabilities: { tools: {} } });
  server.setRequestHandler(ListToolsRequestSchema, () => client.listTools());
  server.setRequestHandler(CallToolRequestSchema, ({ params }) =>
    client.request({ method: 'tools/call', params }, CallToolResultSchema),
  );
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    enableJsonResponse: true,
    onsessioninitialized: (id) => void sessions.set(id, transport),
  });
  await server.connect(transport);
  return transport;
}

createServer((request, response) => {
  const id = request.headers['mcp-session-id'];
  const known = typeof id === 'string' ? sessions.get(id) : undefined;
  if (request.method !== 'POST') {
    response.writeHead(405).end();
    return;
  }
  void (known === undefined ? open() : Promise.resolve(known))
    .then((transport) => transport.handleRequest(request, response))
    .catch(() => response.destroy());
}).listen(Number(port), '127.0.0.1');
