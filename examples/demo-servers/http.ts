/** The toolbox over streamable HTTP on loopback: `node examples/demo-servers/http.ts [port]`. */
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { localhostHostValidation, localhostOriginValidation, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler } from '@modelcontextprotocol/server';
import { createToolbox } from './toolbox.ts';

const port = Number(process.argv[2] ?? 3001);
const handler = createMcpHandler(createToolbox);
const serve = toNodeHandler(handler);
const hostIsLocal = localhostHostValidation();
const originIsLocal = localhostOriginValidation();

const server = createServer((request, response) => {
  if (!hostIsLocal(request, response) || !originIsLocal(request, response)) return;
  if (new URL(request.url ?? '/', 'http://localhost').pathname !== '/mcp') {
    response.writeHead(404).end();
    return;
  }
  // Node always sets both on a request that a server receives; its types leave them open for responses.
  serve(request as IncomingMessage & { method: string; url: string }, response).catch(() => response.destroy());
});

server.once('error', (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
server.listen(port, '127.0.0.1', () => console.error(`toolbox listens on http://127.0.0.1:${port}/mcp`));

process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
  void handler.close();
});
