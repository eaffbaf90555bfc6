/** `node node-proxy-program.ts PORT SERVER-PORT`: passes requests on and looks at nothing. */
import { createServer, type ServerResponse } from 'node:http';
import { Agent, type Dispatcher } from 'undici';

const [port, serverPort] = process.argv.slice(2);
const origin = `http://127.0.0.1:${serverPort ?? ''}`;
const agent = new Agent({ connections: 512, pipelining: 1 });
const KEPT = ['content-type', 'accept', 'mcp-protocol-version', 'mcp-method', 'mcp-name', 'mcp-session-id'];

function answering(response: ServerResponse): Dispatcher.DispatchHandler {
  return {
    onRequestStart: () => undefined,
    onResponseStart(_controller, status, headers) {
      const kept: Record<string, string | string[]> = {};
      for (const name of ['content-type', 'content-length']) {
        const value = headers[name];
        if (value !== undefined) kept[name] = value;
      }
      response.writeHead(status, kept);
    },
    onResponseData: (controller, chunk) => {
      if (response.write(chunk)) return;
      controller.pause();
      response.once('drain', () => controller.resume());
    },
    onResponseEnd: () => void response.end(),
    onResponseError: () => void response.destroy(),
  };
}

createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const headers: Record<string, string> = {};
    for (const name of KEPT) {
      const value = request.headers[name];
      if (typeof value === 'string') headers[name] = value;
    }
    const body = chunks.length === 0 ? null : chunks.length === 1 ? (chunks[0] ?? null) : Buffer.concat(chunks);
    const method = request.method === 'POST' ? 'POST' : 'GET';
    agent.dispatch({ origin, path: request.url ?? '/', method, headers, body }, answering(response));
  });
}).listen(Number(port), '127.0.0.1');
