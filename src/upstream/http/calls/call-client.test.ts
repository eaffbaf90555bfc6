/** Calls over pooled connections: none gets the answer to another, none waits for nothing. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Cancellation } from '../../../shared/cancellation.ts';
import { CallClient, type CallRequest } from './call-client.ts';
import { ConnectionEndedError, type Reply } from './call-connection.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** A server that is told of every piece that comes, and a client for it. */
async function pair(onData: (socket: Socket) => void, maxConnections = 8) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => onData(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = new CallClient({
    connect: (done) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => done(null, socket));
      socket.once('error', (error) => done(error, null));
    },
    maxConnections,
    maxWaiting: 100,
    idleTimeoutMs: 60_000,
  });
  onTestFinished(() => {
    client.destroy();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { client, sockets };
}

function call(signal = new Cancellation()): CallRequest {
  return { path: '/', host: 'localhost', headers: {}, body: '{}', signal, headersTimeoutMs: 0, bodyTimeoutMs: 0 };
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
  }, 1);
  const replies = [client.request(call()), client.request(call())];
  expect(await Promise.all(replies.map(async (reply) => text(await reply)))).toEqual(['ok', 'ok']);
  expect(sockets).toHaveLength(2);
});

test('a whole answer leaves its connection to the next call', async () => {
  const { client, sockets } = await pair((socket) => void socket.write(OK), 1);
  const replies = [1, 2, 3].map(() => client.request(call()));
  expect(await Promise.all(replies.map(async (reply) => text(await reply)))).toEqual(['ok', 'ok', 'ok']);
  expect(sockets).toHaveLength(1);
});

test('a call that waits for a connection and is taken back ends at once', async () => {
  const { client } = await pair(() => undefined, 1);
  const first = client.request(call());
  first.catch(() => undefined);
  const taken = new Cancellation();
  const second = client.request(call(taken));
  taken.abort(new Error('taken back'));
  await expect(second).rejects.toThrow('taken back');
});

test('nothing is sent on a connection that stood after everything was cut', async () => {
  let pieces = 0;
  const { client } = await pair((socket) => {
    pieces++;
    socket.write(OK);
  });
  const late = client.request(call());
  client.destroy();
  await expect(late).rejects.toThrow(ConnectionEndedError);
  expect(pieces).toBe(0);
});
