/** Clients that read slowly or not at all, on the fast path: they cost little, and no others. */
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { ClientResponse } from '../../src/proxy/client-response.ts';
import { cutWhenStalled } from '../../src/proxy/downstream/stalled-reader.ts';
import { FastPath } from '../../src/proxy/fast/fast-path.ts';

const REQUEST = 'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}';
/** More than the operating system takes for a client that does not read. */
const LARGE = 'x'.repeat(16 * 1024 * 1024);

interface Served {
  /** A client of it. */
  readonly client: Socket;
  /** Its other end. */
  readonly socket: Promise<Socket>;
  /** Paths that Node was asked for. */
  readonly asked: string[];
}

async function serve(
  onRequest: (response: ClientResponse) => void,
  { keepAliveTimeoutMs = 60_000, allowHalfOpen = false } = {},
): Promise<Served> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    request.resume();
    response.end('node');
  });
  const path = new FastPath(server, {
    event: 'connection',
    headersTimeoutMs: 60_000,
    keepAliveTimeoutMs,
    methods: ['POST'],
    onRequest: (_request, response) => onRequest(response),
    onLate: (socket) => socket.destroy(),
  });
  const socket = new Promise<Socket>((resolve) => {
    server.once('connection', resolve);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen });
  client.on('error', () => undefined);
  onTestFinished(async () => {
    client.destroy();
    path[Symbol.dispose]();
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  });
  return { client, socket, asked };
}

function answer(response: ClientResponse, text: string, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(200, { 'content-length': text.length, ...headers });
  response.end(text);
  cutWhenStalled(response);
}

/** Reads until so many bytes have come. */
async function read(client: Socket, bytes: number): Promise<number> {
  let count = 0;
  for await (const chunk of client.iterator({ destroyOnReturn: false })) {
    count += (chunk as Buffer).length;
    if (count >= bytes) break;
  }
  return count;
}

test('B5 a client that sends requests and reads no answers is answered no further, until it reads', async () => {
  let answered = 0;
  const { client, socket } = await serve((response) => {
    answered++;
    answer(response, LARGE);
  });
  client.pause();
  client.write(REQUEST);
  await expect.poll(() => answered).toBe(1);
  client.write(REQUEST);
  const served = await socket;
  await delay(500);
  expect(answered).toBe(1);
  expect(served.writableLength).toBeLessThan(2 * LARGE.length);
  await read(client, 2 * LARGE.length);
  expect(answered).toBe(2);
});

test('large answers leave nothing behind on the connection', async () => {
  const { client, socket, asked } = await serve((response) => answer(response, LARGE));
  for (let round = 0; round < 12; round++) {
    client.write(REQUEST);
    await read(client, LARGE.length);
  }
  const served = await socket;
  await expect.poll(() => [served.listenerCount('timeout'), served.timeout ?? 0]).toEqual([0, 0]);
  client.write('GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await expect.poll(() => asked).toEqual(['/other']);
});

test('a client that is still reading is not idle', async () => {
  const { client } = await serve((response) => answer(response, LARGE), { keepAliveTimeoutMs: 100 });
  client.pause();
  client.write(REQUEST);
  await delay(2_500);
  expect(await read(client, LARGE.length)).toBeGreaterThan(LARGE.length);
});

test('an answer that ends the connection ends it, also for a client that does not', async () => {
  const { client, socket } = await serve((response) => answer(response, 'last', { connection: 'close' }), {
    allowHalfOpen: true,
  });
  client.resume();
  client.write(REQUEST);
  const served = await socket;
  await expect.poll(() => served.destroyed).toBe(true);
});

test('a stream that was quiet for long is still watched', async () => {
  let response: ClientResponse | undefined;
  const { client, socket } = await serve((given) => {
    response = given;
    given.writeHead(200, { 'content-type': 'text/event-stream' });
    given.write(LARGE);
    cutWhenStalled(given, 2_000);
  });
  client.write(REQUEST);
  await read(client, LARGE.length);
  await delay(4_000);
  client.pause();
  response?.write(LARGE.repeat(4));
  const served = await socket;
  await expect.poll(() => served.destroyed).toBe(true);
});

test('what is written behind the end of an answer reaches nobody', async () => {
  const { client } = await serve((response) => {
    answer(response, 'one');
    expect(response.write('HTTP/1.1 200 OK\r\n\r\n')).toBe(false);
  });
  let text = '';
  client.on('data', (chunk: Buffer) => (text += chunk.toString()));
  client.write(REQUEST);
  await expect.poll(() => text).toMatch(/one$/);
});

test('a body in thousands of pieces is left to Node', async () => {
  const { client, asked } = await serve((response) => answer(response, 'fast'));
  client.setNoDelay(true);
  client.write('POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n');
  for (let sent = 0; sent < 5_000; sent++) {
    client.write('x');
    await new Promise(setImmediate);
  }
  await expect.poll(() => asked).toEqual(['/mcp']);
});

test('a client that ends while its last request is in another form ends nothing else', async () => {
  let release: ((text: string) => void) | undefined;
  const { client, socket } = await serve((response) => {
    release = (text) => answer(response, text);
  });
  client.pause();
  client.write(REQUEST);
  const served = await socket;
  await expect.poll(() => release).toBeDefined();
  client.end('GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n');
  release?.(LARGE.repeat(4));
  client.resume();
  await expect.poll(() => served.destroyed).toBe(true);
});
