/** Requests that two parsers could read differently, or that cost more than they look, never reach a server. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { rawClient, type RawClient } from '../raw-client.ts';
import { content, startFakeServer, type FakeServer } from './fake-server.ts';
import { gatewayStatus } from './session-stream.ts';

let server: FakeServer;
let gateway: RunningGateway;
let client: RawClient;

beforeAll(async () => {
  server = await startFakeServer({
    // An answer that never comes; a cancellation ends the wait.
    on: ({ tool }) => tool === 'slow',
  });
  gateway = await startGateway({
    config: { mcpServers: { web: { type: 'http', url: server.url, tools: ['allowed', 'slow'] } } },
  });
  client = await rawClient(gateway.url('web'), gateway.authorization);
});
afterAll(async () => {
  await gateway.stop();
  await server[Symbol.asyncDispose]();
});

it.each([
  '{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"allowed","Name":"forbidden"}}',
  '{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"allowed","\\u004eame":"forbidden"}}',
  '{"jsonrpc":"2.0","id":9,"method":"x/y","Method":"tools/call","params":{"name":"forbidden"}}',
  '{"jsonrpc":"2.0","id":9,"method":"x/y","params":{},"param\u017f":{"name":"forbidden"}}',
])('a message with two spellings of one member is refused: %s', async (text) => {
  const { answer } = await client.post(text);
  expect(answer.error).toMatchObject({ code: -32600 });
  expect(server.texts.filter((each) => each.includes('forbidden'))).toEqual([]);
});

const HALF = 1_900_000;
it.each([
  ['a deep nest', '['.repeat(HALF) + ']'.repeat(HALF)],
  ['very many values', `[${'1,'.repeat(HALF)}1]`],
  ['very many objects', `[${'{},'.repeat(HALF / 2)}1]`],
])('%s in 4 MB is refused without being forwarded', async (_, value) => {
  const forwarded = (): number => server.texts.filter((text) => text.includes('"allowed"')).length;
  const before = forwarded();
  const { answer } = await client.post(
    `{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"allowed","arguments":{"a":${value}}}}`,
  );
  expect(answer.error).toMatchObject({ code: -32600 });
  expect(forwarded()).toBe(before);
});

it('a long string with very many escapes is no such shape and passes', async () => {
  const { answer } = await client.post(
    `{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"allowed","arguments":{"a":"${'\\"[{,'.repeat(500_000)}"}}}`,
  );
  expect(answer.result).toEqual(content('ok allowed'));
});

it.each(['keep-alive', 'close'])(
  'a client that writes all of a body of 50 MB sees that it was too large (%s)',
  async (connection) => {
    const socket = connect(Number(new URL(gateway.origin).port), '127.0.0.1');
    const seen = Promise.withResolvers<string>();
    socket.setEncoding('utf8').once('data', (text: string) => seen.resolve(text));
    socket.on('error', seen.reject);
    const head = `POST /mcp/web HTTP/1.1\r\nhost: localhost\r\nauthorization: ${gateway.authorization}\r\ncontent-type: application/json`;
    socket.write(`${head}\r\nconnection: ${connection}\r\ncontent-length: ${50 << 20}\r\n\r\n`);
    // Like clients that look at the answer only when they have sent everything.
    socket.pause();
    const piece = Buffer.alloc(1 << 20, 'x');
    for (let sent = 0; sent < 50; sent++) {
      await Promise.race([new Promise((resolve) => socket.write(piece, resolve)), seen.promise]);
    }
    socket.resume();
    expect(await seen.promise).toMatch(/^HTTP\/1\.1 413 /);
    socket.destroy();
  },
);

it('a request under an id that is in use is refused, and the running one can be cancelled', async () => {
  const running = client.request('tools/call', { name: 'slow' }, 5);
  await server.got('tools/call', { tool: 'slow' });
  const second = await client.request('tools/call', { name: 'slow' }, 5);
  expect(second.answer.error).toMatchObject({ code: -32600 });
  await client.notify('notifications/cancelled', { requestId: 5 });
  await running;
  await server.got('notifications/cancelled');
  await expect.poll(async () => (await gatewayStatus(gateway.origin, gateway.authorization)).requestsInFlight).toBe(0);
});

it('bytes that are not HTTP behind a running call are not answered as if they were that call', async () => {
  const before = server.messages.length;
  const socket = connect(Number(new URL(gateway.origin).port), '127.0.0.1');
  const closed = once(socket, 'close');
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
  const body = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow"}}';
  const head = `POST /mcp/web HTTP/1.1\r\nhost: localhost\r\nauthorization: ${gateway.authorization}\r\ncontent-type: application/json`;
  socket.write(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  await expect.poll(() => server.messages.slice(before).some(({ method }) => method === 'tools/call')).toBe(true);
  socket.write('NOT HTTP AT ALL\r\n\r\n');
  await closed;
  expect(answer).toBe('');
});
