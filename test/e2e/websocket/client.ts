/** A WebSocket client that sends exactly the texts that a test wants. */
import { once } from 'node:events';
import { WebSocket, type ClientOptions } from 'ws';
import type { RawMessage } from '../raw-client.ts';

export interface SocketClient extends AsyncDisposable {
  readonly socket: WebSocket;
  /** Everything that has come, parsed. */
  readonly received: readonly RawMessage[];
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
  send(message: object): void;
  /** Sends a request and gives its answer. */
  request(method: string, params?: object): Promise<RawMessage>;
  /** The first message, past or future, that `look` accepts. Rejects when the connection ends first. */
  until(look: (message: RawMessage) => boolean): Promise<RawMessage>;
}

/** Connects and, unless told not to, shakes hands. */
export async function connectSocket(
  url: string,
  authorization: string,
  options: { readonly session?: boolean; readonly capabilities?: object; readonly client?: ClientOptions } = {},
): Promise<SocketClient> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), 'mcp', {
    headers: { authorization },
    ...options.client,
  });
  const received: RawMessage[] = [];
  const watchers = new Set<() => void>();
  socket.on('message', (data) => {
    received.push(JSON.parse((data as Buffer).toString()) as RawMessage);
    for (const watcher of watchers) watcher();
  });
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  await once(socket, 'open');
  const until: SocketClient['until'] = (look) =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        const found = received.find(look);
        if (found === undefined) return;
        watchers.delete(check);
        resolve(found);
      };
      watchers.add(check);
      check();
      void closed.then((code) => reject(new Error(`closed with ${code}; received ${JSON.stringify(received)}`)));
    });
  let nextId = 1;
  const send = (message: object): void => socket.send(JSON.stringify({ jsonrpc: '2.0', ...message }));
  const request: SocketClient['request'] = (method, params) => {
    const id = nextId++;
    send({ id, method, params });
    return until((message) => message.id === id && message.method === undefined);
  };
  if (options.session !== false) {
    const clientInfo = { name: 'raw', version: '1' };
    const capabilities = options.capabilities ?? {};
    await request('initialize', { protocolVersion: '2025-11-25', capabilities, clientInfo });
    send({ method: 'notifications/initialized' });
  }
  return {
    socket,
    received,
    closed,
    send,
    request,
    until,
    [Symbol.asyncDispose]: async () => {
      socket.close();
      const force = setTimeout(() => socket.terminate(), 2_000);
      await closed;
      clearTimeout(force);
    },
  };
}

/** The HTTP answer to an upgrade that is refused. */
export async function refusal(
  url: string,
  headers: Readonly<Record<string, string>>,
  protocols: readonly string[] = ['mcp'],
): Promise<{ readonly status: number; readonly body: string }> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), [...protocols], { headers });
  return new Promise((resolve, reject) => {
    socket.once('open', () => reject(new Error('the upgrade was accepted')));
    socket.once('error', reject);
    socket.once('unexpected-response', (_request, response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
  });
}
