/** The WebSocket endpoint: who may connect, what goes over it, and how it ends. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { WebSocketClientTransport } from '@modelcontextprotocol/sdk/client/websocket.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { startReloadable, startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { startHttpFixture, type HttpFixture } from '../../rig/servers.ts';
import { connectSocket, refusal } from './client.ts';

let web: HttpFixture;
let gateway: RunningGateway;
beforeAll(async () => {
  web = await startHttpFixture();
  gateway = await startGateway({
    config: { mcpServers: { web: { type: 'http', url: web.url } }, gateway: { maxBodyBytes: 100_000 } },
  });
});
afterAll(async () => {
  await gateway.stop();
  await web[Symbol.asyncDispose]();
});

async function sessions(): Promise<number> {
  const headers = { authorization: gateway.authorization };
  const status = (await (await fetch(`${gateway.origin}/status`, { headers })).json()) as { sessions: number };
  return status.sessions;
}

describe('who may connect', () => {
  it('only callers with an agent id, on a path and from a site that exist', async () => {
    const { authorization } = gateway;
    expect(await refusal(gateway.url('web'), {})).toMatchObject({ status: 401 });
    expect(await refusal(gateway.url('web'), { authorization: 'wrong' })).toMatchObject({ status: 401 });
    expect(await refusal(gateway.url('web'), { authorization, origin: 'https://evil.example' })).toMatchObject({
      status: 403,
    });
    expect(await refusal(gateway.url('web'), { authorization, host: 'evil.example' })).toMatchObject({ status: 403 });
    expect(await refusal(gateway.url('nobody'), { authorization })).toMatchObject({ status: 404 });
    expect(await refusal(`${gateway.origin}/status`, { authorization })).toMatchObject({ status: 404 });
    const other = await refusal(gateway.url('web'), { authorization }, ['chat']);
    expect(other.status).toBe(400);
    expect(JSON.parse(other.body)).toMatchObject({ error: { data: { error: 'invalid_request' } } });
    expect(await refusal(gateway.url('web'), { authorization, 'mcp-protocol-version': '1999-01-01' })).toMatchObject({
      status: 400,
    });
  });

  it('gets the subprotocol that it offers, and none when it offers none', async () => {
    const headers = { authorization: gateway.authorization };
    const url = gateway.url('web').replace(/^http/, 'ws');
    for (const [offer, chosen] of [
      [['mcp'], 'mcp'],
      [['other', 'mcp'], 'mcp'],
      [[], ''],
    ] as const) {
      const socket = new WebSocket(url, [...offer], { headers });
      await once(socket, 'open');
      expect(socket.protocol).toBe(chosen);
      socket.close();
      await once(socket, 'close');
    }
  });

  it('an offer of another protocol is ignored, as HTTP wants it', async () => {
    const socket = connect(Number(new URL(gateway.origin).port), '127.0.0.1');
    const upgrade = 'connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n';
    socket.end(`GET /health HTTP/1.1\r\nhost: localhost\r\n${upgrade}\r\n`);
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    await once(socket, 'close');
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe('what goes over it', () => {
  it('serves the official client: listings, calls, progress, questions, the end of the session', async () => {
    // Those of the tests before have gone.
    await vi.waitFor(async () => expect(await sessions()).toBe(0), 20_000);
    const Bare = globalThis.WebSocket;
    // The client of the SDK cannot send headers; undici, which stands behind Node's WebSocket, can.
    vi.stubGlobal(
      'WebSocket',
      class extends Bare {
        constructor(url: URL, protocols: string) {
          const init: unknown = { protocols, headers: { authorization: gateway.authorization } };
          super(url, init as string);
        }
      },
    );
    const client = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: {} } });
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { answer: 'forty-two' } }));
    try {
      await client.connect(new WebSocketClientTransport(new URL(gateway.url('web').replace(/^http/, 'ws'))));
    } finally {
      vi.unstubAllGlobals();
    }
    expect(await sessions()).toBe(1);
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('echo');
    const progress: number[] = [];
    await client.callTool({ name: 'slow', arguments: { ms: 3_000, steps: 3 } }, undefined, {
      onprogress: (step) => progress.push(step.progress),
    });
    // The client drops the last step when the answer comes in the same moment.
    expect(progress.slice(0, 2)).toEqual([1, 2]);
    expect(await client.callTool({ name: 'elicit', arguments: {} })).toMatchObject({
      structuredContent: { content: { answer: 'forty-two' } },
    });
    await client.close();
    await vi.waitFor(async () => expect(await sessions()).toBe(0), 20_000);
  });

  it('many requests at once, each answered under its own id, and a cancellation answered by nothing', async () => {
    await using client = await connectSocket(gateway.url('web'), gateway.authorization);
    const answers = Array.from({ length: 50 }, async (_, index) =>
      client.request('tools/call', { name: 'echo', arguments: { index } }),
    );
    for (const [index, answer] of (await Promise.all(answers)).entries()) {
      expect(answer.result).toMatchObject({ structuredContent: { arguments: { index } } });
    }
    const cancelled = web.state.stats.cancelled;
    client.send({ id: 'long', method: 'tools/call', params: { name: 'slow', arguments: { ms: 60_000 } } });
    await vi.waitFor(() => expect(web.state.stats.active).toBe(1), 20_000);
    client.send({ method: 'notifications/cancelled', params: { requestId: 'long' } });
    await vi.waitFor(() => expect(web.state.stats.cancelled).toBe(cancelled + 1), 20_000);
    await client.request('ping');
    expect(client.received.some(({ id }) => id === 'long')).toBe(false);
  });

  it('what the server says on its own account, also on the unified endpoint', async () => {
    await using client = await connectSocket(gateway.url(), gateway.authorization);
    const tools = (await client.request('tools/list')).result?.['tools'] as { name: string }[];
    const notify = tools.find(({ name }) => name.endsWith('notify'))?.name;
    // Again for as long as the gateway does not listen to the server yet.
    await expect
      .poll(async () => {
        await client.request('tools/call', {
          name: notify,
          arguments: { method: 'notifications/tools/list_changed', params: { seq: 7 }, related: false },
        });
        return client.received.find(({ method }) => method === 'notifications/tools/list_changed')?.params;
      })
      .toMatchObject({ seq: 7 });
  });

  it('answers what is no JSON-RPC, goes on, and refuses a second handshake', async () => {
    await using client = await connectSocket(gateway.url('web'), gateway.authorization);
    client.socket.send('{"jsonrpc": ');
    expect((await client.until(({ error }) => error?.code === -32_700)).id).toBeNull();
    const again = await client.request('initialize', { protocolVersion: '2025-11-25', capabilities: {} });
    expect(again.error?.data).toMatchObject({ error: 'invalid_request' });
    expect((await client.request('ping')).result).toEqual({});
  });
});

describe('limits', () => {
  it.each([
    ['a message above the limit of a body', (socket: WebSocket) => socket.send('x'.repeat(100_001)), 1009],
    ['bytes instead of text', (socket: WebSocket) => socket.send(Buffer.from('{}')), 1003],
  ])('closes the connection on %s, and the session with it', async (_name, send, code) => {
    // Those of the tests before have gone.
    await vi.waitFor(async () => expect(await sessions()).toBe(0), 20_000);
    const client = await connectSocket(gateway.url('web'), gateway.authorization);
    expect(await sessions()).toBe(1);
    send(client.socket);
    expect(await client.closed).toBe(code);
    await vi.waitFor(async () => expect(await sessions()).toBe(0), 20_000);
  });

  it('stops reading from a client that takes no answers, and goes on when it does', async () => {
    await using client = await connectSocket(gateway.url('web'), gateway.authorization);
    client.socket.pause();
    const seen = (): number => web.state.stats.calls;
    const waits = (calls: number): Promise<boolean> =>
      vi
        .waitFor(() => expect(seen()).toBe(calls), 1_000)
        .then(
          () => false,
          () => true,
        );
    // Buffers of the sockets take a few megabytes; then nothing more may be read, let alone pile up in the gateway.
    let sent = 0;
    for (let held = false; !held && sent < 100; sent++) {
      const calls = seen() + 1;
      client.send({ id: 1_000 + sent, method: 'tools/call', params: { name: 'big', arguments: { bytes: 500_000 } } });
      held = await waits(calls);
    }
    expect(sent).toBeLessThan(100);
    client.socket.resume();
    await vi.waitFor(() => expect(client.received.filter(({ id }) => Number(id) >= 1_000)).toHaveLength(sent), 30_000);
  });

  it('cuts off a client that takes nothing of the many megabytes that it asked for', async () => {
    await using client = await connectSocket(gateway.url('web'), gateway.authorization);
    const cut = (): number =>
      gateway.logs().filter(({ msg, code }) => msg === 'websocket closed' && code === 1006).length;
    const before = cut();
    client.socket.pause();
    for (let id = 0; id < 60; id++)
      client.send({ id: `big-${id}`, method: 'tools/call', params: { name: 'big', arguments: { bytes: 1_000_000 } } });
    await vi.waitFor(() => expect(cut()).toBe(before + 1), 20_000);
    client.socket.resume();
    expect(await client.closed).toBe(1006);
  });
});

describe('how it ends', () => {
  it('a reload leaves it open; a removed server and a revoked agent id close it', async () => {
    const servers = { web: { type: 'http', url: web.url }, other: { type: 'http', url: web.url } };
    const agentIds = ['first-agent-0123456789', 'second-agent-0123456789'] as const;
    await using reloadable = await startReloadable({ mcpServers: servers, gateway: { agentIds } });
    await using kept = await connectSocket(reloadable.url('web'), agentIds[0]);
    const unnamed = await connectSocket(reloadable.url('web'), agentIds[1]);
    const silent = await connectSocket(reloadable.url('web'), agentIds[1], { session: false });
    const lost = await connectSocket(reloadable.url('other'), agentIds[0]);
    for (let round = 0; round < 5; round++) {
      expect((await reloadable.reload()).result.ok).toBe(true);
      expect((await kept.request('tools/list')).result).toBeDefined();
    }
    await reloadable.write({
      mcpServers: { web: { type: 'http', url: web.url } },
      gateway: { agentIds: [agentIds[0]] },
    });
    expect((await reloadable.reload()).result.ok).toBe(true);
    expect(await lost.closed).toBe(1001);
    expect(await unnamed.closed).toBe(1001);
    silent.send({ id: 1, method: 'ping' });
    expect(await silent.closed).toBe(1008);
    expect((await kept.request('ping')).result).toEqual({});
  });

  it('a gateway that drains finishes the call, closes with 1001 and ends with 0', async () => {
    await using own = await startGateway({ config: { mcpServers: { web: { type: 'http', url: web.url } } } });
    const idle = await connectSocket(own.url('web'), own.authorization);
    const busy = await connectSocket(own.url('web'), own.authorization);
    const answer = busy.request('tools/call', { name: 'slow', arguments: { ms: 4_000, label: 'finished' } });
    await vi.waitFor(() => expect(web.state.stats.active).toBe(1), 20_000);
    own.kill('SIGTERM');
    expect(await idle.closed).toBe(1001);
    expect((await answer).result).toMatchObject({ content: [{ text: 'finished' }] });
    expect(await busy.closed).toBe(1001);
    expect(await own.exited).toMatchObject({ status: 0 });
  });

  it('a client that never answers the closing handshake does not hold the gateway up', async () => {
    await using own = await startGateway({ config: { mcpServers: { web: { type: 'http', url: web.url } } } });
    const client = await connectSocket(own.url('web'), own.authorization);
    client.socket.pause();
    expect(await own.stop()).toMatchObject({ status: 0 });
    client.socket.terminate();
  });
});
