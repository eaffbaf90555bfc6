/** Connections that read into the same memory keep their bytes apart. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { SocketReader } from './socket-reader.ts';

/** A connection to a server that sends this. */
async function reading(bytes: Buffer): Promise<{ socket: Socket; pieces: Buffer[] }> {
  const server = createServer((socket) => socket.on('error', () => undefined).end(bytes));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const reader = new SocketReader();
  const pieces: Buffer[] = [];
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1', onread: reader.onread });
  reader.onPiece = (piece) => pieces.push(piece);
  onTestFinished(() => {
    socket.destroy();
    server.close();
  });
  return { socket, pieces };
}

test.each([10, 20_000, 5_000_000])('%d bytes on each of several connections stay what they were', async (size) => {
  const all = await Promise.all(['a', 'b', 'c'].map((letter) => reading(Buffer.alloc(size, letter))));
  await Promise.all(all.map(({ socket }) => once(socket, 'close')));
  expect(all.map(({ pieces }) => Buffer.concat(pieces).equals(Buffer.alloc(size, pieces[0]?.[0])))).toEqual([
    true,
    true,
    true,
  ]);
  expect(all.map(({ pieces }) => pieces[0]?.toString('latin1', 0, 1))).toEqual(['a', 'b', 'c']);
});

test('while the connection is paused nothing is read', async () => {
  const { socket, pieces } = await reading(Buffer.alloc(64 * 1024 * 1024, 'x'));
  await expect.poll(() => pieces.length).toBeGreaterThan(0);
  socket.pause();
  const count = pieces.length;
  await once(socket.setTimeout(200), 'timeout');
  expect(pieces).toHaveLength(count);
  socket.setTimeout(0).resume();
  await once(socket, 'close');
  expect(pieces.reduce((bytes, { length }) => bytes + length, 0)).toBe(64 * 1024 * 1024);
});
