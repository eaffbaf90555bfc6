/** Event streams on which nothing happens: thousands of them cost the gateway little, and end with it in good order. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { startHttpFixture } from '../../rig/servers.ts';

const STREAMS = 2_000;
/** What is compiled and kept for all of them is there before it counts. */
const FIRST_STREAMS = 300;
const AT_ONCE = 16;
/**
 * Beyond what the first ones have left free it is about 4 kB with older clients and 10 kB with modern ones; with the
 * objects of node:http, and everything that waits for the end of a request, 14 and 27 kB.
 */
const MAX_BYTES = 14_000;

const VERSION = '2026-07-28';
const META = {
  'io.modelcontextprotocol/protocolVersion': VERSION,
  'io.modelcontextprotocol/clientCapabilities': {},
};

function requestOf(line: string, { authorization }: RunningGateway, headers: object, body = ''): string {
  const all = {
    Host: 'localhost',
    Authorization: authorization,
    Accept: 'application/json, text/event-stream',
    ...headers,
    ...(body !== '' && { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${String(value)}\r\n`);
  return `${line} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

/** The GET stream of a session of its own. */
async function legacyRequest(gateway: RunningGateway): Promise<string> {
  const clientInfo = { name: 'test', version: '1' };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
  const response = await fetch(gateway.url(), {
    method: 'POST',
    headers: {
      authorization: gateway.authorization,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }),
  });
  await response.text();
  const session = response.headers.get('mcp-session-id');
  return requestOf('GET /mcp', gateway, { 'MCP-Protocol-Version': '2025-11-25', 'Mcp-Session-Id': session });
}

async function modernRequest(gateway: RunningGateway): Promise<string> {
  const params = { notifications: { toolsListChanged: true }, _meta: META };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'subscriptions/listen', params });
  const headers = { 'MCP-Protocol-Version': VERSION, 'Mcp-Method': 'subscriptions/listen' };
  return requestOf('POST /mcp', gateway, headers, body);
}

async function open({ origin }: RunningGateway, request: string): Promise<Socket> {
  const socket = connect(Number(new URL(origin).port), '127.0.0.1');
  socket.write(request);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\ncontent-type: text\/event-stream\r\n/);
  return socket;
}

/** In bytes. */
function resident({ pid }: RunningGateway): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

it.each([
  { clients: 'older', request: legacyRequest },
  { clients: 'modern', request: modernRequest },
])('2,000 streams of $clients clients take less than 14 kB each', async ({ request }) => {
  await using server = await startHttpFixture();
  await using gateway = await startGateway({
    config: { mcpServers: { web: { type: 'http', url: server.url } } },
    args: ['--fast-path', 'on', '--workers', '1'],
    // How much room V8 has taken for young objects would count for more than the streams.
    env: { NODE_OPTIONS: '--max-semi-space-size=1' },
  });
  const sockets: Socket[] = [];
  const openAll = async (count: number): Promise<void> => {
    let left = count;
    const lane = async (): Promise<void> => {
      while (left-- > 0) sockets.push(await open(gateway, await request(gateway)));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    await pause(2_000);
  };
  await openAll(FIRST_STREAMS);
  const before = resident(gateway);
  await openAll(STREAMS);
  expect((resident(gateway) - before) / STREAMS).toBeLessThan(MAX_BYTES);
  // All of them live, and end with the gateway.
  expect(sockets.filter(({ closed }) => closed)).toEqual([]);
  const ended = Promise.all(sockets.map(async (socket) => once(socket.resume(), 'close')));
  gateway.kill('SIGTERM');
  await ended;
  expect((await gateway.exited).status).toBe(0);
});
