/** The server of the stalls over HTTP: its answers are JSON, or an event stream where its URL asks for that. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerTo, type Era } from './server.ts';

export interface HttpServer extends AsyncDisposable {
  url(era: Era, answers?: 'json' | 'events'): string;
}

export async function startHttpServer(): Promise<HttpServer> {
  const http = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const [, era, form] = (request.url ?? '').split('/');
      if (request.method !== 'POST') {
        response.writeHead(405).end();
        return;
      }
      const answer = answerTo(Buffer.concat(chunks), era === 'legacy' ? 'legacy' : 'modern');
      if (answer === undefined) response.writeHead(202).end();
      else if (form === 'events')
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`event: message\ndata: ${answer}\n\n`);
      else response.writeHead(200, { 'content-type': 'application/json' }).end(answer);
    });
  });
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
  const { port } = http.address() as AddressInfo;
  return {
    url: (era, answers = 'json') => `http://127.0.0.1:${port}/${era}/${answers}/mcp`,
    [Symbol.asyncDispose]: () => {
      const closed = new Promise<void>((resolve) => {
        http.close(() => resolve());
      });
      http.closeAllConnections();
      return closed;
    },
  };
}
