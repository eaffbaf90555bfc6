/** Large requests reach their server unchanged, hostile ones are refused for what they are, and all of them together hold no more than they may. */
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { modernClient, type ModernClient } from '../modern-raw-client.ts';
import { startByteServer, type ByteServer } from './byte-server.ts';

const MIB = 1024 * 1024;
const META =
  '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}';
const HEADERS = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
  'mcp-name': 'tool',
};
const callOf = (args: string): string =>
  `{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{${META},"name":"tool","arguments":${args}}}`;

describe.each([
  { path: 'the fast path', args: [] },
  { path: 'node:http', args: ['--fast-path', 'off'] },
])('over $path', ({ args }) => {
  const stack = new AsyncDisposableStack();
  const bodies: string[] = [];
  let held: (() => void)[] = [];
  let hold = false;
  let server: ByteServer;
  let gateway: RunningGateway;
  let client: ModernClient;

  beforeAll(async () => {
    server = stack.use(
      await startByteServer(({ id, body, response }) => {
        bodies.push(body);
        const answer = (): void =>
          void response
            .writeHead(200, { 'content-type': 'application/json' })
            .end(`{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","content":[]}}`);
        if (hold) held.push(answer);
        else answer();
      }),
    );
    const config = {
      mcpServers: { web: { type: 'http', url: server.url } },
      gateway: { maxBodyBytes: 16 * MIB, maxHeldBodyBytes: 24 * MIB },
    };
    gateway = stack.use(await startGateway({ config, args: [...args] }));
    client = modernClient(gateway.url('web'), gateway.authorization);
  });
  afterAll(() => stack.disposeAsync());

  const post = async (body: string | ReadableStream<Uint8Array>): Promise<{ status: number; answer: unknown }> => {
    const headers = { ...HEADERS, authorization: gateway.authorization };
    const options = { method: 'POST', headers, body, duplex: 'half' } as const;
    const response = await fetch(gateway.url('web'), options);
    return { status: response.status, answer: await response.json() };
  };

  it.each([
    { kind: 'of one string', value: JSON.stringify({ text: 'x'.repeat(15 * MIB) }) },
    { kind: 'with characters of several bytes', value: JSON.stringify({ text: 'é🏰'.repeat(MIB), n: 1 }) },
    { kind: 'of many values', value: `{"list": [${'1.50, '.repeat(90_000)} 12345678901234567890]}` },
    { kind: 'just above the size that is looked at', value: JSON.stringify({ text: 'x'.repeat(70_000) }) },
    { kind: 'that the fast path still takes', value: JSON.stringify({ é: 'x'.repeat(200_000) }) },
  ])('a request $kind reaches its server unchanged but for its id', async ({ value }) => {
    const body = callOf(value);
    expect(await post(body)).toMatchObject({ status: 200, answer: { id: 'mine' } });
    const given = bodies.at(-1) ?? '';
    expect(given.replace(/"id":\d+/, '"id":"mine"') === body).toBe(true);
  });

  it('a request that comes in chunks of unknown number as well', async () => {
    const body = callOf(JSON.stringify({ text: 'é'.repeat(200_000) }));
    const bytes = new TextEncoder().encode(body);
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += 9_999) controller.enqueue(bytes.slice(at, at + 9_999));
        controller.close();
      },
    });
    expect(await post(stream)).toMatchObject({ status: 200, answer: { id: 'mine' } });
    expect(bodies.at(-1)?.replace(/"id":\d+/, '"id":"mine"') === body).toBe(true);
  });

  it.each([
    { shape: 'a depth of a million', body: `{"a":${'['.repeat(1_000_000)}`, code: -32_600, says: '128 levels' },
    { shape: 'objects in objects', body: '{"a":'.repeat(200_000), code: -32_600, says: '128 levels' },
    { shape: 'a million keys', body: callOf(`{${keys(1_000_000)}}`), code: -32_600, says: '100000 values' },
    { shape: 'a million integers', body: callOf(`[${'1,'.repeat(1_000_000)}1]`), code: -32_600, says: '100000 values' },
    { shape: 'a number without end', body: callOf(`[${'9'.repeat(MIB)}]`), code: -32_600, says: '1000 characters' },
    { shape: 'a key without end', body: `{"${'k'.repeat(MIB)}":1}`, code: -32_600, says: '4096 bytes' },
    {
      shape: 'a method that stands twice',
      body: `{"pad":"${'x'.repeat(MIB)}","method":"a","m\\u0065thod":"b"}`,
      code: -32_600,
      says: 'twice',
    },
    { shape: 'a null byte', body: callOf(`"${'x'.repeat(MIB)}\u0000"`), code: -32_700, says: 'not valid JSON' },
    {
      shape: 'a byte order mark',
      body: `\ufeff${callOf(`"${'x'.repeat(MIB)}"`)}`,
      code: -32_700,
      says: 'not valid JSON',
    },
    { shape: 'an early end', body: callOf(`"${'x'.repeat(MIB)}"`).slice(0, -2), code: -32_700, says: 'not valid JSON' },
    { shape: 'a batch of a million', body: `[${'{},'.repeat(1_000_000)}{}]`, code: -32_600, says: '100000 values' },
    {
      shape: 'a batch of ten thousand',
      body: `[${'{"a":123456},'.repeat(10_000)}{}]`,
      code: -32_600,
      says: '1 to 100 messages',
    },
  ])('$shape is refused, and says why', async ({ body, code, says }) => {
    const { status, answer } = await post(body);
    expect(status).toBe(400);
    expect(answer).toMatchObject({ error: { code, message: expect.stringContaining(says) as unknown } });
  });

  it('infinite numbers and lone surrogates pass as they are', async () => {
    const body = callOf(`{"a":1e400,"b":"\\ud800","pad":"${'x'.repeat(100_000)}"}`);
    expect(await post(body)).toMatchObject({ status: 200 });
    expect(bodies.at(-1)?.includes('"a":1e400,"b":"\\ud800"')).toBe(true);
  });

  it('bytes that are not UTF-8 are refused', async () => {
    const bytes = Buffer.from(callOf(`{"a":"?","pad":"${'x'.repeat(100_000)}"}`));
    bytes[bytes.indexOf('"?"') + 1] = 0xff;
    const headers = { ...HEADERS, authorization: gateway.authorization };
    const response = await fetch(gateway.url('web'), { method: 'POST', headers, body: bytes });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { code: -32_700, message: expect.stringContaining('UTF-8') as unknown },
    });
  });

  it('what large requests hold together is bounded, and given back', async () => {
    hold = true;
    const body = callOf(JSON.stringify({ text: 'x'.repeat(10 * MIB) }));
    const first = [post(body), post(body)];
    await expect.poll(() => held.length).toBe(2);
    const refused = await post(body);
    expect(refused).toMatchObject({ status: 503, answer: { error: { data: { error: 'too_many_bodies' } } } });
    // Small ones are not concerned.
    const small = client('tools/call', { name: 'tool' });
    await expect.poll(() => held.length).toBe(3);
    hold = false;
    for (const answer of held.splice(0)) answer();
    held = [];
    expect((await Promise.all(first)).map(({ status }) => status)).toEqual([200, 200]);
    expect((await small).status).toBe(200);
    expect((await post(body)).status).toBe(200);
  });

  it('a body that announces its length holds it from its first byte, until its client leaves', async () => {
    const begun: Socket[] = [];
    const status = async (): Promise<number> => (await post(callOf(JSON.stringify('x'.repeat(MIB))))).status;
    const refused = async (): Promise<number> => {
      begun.push(begin(gateway, 12 * MIB));
      return status();
    };
    await expect.poll(refused).toBe(503);
    for (const socket of begun) socket.destroy();
    await expect.poll(status).toBe(200);
  });
});

function keys(count: number): string {
  return Array.from({ length: count }, (_, index) => `"k${index}":1`).join(',');
}

/** Sends the head of a request and one byte of its body. */
function begin(gateway: RunningGateway, length: number): Socket {
  const { hostname, port, pathname } = new URL(gateway.url('web'));
  const socket = connect({ host: hostname, port: Number(port) });
  const headers = Object.entries({ ...HEADERS, authorization: gateway.authorization, 'content-length': length });
  socket.on('error', () => undefined);
  socket.write(
    `POST ${pathname} HTTP/1.1\r\nhost: ${hostname}:${port}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n{`,
  );
  return socket;
}
