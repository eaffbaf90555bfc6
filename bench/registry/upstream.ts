/** Any number of small MCP servers in one process, each at a path of its own; prints its port. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const count = Number(process.argv[2] ?? 20);
const schema = {
  type: 'object',
  properties: { text: { type: 'string', description: 'Some text.' }, times: { type: 'integer', minimum: 1 } },
  required: ['text'],
};
const tools = Array.from({ length: count }, (_, index) => ({
  name: `tool-${index}`,
  description: `The tool number ${index}, which gives back what it was given, as tools of ordinary servers describe it.`,
  inputSchema: schema,
}));

interface Rpc {
  readonly id?: number | string;
  readonly method: string;
  readonly params?: { readonly protocolVersion?: string; readonly arguments?: object };
}

function resultOf({ method, params }: Rpc): object | undefined {
  if (method === 'initialize') {
    return {
      protocolVersion: params?.protocolVersion ?? '2025-06-18',
      capabilities: { tools: {} },
      serverInfo: { name: 'small', version: '1' },
    };
  }
  if (method === 'tools/list') return { tools };
  if (method === 'tools/call') return { content: [{ type: 'text', text: JSON.stringify(params?.arguments) }] };
  return method === 'ping' ? {} : undefined;
}

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  if (request.method !== 'POST') return void response.writeHead(405).end();
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const message = JSON.parse(Buffer.concat(chunks).toString()) as Rpc;
    if (message.id === undefined) return void response.writeHead(202).end();
    const result = resultOf(message);
    const error = { code: -32_601, message: 'Method not found' };
    const answer = { jsonrpc: '2.0', id: message.id, ...(result === undefined ? { error } : { result }) };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
