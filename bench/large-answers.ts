/** `node bench/large-answers.ts`: memory of a gateway through which many large answers go to slow readers. */
import { readFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { startGateway, type RunningGateway } from '../test/rig/gateway.ts';

const { values: options } = parseArgs({
  options: {
    answers: { type: 'string', default: '100' },
    mib: { type: 'string', default: '16' },
    /** KiB that each client reads in a second. */
    rate: { type: 'string', default: '4096' },
  },
});

const MIB = 1024 * 1024;
const answers = Number(options.answers);
const size = Number(options.mib) * MIB;
const PIECE = Buffer.alloc(64 * 1024, 'x');
const LIST = '"resultType":"complete","ttlMs":60000,"cacheScope":"public"';
const DISCOVERED = `{${LIST},"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}`;

await using stack = new AsyncDisposableStack();
const server = await listen();
stack.defer(() => void server.close());
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
const gateway = stack.use(await startGateway({ config: { mcpServers: { web: { type: 'http', url } } } }));
const before = memory(gateway);
const startedAt = performance.now();
const read = await Promise.all(Array.from({ length: answers }, () => readSlowly(gateway)));
const wrong = read.filter((bytes) => bytes < size).length;
const { peak } = memory(gateway);
console.log(
  `${answers} answers of ${options.mib} MiB at once, each read at ${options.rate} KiB/s: resident memory ` +
    `${toMib(before.now)} MiB before, at most ${toMib(peak)} MiB (+${toMib(peak - before.peak)}), ` +
    `${Math.round(performance.now() - startedAt)} ms, ${wrong} incomplete`,
);
process.exitCode = wrong === 0 ? 0 : 1;
server.closeAllConnections();

async function listen(): Promise<Server> {
  const http = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('latin1');
      const id = /"id":([^,}]+)/.exec(body)?.[1] ?? 'null';
      response.on('error', () => undefined);
      response.writeHead(request.method === 'POST' ? 200 : 405, { 'content-type': 'application/json' });
      if (body.includes('"tools/call"')) pump(response, id);
      else response.end(`{"jsonrpc":"2.0","id":${id},"result":${DISCOVERED}}`);
    });
  });
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
  return http;
}

function pump(response: ServerResponse, id: string): void {
  let left = size;
  response.write('{"result":{"resultType":"complete","content":[{"type":"text","text":"');
  const more = (): void => {
    while (left > 0) {
      left -= PIECE.length;
      if (!response.write(PIECE)) return void response.once('drain', more);
    }
    response.end(`"}]},"jsonrpc":"2.0","id":${id}}`);
  };
  more();
}

/** Bytes that came until the answer had ended. */
function readSlowly(target: RunningGateway): Promise<number> {
  const { hostname, port, pathname } = new URL(target.url('web'));
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'tool', _meta: meta } });
  const socket = connect({ host: hostname, port: Number(port) });
  socket.write(
    `POST ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: ${target.authorization}\r\nContent-Type: application/json\r\n` +
      'Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n' +
      `Mcp-Name: tool\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  return new Promise((resolve, reject) => {
    let received = 0;
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
      socket.pause();
      setTimeout(() => socket.resume(), (chunk.length / 1024 / Number(options.rate)) * 1000);
    });
    socket.on('end', () => resolve(received));
    socket.on('error', reject);
  });
}

function memory({ pid }: RunningGateway): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
  return { now: kib('VmRSS'), peak: kib('VmHWM') };
}

function toMib(bytes: number): number {
  return Math.round(bytes / MIB);
}
