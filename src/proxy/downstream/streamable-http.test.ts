/** What a GET leaves behind whose stream has ended, or whose client has left. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Admitted } from '../exchange.ts';
import { FastResponse } from '../fast/fast-response.ts';
import type { Front } from '../front.ts';
import { handleGet } from './streamable-http.ts';
import { StreamLog } from './stream-log.ts';

const ADMITTED = { requestId: 'r', principal: {}, route: { kind: 'unified' } } as unknown as Admitted;

let client: Socket;
let socket: Socket;
let received: string;
let close: () => void;

beforeEach(async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const connected = once(server, 'connection');
  client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  received = '';
  client.on('data', (chunk) => (received += chunk.toString()));
  [socket] = (await connected) as [Socket];
  close = () => {
    client.destroy();
    socket.destroy();
    server.close();
  };
});

afterEach(() => close());

/** A gateway with one session, and what is kept for it. */
function gatewayWith(log: StreamLog) {
  const beating = new Set<unknown>();
  const streams = new Set<unknown>();
  const session = {
    protocolVersion: '2025-11-25',
    log,
    sessionId: 's',
    lastUsed: 0,
    addStream: (stream: unknown) => streams.add(stream),
    removeStream: (stream: unknown) => streams.delete(stream),
  };
  const front = {
    sessions: { find: () => session },
    draining: () => false,
    heartbeat: { add: (stream: unknown) => beating.add(stream), remove: (stream: unknown) => beating.delete(stream) },
  } as unknown as Front;
  return { front, beating, streams };
}

function response(): FastResponse {
  return new FastResponse({ socket, encrypted: false, keepAliveSeconds: 5, ending: false, onFinish: () => undefined });
}

function get(headers: Readonly<Record<string, string>> = {}) {
  return { method: 'GET', url: '/mcp', headers: { 'mcp-session-id': 's', accept: 'text/event-stream', ...headers } };
}

describe('a GET on the fast path', () => {
  it.each([
    { stream: 'the answer to a call', standing: false },
    { stream: 'a stream of the session', standing: true },
  ])('leaves nothing when $stream that it resumes has ended', async ({ standing }) => {
    const log = new StreamLog();
    const ended = log.open(standing);
    ended.send('{"a":1}');
    ended.end('{"b":2}');
    const { front, beating, streams } = gatewayWith(log);
    handleGet(front, get({ 'last-event-id': '1-0' }) as never, response(), ADMITTED);
    await expect.poll(() => received).toContain('{"b":2}');
    expect(received.endsWith('0\r\n\r\n')).toBe(true);
    expect([beating.size, streams.size]).toEqual([0, 0]);
  });

  it('opens no stream for a client that has left meanwhile', () => {
    const { front, beating, streams } = gatewayWith(new StreamLog());
    const gone = response();
    gone.lost();
    expect(() => handleGet(front, get() as never, gone, ADMITTED)).toThrow('The caller has left.');
    expect([beating.size, streams.size]).toEqual([0, 0]);
  });

  it('is kept alive for as long as it is open', () => {
    const { front, beating, streams } = gatewayWith(new StreamLog());
    const open = response();
    handleGet(front, get() as never, open, ADMITTED);
    expect([beating.size, streams.size]).toEqual([1, 1]);
    open.lost();
    expect([beating.size, streams.size]).toEqual([0, 0]);
  });
});
