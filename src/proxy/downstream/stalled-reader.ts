/** Cuts off clients that stop reading: what waits for them would stay in memory for as long as they like. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** So long a client may take without reading anything of what waits for it. */
const PATIENCE_MS = 60_000;

const WATCHED = new WeakSet<Socket>();

/** Call it after writing. Does nothing unless something is waiting; watches each connection once at a time. */
export function cutWhenStalled(response: ServerResponse): void {
  const { socket } = response;
  if (socket === null || socket.writableLength === 0 || WATCHED.has(socket)) return;
  WATCHED.add(socket);
  let read = socket.bytesWritten - socket.writableLength;
  const timer = setInterval(() => {
    const now = socket.bytesWritten - socket.writableLength;
    if (socket.writableLength === 0 || socket.destroyed) stop();
    else if (now === read) socket.destroy();
    else read = now;
  }, PATIENCE_MS);
  timer.unref();
  const stop = (): void => {
    clearInterval(timer);
    WATCHED.delete(socket);
  };
  socket.once('close', stop);
}
