/** No number of sessions, streams, containers or idle readers takes the service from others. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { AGENT } from '../../../src/auth/agent-id.ts';
import { cutWhenStalled } from '../../../src/proxy/downstream/stalled-reader.ts';
import { SessionStore } from '../../../src/proxy/session-store.ts';
import type { Session } from '../../../src/proxy/session.ts';
import { PLAIN } from '../../../src/proxy/names.ts';
import { View } from '../../../src/proxy/view/view.ts';
import { parseMessage } from '../../../src/mcp/message.ts';
import { UpstreamPool } from '../../../src/upstream/pool.ts';
import { textOfMessage, type Transport, type TransportEvents } from '../../../src/upstream/transport.ts';
import { startGateway } from '../../rig/gateway.ts';
import { rawClient } from '../raw-client.ts';
import { content, startFakeServer } from './fake-server.ts';
import { serve } from './serve.ts';
import { shellServerConfig } from './shell-server-config.ts';

const QUIET = pino({ enabled: false });

afterEach(() => {
  vi.useRealTimers();
});

it('more standing streams than a server may have connections for calls leave every call its connection', async () => {
  await using server = await startFakeServer({ capabilities: { tools: {} } });
  await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: server.url } } } });
  const sessions = 1040;
  const answers: unknown[] = [];
  const work = async (): Promise<void> => {
    for (let begun = 0; begun < sessions / 20; begun++) {
      const client = await rawClient(gateway.url('web'), gateway.authorization);
      answers.push((await client.request('tools/call', { name: 't' })).answer.result);
    }
  };
  await Promise.all(Array.from({ length: 20 }, work));
  expect(answers).toEqual(Array.from({ length: sessions }, () => content('ok t')));
  await server.listening(1025);
});

const NOTHING = new View({
  pools: new Map(),
  names: PLAIN,
  virtual: undefined,
  restricted: false,
  overrides: [],
  serverView: () => {
    throw new Error('there are no servers');
  },
});

function storeOf(principals: readonly string[]) {
  const ended: Session[] = [];
  const store = new SessionStore({ idleTimeoutMs: () => 60_000, onEnd: async (session) => void ended.push(session) });
  const create = (principal: string): Session =>
    store.create({
      caller: { ...AGENT, subject: principal, credential: principal, issuer: 'agent-id' },
      route: { kind: 'server', server: 'web' },
      view: NOTHING,
      unified: false,
      clientInfo: '{}',
      clientCapabilities: '{}',
      askable: false,
      protocolVersion: '2025-11-25',
    });
  const sessions = principals.map((principal, index) => Object.assign(create(principal), { lastUsed: index }));
  return { store, ended, create, sessions };
}

describe('10,000 sessions', () => {
  it('are the most, and one more ends the one that was idle for longest', async () => {
    const { store, ended, create, sessions } = storeOf(Array.from({ length: 20_000 }, () => 'alice'));
    await using _ = store;
    create('alice');
    expect(store.size).toBe(20_000);
    expect(ended).toEqual([sessions[0]]);
  });

  it('of one principal take none from another, and one more of his ends one of his own', async () => {
    const { store, ended, create, sessions } = storeOf(['bob', ...Array.from({ length: 19_999 }, () => 'alice')]);
    await using _ = store;
    create('alice');
    expect(ended).toEqual([sessions[1]]);
    create('carol');
    expect(ended).toEqual([sessions[1], sessions[0]]);
  });
});

/** A wire whose server shakes hands and then never says anything again. */
function hungWire(): Transport {
  let events: TransportEvents | undefined;
  const result = '{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"hung","version":"1"}}';
  return {
    listening: true,
    async open(given) {
      events = given;
    },
    async send(text) {
      const message = parseMessage(textOfMessage(text));
      if (message.method !== 'initialize') return;
      const answer = `{"jsonrpc":"2.0","id":${message.id ?? 'null'},"result":${result}}`;
      queueMicrotask(() => events?.onMessage(answer, undefined));
    },
    setProtocolVersion: () => undefined,
    close: async () => undefined,
    lastWords: () => [],
  };
}

function hungPool() {
  const opened: Transport[] = [];
  const create = (): Transport => {
    const wire = hungWire();
    opened.push(wire);
    return wire;
  };
  const pool = new UpstreamPool({
    config: shellServerConfig,
    candidates: [{ name: 'container', create }],
    isMismatch: () => false,
    clientInfo: '{}',
    log: QUIET,
    record: () => undefined,
    keepaliveIntervalMs: undefined,
  });
  return { pool, opened };
}

it('a hung server is opened anew although calls keep coming', async () => {
  vi.useFakeTimers();
  const { pool, opened } = hungPool();
  await using _ = pool;
  await pool.start({ retry: true });
  const ping = parseMessage('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}');
  const call = async (): Promise<unknown> =>
    (await pool.shared()).call(ping, { owner: {}, timeoutMs: 60_000, onMessage: () => undefined });
  // A call every five seconds, so that at every moment some are younger than the timeout of the server.
  for (let second = 0; second < 300 && opened.length === 1; second += 5) {
    call().catch(() => undefined);
    await vi.advanceTimersByTimeAsync(5_000);
  }
  expect(opened).toHaveLength(2);
});

it('sessions with containers of their own have at most 100 of one server', async () => {
  const { pool, opened } = hungPool();
  await using _ = pool;
  const { store, sessions } = storeOf(Array.from({ length: 101 }, () => 'alice'));
  await using __ = store;
  const tried = await Promise.allSettled(sessions.map((each) => pool.for(Object.assign(each, { askable: true }))));
  expect(opened).toHaveLength(100);
  expect(tried.map(({ status }) => status).slice(-2)).toEqual(['fulfilled', 'rejected']);
  const [first] = sessions;
  if (first !== undefined) await pool.detach(first);
  const [last] = sessions.slice(-1);
  if (last !== undefined) await expect(pool.for(last)).resolves.toBeDefined();
});

it('a client that stops reading its answer is cut off after a while, and one that reads slowly is not', async () => {
  const patienceMs = 3_000;
  const body = 'x'.repeat(32 << 20);
  const peers: Promise<unknown>[] = [];
  await using server = await serve((_, response) => {
    peers.push(once(response, 'close').then(() => response.writableFinished));
    response.end(body);
    cutWhenStalled(response, patienceMs);
  });
  const slow = connect(server.port, '127.0.0.1');
  slow.write('GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
  let read = 0;
  for await (const piece of slow) {
    // Often enough never to be silent for long, slowly enough to need many times the patience.
    if (Math.floor(read / (1 << 20)) < Math.floor((read += (piece as Buffer).length) / (1 << 20))) await pause(250);
  }
  expect(read).toBeGreaterThan(body.length);
  const stalled = connect(server.port, '127.0.0.1');
  stalled.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await once(stalled, 'readable');
  expect(await Promise.all(peers)).toEqual([true, false]);
  stalled.destroy();
});
