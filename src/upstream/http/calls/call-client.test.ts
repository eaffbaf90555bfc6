/** Calls over pooled connections: none gets the answer to another, none waits for nothing. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Cancellation } from '../../../shared/cancellation.ts';
import { CallClient, TooManyCallsError, type CallRequest } from './call-client.ts';
import { ConnectionEndedError, type Reply } from './call-connection.ts';

const ONE = { maxConnections: 1 };
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** A server that is told of every piece that comes, and a client for it. */
async function pair(
  onData: (socket: Socket, chunk: Buffer) => void,
  { maxConnections = 8, maxWaiting = 100, idleTimeoutMs = 60_000, onConnection = (_socket: Socket): void => {} } = {},
) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => onData(socket, chunk));
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ends: Socket[] = [];
  const client = new CallClient({
    host: 'localhost',
    connect: (done) => {
      const socket = connect(port, '127.0.0.1');
      ends.push(socket);
      socket.once('connect', () => done(null, socket));
      socket.once('error', (error) => done(error, null));
    },
    maxConnections,
    maxWaiting,
    idleTimeoutMs,
  });
  onTestFinished(() => {
    client.destroy();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { client, sockets, ends, server };
}

function call({ signal = new Cancellation(), body = '{}', headersTimeoutMs = 0, bodyTimeoutMs = 0 } = {}): CallRequest {
  return { path: '/', headers: {}, body, signal, headersTimeoutMs, bodyTimeoutMs };
}

function send(client: CallClient, request: CallRequest): Promise<Reply> {
  return new Promise((onReply, onError) => client.begin(request, { onReply, onError }));
}

function text({ body }: Reply): Promise<string> {
  return new Promise((resolve, reject) => {
    let read = '';
    body.read({ onData: (chunk) => (read += chunk.toString()), onEnd: () => resolve(read), onError: reject });
  });
}

test('an answer that comes behind another in one piece is nobody’s, also while a call waits', async () => {
  let connections = 0;
  const { client, sockets } = await pair((socket) => {
    connections = sockets.length;
    socket.write(connections === 1 ? `${OK}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged` : OK);
  }, ONE);
  const replies = [send(client, call()), send(client, call())];
  expect(await Promise.all(replies.map(async (reply) => text(await reply)))).toEqual(['ok', 'ok']);
  expect(sockets).toHaveLength(2);
});

test('a whole answer leaves its connection to the next call', async () => {
  const { client, sockets } = await pair((socket) => void socket.write(OK), ONE);
  const replies = [1, 2, 3].map(() => send(client, call()));
  expect(await Promise.all(replies.map(async (reply) => text(await reply)))).toEqual(['ok', 'ok', 'ok']);
  expect(sockets).toHaveLength(1);
});

test('a call that waits for a connection and is taken back ends at once', async () => {
  const { client } = await pair(() => undefined, ONE);
  const first = send(client, call());
  first.catch(() => undefined);
  const taken = new Cancellation();
  const second = send(client, call({ signal: taken }));
  taken.abort(new Error('taken back'));
  await expect(second).rejects.toThrow('taken back');
});

test('nothing is sent on a connection that stood after everything was cut', async () => {
  let pieces = 0;
  const { client } = await pair((socket) => {
    pieces++;
    socket.write(OK);
  });
  const late = send(client, call());
  client.destroy();
  await expect(late).rejects.toThrow(ConnectionEndedError);
  expect(pieces).toBe(0);
});

test('a connection that the server has ended is used no more, and nothing is sent on it', async () => {
  let calls = 0;
  const { client, sockets, ends } = await pair((socket) => {
    calls++;
    socket.write(OK);
  }, ONE);
  await text(await send(client, call()));
  sockets[0]?.end();
  await once(ends[0] as Socket, 'end');
  // In the same turn: the connection is not closed yet.
  expect(await text(await send(client, call()))).toBe('ok');
  expect(sockets).toHaveLength(2);
  expect(calls).toBe(2);
});

test('a call on a connection that the server ends at that moment fails, and is not sent again', async () => {
  let calls = 0;
  const { client } = await pair((socket) => {
    if (++calls === 1) socket.write(OK);
    else socket.destroy();
  });
  await text(await send(client, call()));
  await expect(send(client, call())).rejects.toMatchObject({ name: 'ConnectionEndedError', bytesRead: 0 });
  expect(calls).toBe(2);
});

test('a connection whose server answered before it had read the call is not used for another', async () => {
  const { client, sockets } = await pair((socket) => {
    if (sockets.length > 1) socket.write(OK);
    else if (!socket.isPaused()) {
      socket.pause();
      socket.write('HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno');
    }
  }, ONE);
  const reply = await send(client, call({ body: 'x'.repeat(16 * 1024 * 1024) }));
  expect(reply.head.status).toBe(413);
  expect(await text(reply)).toBe('no');
  expect(await text(await send(client, call()))).toBe('ok');
  expect(sockets).toHaveLength(2);
});

test('bytes that come while nothing was asked end the connection', async () => {
  const { client, sockets } = await pair((socket) => void socket.write(OK), ONE);
  await text(await send(client, call()));
  const closed = once(sockets[0] as Socket, 'close');
  sockets[0]?.write('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged');
  await closed;
  expect(await text(await send(client, call()))).toBe('ok');
});

test('no more connections are opened, and no more calls wait, than was said', async () => {
  const { client, sockets } = await pair(() => undefined, { maxConnections: 2, maxWaiting: 3 });
  const calls = Array.from({ length: 6 }, () => send(client, call()));
  const outcomes = Promise.allSettled(calls);
  await expect(calls[5]).rejects.toThrow(TooManyCallsError);
  await expect.poll(() => sockets.length).toBe(2);
  client.destroy();
  expect((await outcomes).map(({ status }) => status)).toEqual(Array(6).fill('rejected'));
  expect(sockets).toHaveLength(2);
});

test('a call that was taken back while it waited leaves its place to another', async () => {
  const { client } = await pair(() => undefined, { maxConnections: 1, maxWaiting: 1 });
  send(client, call()).catch(() => undefined);
  for (let count = 0; count < 1_000; count++) {
    const signal = new Cancellation();
    const waiting = send(client, call({ signal }));
    signal.abort(new Error('taken back'));
    await expect(waiting).rejects.toThrow('taken back');
  }
});

test.each<[string, string]>([
  ['before its connection stands', 'connect'],
  ['before the answer', 'head'],
  ['in the middle of the answer', 'body'],
])('a call that is taken back %s ends its connection and no other', async (_name, phase) => {
  const { client, sockets } = await pair((socket, chunk) => {
    const isFirst = chunk.includes('first');
    if (!isFirst) socket.write(OK);
    else if (phase === 'body') socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart');
  });
  const signal = new Cancellation();
  const first = send(client, call({ signal, body: 'first' }));
  const other = send(client, call());
  if (phase === 'connect') signal.abort(new Error('taken back'));
  else if (phase === 'head') {
    await text(await other);
    signal.abort(new Error('taken back'));
  } else {
    const reading = text(await first);
    signal.abort(new Error('taken back'));
    await expect(reading).rejects.toThrow('taken back');
  }
  if (phase !== 'body') await expect(first).rejects.toThrow('taken back');
  expect(await text(await send(client, call()))).toBe('ok');
  if (phase !== 'connect') await expect.poll(() => sockets.filter(({ destroyed }) => destroyed).length).toBe(1);
});

test('taking a call back that was answered harms nobody', async () => {
  const { client, sockets } = await pair((socket) => void socket.write(OK), ONE);
  const signal = new Cancellation();
  await text(await send(client, call({ signal })));
  const next = send(client, call());
  signal.abort(new Error('too late'));
  expect(await text(await next)).toBe('ok');
  expect(sockets).toHaveLength(1);
});

test('a head that comes byte by byte must be there in time nevertheless, interim answers or not', async () => {
  const { client } = await pair((socket) => {
    socket.write('HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nx: ');
    const timer = setInterval(() => socket.write('y'), 20);
    socket.once('close', () => clearInterval(timer));
  });
  await expect(send(client, call({ headersTimeoutMs: 300 }))).rejects.toMatchObject({
    code: 'UND_ERR_HEADERS_TIMEOUT',
  });
});

test('a body that stops is given up, and one that goes on is not', async () => {
  const { client } = await pair((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n');
    let sent = 0;
    const timer = setInterval(() => {
      if (++sent <= 8) socket.write('y');
    }, 500);
    socket.once('close', () => clearInterval(timer));
  });
  let read = '';
  const { body } = await send(client, call({ bodyTimeoutMs: 3_000 }));
  const failure = await new Promise((resolve) => {
    body.read({ onData: (chunk) => (read += chunk.toString()), onEnd: () => resolve('end'), onError: resolve });
  });
  expect(failure).toMatchObject({ code: 'UND_ERR_BODY_TIMEOUT' });
  expect(read).toBe('yyyyyyyy');
});

test('an answer that nobody reads stays with the server', async () => {
  const size = 64 * 1024 * 1024;
  const { client, sockets, ends } = await pair((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
    socket.write(Buffer.alloc(size, 'x'));
  });
  const { body } = await send(client, call());
  await expect.poll(() => ends[0]?.isPaused()).toBe(true);
  expect(sockets[0]?.writableLength).toBeGreaterThan(size / 2);
  let read = 0;
  await new Promise<void>((resolve, reject) => {
    body.read({ onData: (chunk) => (read += chunk.length), onEnd: resolve, onError: reject });
  });
  expect(read).toBe(size);
});

test('what is free is closed when its time is over, and used no more when the server says so', async () => {
  const { client, sockets } = await pair((socket) => void socket.write(OK), { idleTimeoutMs: 200 });
  await text(await send(client, call()));
  await expect.poll(() => sockets[0]?.destroyed).toBe(true);
  const hint = OK.replace('OK', 'OK\r\nkeep-alive: timeout=1');
  const hinted = await pair((socket) => void socket.write(hint));
  for (let count = 0; count < 3; count++) expect(await text(await send(hinted.client, call()))).toBe('ok');
  expect(hinted.sockets).toHaveLength(3);
});

test('a client that is retired ends with its last call', async () => {
  const waiting: Socket[] = [];
  const { client, sockets } = await pair((socket, chunk) => {
    if (chunk.includes('slow')) waiting.push(socket);
    else socket.write(OK);
  });
  const slow = send(client, call({ body: 'slow' }));
  await text(await send(client, call()));
  await expect.poll(() => waiting.length).toBe(1);
  client.retire();
  expect(client.inUse).toBe(true);
  await expect.poll(() => sockets.filter(({ destroyed }) => destroyed).length).toBe(1);
  waiting[0]?.write(OK);
  expect(await text(await slow)).toBe('ok');
  await expect.poll(() => client.inUse).toBe(false);
  await expect.poll(() => sockets.every(({ destroyed }) => destroyed)).toBe(true);
});

test('calls that wait get their turn also when connections cannot be opened', async () => {
  const { client, server } = await pair((socket) => void socket.write(OK), ONE);
  server.close();
  await once(server, 'close');
  const calls = [1, 2, 3].map(() => send(client, call()));
  for (const each of calls) await expect(each).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test.each<[string, Record<string, string>]>([
  ['a value', { x: 'a\r\nb: c' }],
  ['the Host', { host: 'a\r\nb: c' }],
  ['a value with NUL', { x: 'a\0' }],
])('a line break in %s is never sent', async (_name, headers) => {
  const { client, sockets } = await pair((socket) => void socket.write(OK));
  await expect(send(client, { ...call(), headers })).rejects.toThrow(TypeError);
  expect(sockets).toHaveLength(0);
});
