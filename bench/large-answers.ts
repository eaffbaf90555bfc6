/** `node bench/large-answers.ts`: memory of a gateway through which many large answers go to slow readers. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { slowClient, type ClientKind, type SlowClient } from '../test/e2e/large/slow-client.ts';
import { startGateway, type RunningGateway } from '../test/rig/gateway.ts';
import { busyboxImage } from '../test/rig/images.ts';

const { values: options } = parseArgs({
  options: {
    answers: { type: 'string', default: '100' },
    mib: { type: 'string', default: '16' },
    /** KiB that each client reads in a second; 0: nothing at all, for `seconds`. */
    rate: { type: 'string', default: '4096' },
    seconds: { type: 'string', default: '20' },
    /** From what kind of server to what kind of client; one of `WAYS`. */
    way: { type: 'string', default: 'modern' },
  },
});

type Era = 'modern' | 'legacy';

interface Way {
  readonly server: Era | 'container';
  readonly client: ClientKind;
  /** With payload storage that reads every answer and stores none. */
  readonly isGuarded?: true;
}

const WAYS: Readonly<Record<string, Way>> = {
  modern: { server: 'modern', client: 'modern' },
  'legacy-to-modern': { server: 'legacy', client: 'modern' },
  'modern-to-legacy': { server: 'modern', client: 'legacy' },
  websocket: { server: 'legacy', client: 'websocket' },
  sse: { server: 'legacy', client: 'sse' },
  container: { server: 'container', client: 'legacy' },
  guarded: { server: 'modern', client: 'modern', isGuarded: true },
};

const MIB = 1024 * 1024;
const answers = Number(options.answers);
const size = Number(options.mib) * MIB;
const rate = Number(options.rate);
const PIECE = Buffer.alloc(64 * 1024, 'x');
const LIST = '"resultType":"complete","ttlMs":60000,"cacheScope":"public"';
const DISCOVERED = `{${LIST},"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}`;
const GREETED = '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"l","version":"1"}}';
const TOOLS = `{${LIST},"tools":[{"name":"tool","inputSchema":{"type":"object"}}]}`;

/** A server in a container, which writes what it is asked for through its one pipe. */
const SCRIPT = `
  x=$(head -c ${size} /dev/zero | tr '\\0' 'x')
  while read -r line; do
    id=$(echo "$line" | sed -n 's/.*"id":\\([0-9]*\\).*/\\1/p')
    begin='{"jsonrpc":"2.0","id":'$id',"result":'
    case "$line" in
      *'"initialize"'*) echo "$begin"'${GREETED}}' ;;
      *'"notifications/'*) ;;
      *'"tools/call"'*) printf '%s%s%s\\n' "$begin"'{"content":[{"type":"text","text":"' "$x" '"}]}}' ;;
      *) echo "$begin{}}" ;;
    esac
  done`;

const way = WAYS[options.way];
if (way === undefined) throw new Error(`--way is one of ${Object.keys(WAYS).join(', ')}`);

await using stack = new AsyncDisposableStack();
const gateway = stack.use(await startGateway({ config: await configuration(way) }));
const before = memory(gateway);
const startedAt = performance.now();
const clients = Array.from({ length: answers }, () => slowClient(gateway, way.client));
const read = async (client: SlowClient): Promise<number> => {
  await client.asked;
  return (await client.read(size, rate * 1024)).received;
};
const outcomes = rate === 0 ? await pause(Number(options.seconds) * 1_000, []) : await Promise.all(clients.map(read));
const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
const { peak } = memory(gateway);
const wrong = outcomes.filter((bytes) => bytes < size).length;
console.log(
  `${options.way}: ${answers} answers of ${options.mib} MiB at once, ` +
    `${rate === 0 ? 'not read' : `each read at ${rate} KiB/s`}: resident memory ${toMib(before.now)} MiB before, ` +
    `at most ${toMib(peak)} MiB (+${toMib(peak - before.peak)}), ${seconds} s` +
    (rate === 0 ? '' : `, ${wrong} without an answer`),
);
process.exitCode = wrong === 0 ? 0 : 1;
await stack.disposeAsync();
// Those who do not read wait for ever.
process.exit();

async function configuration({ server, isGuarded }: Way): Promise<Parameters<typeof startGateway>[0]['config']> {
  if (server === 'container') {
    const container = await busyboxImage();
    return { mcpServers: { web: { container, entrypoint: 'sh', entrypointArgs: ['-c', SCRIPT] } } };
  }
  const http = await listen(server);
  stack.defer(() => {
    http.close();
    http.closeAllConnections();
  });
  const mcpServers = { web: { type: 'http', url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp` } };
  if (isGuarded !== true) return { mcpServers };
  const payloadDir = await mkdtemp(join(tmpdir(), 'gatehouse-bench-'));
  stack.defer(() => rm(payloadDir, { recursive: true, force: true }));
  return { mcpServers, gateway: { payloadDir, payloadSizeThreshold: 2 * size } };
}

async function listen(era: Era): Promise<Server> {
  const usual = new Map([
    ['server/discover', DISCOVERED],
    ['initialize', GREETED],
    ['tools/list', TOOLS],
    ['ping', '{}'],
  ]);
  if (era === 'legacy') usual.delete('server/discover');
  const http = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('latin1');
      const id = /"id":([^,}]+)/.exec(body)?.[1] ?? 'null';
      const method = /"method":"([^"]+)"/.exec(body)?.[1] ?? '';
      const result = usual.get(method);
      response.on('error', () => undefined);
      if (request.method !== 'POST') response.writeHead(405).end();
      else if (method.startsWith('notifications/')) response.writeHead(202).end();
      else if (method !== 'tools/call' && result === undefined) response.writeHead(400).end();
      else {
        response.writeHead(200, { 'content-type': 'application/json' });
        if (result === undefined) pump(response, id);
        else response.end(`{"jsonrpc":"2.0","id":${id},"result":${result}}`);
      }
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

function memory({ pid }: RunningGateway): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
  return { now: kib('VmRSS'), peak: kib('VmHWM') };
}

function toMib(bytes: number): number {
  return Math.round(bytes / MIB);
}
