/** However many large answers have to be held whole for clients that do not read, the gateway holds a stated amount of them. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { dockerMissing } from '../../rig/docker.ts';
import { startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { busyboxImage } from '../../rig/images.ts';
import { rawClient } from '../raw-client.ts';
import { startByteServer } from './byte-server.ts';
import { slowClient, type ClientKind } from './slow-client.ts';

const MIB = 1024 * 1024;
const SIZE = 16 * MIB;
/** Held whole they would take a gigabyte, and more while each is put together. */
const ANSWERS = 64;
/** What may be held, and twice as much again for what the collector has not seen to yet. */
const MOST = 800 * MIB;
const PIECE = Buffer.alloc(64 * 1024, 'x');

/** Sends `SIZE` bytes, as fast as they are taken; `sent` is told of each piece. */
function pump(response: ServerResponse, id: string, sent: () => void): void {
  let left = SIZE / PIECE.length;
  response.writeHead(200, { 'content-type': 'application/json' });
  response.write('{"result":{"content":[{"type":"text","text":"');
  const more = (): void => {
    for (; left > 0; left--) {
      sent();
      if (response.write(PIECE)) continue;
      left--;
      response.once('drain', more);
      return;
    }
    response.end(`"}]},"jsonrpc":"2.0","id":${id}}`);
  };
  more();
}

/** Largest memory that the process ever had, in bytes. */
function peak({ pid }: RunningGateway): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

const WAYS: readonly { way: string; server: 'modern' | 'legacy'; client: ClientKind; guarded?: true }[] = [
  { way: 'a server to WebSocket clients', server: 'legacy', client: 'websocket' },
  { way: 'a server to HTTP+SSE clients', server: 'legacy', client: 'sse' },
  { way: 'a server to clients behind payload storage', server: 'modern', client: 'modern', guarded: true },
];

describe.each(WAYS)('64 answers of 16 MiB from $way', ({ server: era, client, guarded }) => {
  it('take a stated amount of memory for as long as nobody reads them, and arrive when somebody does', async () => {
    let sent = 0;
    await using stack = new AsyncDisposableStack();
    const server = stack.use(
      await startByteServer(({ id, response }) => pump(response, id, () => (sent += PIECE.length)), era),
    );
    const payloadDir = guarded && (await mkdtemp(join(tmpdir(), 'gatehouse-test-')));
    if (payloadDir !== undefined) stack.defer(() => rm(payloadDir, { recursive: true, force: true }));
    const gateway = stack.use(
      await startGateway({
        config: {
          mcpServers: { web: { type: 'http', url: server.url } },
          // It reads every answer, and stores none.
          ...(payloadDir !== undefined && { gateway: { payloadDir, payloadSizeThreshold: 2 * SIZE } }),
        },
      }),
    );
    const before = peak(gateway);
    const clients = Array.from({ length: ANSWERS }, () => slowClient(gateway, client));
    stack.defer(() => clients.forEach(({ socket }) => socket.destroy()));
    await Promise.all(clients.map(({ asked }) => asked));
    await expect.poll(() => sent, { timeout: 20_000 }).toBeGreaterThan(SIZE);
    // Until nobody takes any more.
    for (let last = -1; sent !== last;) {
      last = sent;
      await pause(1_000);
    }
    expect(sent).toBeLessThan((ANSWERS * SIZE) / 2);
    expect(peak(gateway) - before).toBeLessThan(MOST);
    // The first and the last read on; the others leave, and make room.
    const readers = [...clients.slice(0, 2), ...clients.slice(-2)];
    for (const { socket } of clients.slice(2, -2)) socket.destroy();
    const read = await Promise.all(readers.map((reader) => reader.read(SIZE)));
    expect(read.filter(({ received }) => received < SIZE)).toEqual([]);
    expect(peak(gateway) - before).toBeLessThan(MOST);
  });
});

const SCRIPT = `
  x=$(head -c ${SIZE} /dev/zero | tr '\\0' 'x')
  while read -r line; do
    id=$(echo "$line" | sed -n 's/.*"id":\\([0-9]*\\).*/\\1/p')
    begin='{"jsonrpc":"2.0","id":'$id',"result":'
    case "$line" in
      *'"initialize"'*) echo "$begin"'{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}}' ;;
      *'"notifications/'*) ;;
      *'"tool"'*) printf '%s%s%s\\n' "$begin"'{"content":[{"type":"text","text":"' "$x" '"}]}}' ;;
      *) echo "$begin{}}" ;;
    esac
  done`;

describe.skipIf(dockerMissing())('64 answers of 16 MiB from a server in a container', () => {
  it('take a stated amount of memory while nobody reads them; what there is no room for fails, and other calls go on', async () => {
    const container = await busyboxImage();
    const web = { container, entrypoint: 'sh', entrypointArgs: ['-c', SCRIPT] };
    await using gateway = await startGateway({ config: { mcpServers: { web } } });
    const client = await rawClient(gateway.url('web'), gateway.authorization);
    await client.request('tools/call', { name: 'small' });
    const before = peak(gateway);
    const clients = Array.from({ length: ANSWERS }, () => slowClient(gateway, 'legacy'));
    // Behind all of them on the one pipe.
    expect((await client.request('tools/call', { name: 'small' })).answer.error).toBeUndefined();
    expect(peak(gateway) - before).toBeLessThan(MOST);
    const read = await Promise.all(clients.map((reader) => reader.read(SIZE)));
    const whole = read.filter(({ received }) => received >= SIZE);
    const refused = read.filter(({ end }) => end.includes('"error":"too_many_answers"'));
    expect(whole.length).toBeGreaterThanOrEqual(4);
    expect(whole.length + refused.length).toBe(ANSWERS);
    expect(peak(gateway) - before).toBeLessThan(MOST);
    expect((await client.request('tools/call', { name: 'small' })).answer.error).toBeUndefined();
  });
});
