/** Many clients that listen, over SSE or WebSocket, and notice each event that is missing. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { WebSocket } from 'ws';

export interface StreamTarget {
  /** `https://localhost:<port>` */
  readonly origin: string;
  readonly server: string;
  readonly authorization: string;
  /** PEM. */
  readonly ca: Buffer;
  /** PEM. */
  readonly client?: { readonly cert: Buffer; readonly key: Buffer };
}

export interface Listening {
  /** The number of the last event; undefined before the first. */
  readonly last: number | undefined;
  readonly events: number;
  /** Numbers that were skipped. */
  readonly missed: number;
  /** True when the connection has ended. */
  readonly dropped: boolean;
  close(): void;
}

const PROTOCOL = '2025-11-25';
const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: PROTOCOL, capabilities: {}, clientInfo: { name: 'listener', version: '1' } },
};
const LIST_TOOLS = { jsonrpc: '2.0', id: 2, method: 'tools/list', params: {} };

class Counter implements Listening {
  last: number | undefined;
  events = 0;
  missed = 0;
  dropped = false;
  readonly close: () => void;

  constructor(close: () => void) {
    this.close = close;
  }

  see(seq: number): void {
    if (this.last !== undefined) this.missed += seq - this.last - 1;
    this.last = seq;
    this.events += 1;
  }
}

/** Opens so many SSE streams, each with a session of its own, a few at a time. */
export async function openEventStreams(
  target: StreamTarget,
  count: number,
  atOnce = 32,
): Promise<readonly Listening[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce, ca: target.ca, ...target.client });
  try {
    return await severalAtOnce(count, atOnce, () => openEventStream(target, agent));
  } finally {
    agent.destroy();
  }
}

export async function openWebSockets(target: StreamTarget, count: number, atOnce = 32): Promise<readonly Listening[]> {
  return severalAtOnce(count, atOnce, () => openWebSocket(target));
}

async function severalAtOnce<T>(count: number, atOnce: number, make: () => Promise<T>): Promise<readonly T[]> {
  const made: T[] = [];
  let left = count;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      made.push(await make());
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker));
  return made;
}

async function openEventStream(target: StreamTarget, agent: Agent): Promise<Listening> {
  const opened = await post(target, agent, INITIALIZE, {});
  const session = { 'mcp-session-id': String(opened.headers['mcp-session-id']) };
  await post(target, agent, { jsonrpc: '2.0', method: 'notifications/initialized' }, session);
  // Who has asked for a list is told when it changes.
  await post(target, agent, LIST_TOOLS, session);
  const request = httpsRequest(urlOf(target), {
    agent: false,
    ca: target.ca,
    ...target.client,
    headers: { authorization: target.authorization, accept: 'text/event-stream', ...session },
  });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`no stream: ${response.statusCode}`);
  const counter = new Counter(() => request.destroy());
  let rest = '';
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) see(counter, line);
  });
  response.on('error', () => (counter.dropped = true));
  response.on('close', () => (counter.dropped = true));
  request.on('error', () => (counter.dropped = true));
  return counter;
}

async function openWebSocket(target: StreamTarget): Promise<Listening> {
  const url = urlOf(target).replace(/^https/, 'wss');
  const socket = new WebSocket(url, 'mcp', {
    ca: target.ca,
    ...target.client,
    headers: { authorization: target.authorization },
  });
  await once(socket, 'open');
  const counter = new Counter(() => socket.terminate());
  const listed = Promise.withResolvers<void>();
  socket.on('message', (data: Buffer) => {
    const text = data.toString();
    if (text.includes('"id":2')) listed.resolve();
    see(counter, text);
  });
  socket.on('close', () => {
    counter.dropped = true;
    listed.reject(new Error('the WebSocket was closed'));
  });
  const initialized = once(socket, 'message');
  socket.send(JSON.stringify(INITIALIZE));
  await initialized;
  socket.send(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }));
  socket.send(JSON.stringify(LIST_TOOLS));
  await listed.promise;
  return counter;
}

function see(counter: Counter, text: string): void {
  const seq = /"seq":(\d+)/.exec(text)?.[1];
  if (seq !== undefined) counter.see(Number(seq));
}

async function post(
  target: StreamTarget,
  agent: Agent,
  message: object,
  headers: Readonly<Record<string, string>>,
): Promise<IncomingMessage> {
  const body = JSON.stringify(message);
  const request = httpsRequest(urlOf(target), {
    agent,
    method: 'POST',
    headers: {
      authorization: target.authorization,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      accept: 'application/json, text/event-stream',
      ...headers,
    },
  });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  if (response.statusCode !== 200 && response.statusCode !== 202) throw new Error(`answered ${response.statusCode}`);
  return response;
}

function urlOf({ origin, server }: StreamTarget): string {
  return `${origin}/mcp/${server}`;
}
