/** Calls a tool on a bare connection of any kind, whose answer is read as fast as a test wants, or not at all. */
import { connect, type Socket } from 'node:net';
import type { RunningGateway } from '../../rig/gateway.ts';

export type ClientKind = 'modern' | 'legacy' | 'websocket' | 'sse';

export interface SlowClient {
  /** Paused once the call is made. */
  readonly socket: Socket;
  /** Resolves when that is so. */
  readonly asked: Promise<void>;
  /** Reads on until so many bytes have come, however they are framed, or the connection has ended; `rate` in bytes a second. Gives how many came, and the last ones. */
  read(bytes: number, rate?: number): Promise<{ readonly received: number; readonly end: string }>;
}

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};
const END_BYTES = 1_000;

/** Calls the tool `tool` of the server `web`. */
export function slowClient(gateway: RunningGateway, kind: ClientKind): SlowClient {
  const { hostname, port, pathname } = new URL(gateway.url('web'));
  const isModern = kind === 'modern';
  const params = { name: 'tool', ...(isModern && { _meta: META }) };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
  const open = (): Socket => connect({ host: hostname, port: Number(port) }).on('error', () => undefined);
  const head = (line: string, headers: readonly string[]): string =>
    `${[`${line} HTTP/1.1`, `Host: ${hostname}:${port}`, `Authorization: ${gateway.authorization}`, ...headers].join('\r\n')}\r\n\r\n`;
  const post = (path: string): string =>
    head(`POST ${path}`, [
      'Content-Type: application/json',
      'Accept: application/json, text/event-stream',
      ...(isModern
        ? ['MCP-Protocol-Version: 2026-07-28', 'Mcp-Method: tools/call', 'Mcp-Name: tool']
        : ['MCP-Protocol-Version: 2025-11-25']),
      `Content-Length: ${body.length}`,
    ]) + body;
  const socket = open();
  if (kind === 'sse') {
    socket.write(head(`GET ${pathname}/sse`, ['Accept: text/event-stream']));
    return clientOn(socket, (text) => {
      const path = /data: (\S+)\n/.exec(text)?.[1];
      if (path !== undefined) open().end(post(path)).resume();
      return path !== undefined;
    });
  }
  if (kind === 'websocket') {
    const key = Buffer.alloc(16, 'k').toString('base64');
    const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
    socket.write(head(`GET ${pathname}`, [...upgrade, `Sec-WebSocket-Key: ${key}`]));
    return clientOn(socket, (text) => {
      if (!text.includes('\r\n\r\n')) return false;
      // Masked with zeros.
      socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | body.length, 0, 0, 0, 0]), Buffer.from(body)]));
      return true;
    });
  }
  socket.write(post(pathname));
  return clientOn(socket);
}

/** `ask` is told what has come until it says that it has made the call; without it the call is made. */
function clientOn(socket: Socket, ask?: (text: string) => boolean): SlowClient {
  const asked = Promise.withResolvers<void>();
  let text = '';
  const onData = (chunk: Buffer): void => {
    text += chunk.toString('latin1');
    if (ask?.(text) !== true) return;
    socket.off('data', onData).pause();
    asked.resolve();
  };
  if (ask !== undefined) socket.on('data', onData);
  else asked.resolve();
  return {
    socket,
    asked: asked.promise,
    read: (bytes, rate) =>
      new Promise((resolve) => {
        let received = 0;
        let end = '';
        const done = (): void => resolve({ received, end });
        socket.on('data', (chunk: Buffer) => {
          received += chunk.length;
          end = (end + chunk.subarray(-END_BYTES).toString('latin1')).slice(-END_BYTES);
          if (received >= bytes) socket.destroy();
          else if (rate !== undefined) {
            socket.pause();
            setTimeout(() => socket.resume(), (chunk.length / rate) * 1_000);
          }
        });
        socket.once('close', done);
        socket.resume();
      }),
  };
}
