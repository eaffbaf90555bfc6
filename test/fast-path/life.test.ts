/** Connections from their beginning to their end: deadlines, clients that leave, reloads and the end of the gateway, with the fast path and without. */
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AGENT_ID, startGateway, startReloadable, type RunningGateway } from '../rig/gateway.ts';
import { startScriptedServer, type ScriptedServer } from '../rig/scripted-server.ts';
import { startHttpFixture, type HttpFixture } from '../rig/servers.ts';

const VERSION = '2026-07-28';
const META = `"_meta":{"io.modelcontextprotocol/protocolVersion":"${VERSION}","io.modelcontextprotocol/clientCapabilities":{}}`;

/** A call in the strict form. `change` replaces headers. */
function call(tool: string, args = '{}', change: Readonly<Record<string, string>> = {}, server = 'one'): string {
  const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{${META},"name":"${tool}","arguments":${args}}}`;
  const headers = {
    Host: 'localhost',
    Authorization: `Bearer ${AGENT_ID}`,
    'Content-Type': 'application/json',
    Accept: 'application/json, text/event-stream',
    'MCP-Protocol-Version': VERSION,
    'Mcp-Method': 'tools/call',
    'Mcp-Name': tool,
    'Content-Length': String(Buffer.byteLength(body)),
    ...change,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST /mcp/${server} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

interface Client {
  readonly socket: Socket;
  /** All that has come. */
  text(): string;
  readonly closed: Promise<unknown>;
}

function open({ origin }: RunningGateway): Client {
  const socket = connect(Number(new URL(origin).port), '127.0.0.1');
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.on('error', () => undefined);
  return { socket, text: () => text, closed: new Promise((resolve) => void socket.once('close', resolve)) };
}

const count = (text: string, status: number): number => text.split(`HTTP/1.1 ${status} `).length - 1;

let scripted: ScriptedServer;
let fixture: HttpFixture;
beforeAll(async () => {
  scripted = await startScriptedServer(({ params }) => (params['name'] === 'hold' ? undefined : 'usual'));
  fixture = await startHttpFixture();
});
afterAll(async () => {
  await scripted[Symbol.asyncDispose]();
  await fixture[Symbol.asyncDispose]();
});

describe('B1 deadlines, with the fast path on and off', () => {
  const gateways: RunningGateway[] = [];
  beforeAll(async () => {
    const config = { mcpServers: { one: { type: 'http', url: scripted.url } } };
    for (const mode of ['on', 'off']) gateways.push(await startGateway({ config, args: ['--fast-path', mode] }));
  });
  afterAll(async () => {
    for (const gateway of gateways) await gateway.stop();
  });

  /** Goes on after the connection is closed at the latest. */
  async function slowly({ socket, closed }: Client, text: string): Promise<void> {
    let isOpen = true;
    void closed.then(() => (isOpen = false));
    for (const letter of text) {
      if (!isOpen) return;
      socket.write(letter);
      await delay(200);
    }
  }

  test.concurrent.each<[string, (client: Client) => Promise<void>]>([
    ['sends nothing', async () => {}],
    ['sends its head byte by byte', (client) => slowly(client, call('tool'))],
    [
      'sends its second head byte by byte',
      async (client) => {
        client.socket.write(call('tool'));
        await expect.poll(() => count(client.text(), 200)).toBe(1);
        await slowly(client, call('tool'));
      },
    ],
  ])('a client that %s is told that it is late, and cut', async (_name, send) => {
    for (const text of await Promise.all(
      gateways.map(async (gateway) => {
        const client = open(gateway);
        await Promise.all([send(client), client.closed]);
        return client.text();
      }),
    ))
      expect(text).toMatch(/HTTP\/1\.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n$/);
  });
});

describe.each(['on', 'off'])('with the fast path %s', (mode) => {
  const args = ['--fast-path', mode];
  const servers = () => ({
    one: { type: 'http', url: scripted.url },
    slow: { type: 'http', url: fixture.url },
  });

  describe('while the gateway runs', () => {
    let gateway: RunningGateway;
    beforeAll(async () => {
      gateway = await startGateway({ config: { mcpServers: servers(), gateway: { maxBodyBytes: 20_000 } }, args });
    });
    afterAll(async () => gateway.stop());

    test('B1 who is refused by its head need not send a body first', async () => {
      const client = open(gateway);
      const whole = call('tool', '{}', { Authorization: 'Bearer wrong-0123456789' });
      client.socket.write(whole.slice(0, -20));
      await expect.poll(() => count(client.text(), 401)).toBe(1);
      client.socket.write(whole.slice(-20));
      client.socket.write(call('tool'));
      await expect.poll(() => count(client.text(), 200)).toBe(1);
      client.socket.destroy();
    });

    test('B1 a body that takes its time is taken', async () => {
      const client = open(gateway);
      const whole = call('tool');
      client.socket.write(whole.slice(0, -40));
      for (const letter of whole.slice(-40)) {
        await delay(60);
        client.socket.write(letter);
      }
      await expect.poll(() => count(client.text(), 200)).toBe(1);
      client.socket.write(call('tool'));
      await expect.poll(() => count(client.text(), 200)).toBe(2);
      client.socket.destroy();
    });

    test('B3 a body that is too large is refused, and the connection goes on', async () => {
      const client = open(gateway);
      client.socket.write(call('tool', `{"a":"${'x'.repeat(30_000)}"}`));
      await expect.poll(() => count(client.text(), 413)).toBe(1);
      client.socket.write(call('tool'));
      await expect.poll(() => count(client.text(), 200)).toBe(1);
      expect(client.text()).toContain('The request body is larger than 20000 bytes.');
      client.socket.destroy();
    });

    test.each<[string, (socket: Socket) => void]>([
      ['leaves', (socket) => socket.destroy()],
      ['resets its connection', (socket) => socket.resetAndDestroy()],
      ['ends its side', (socket) => socket.end()],
      ['sends nonsense behind it', (socket) => socket.write('nonsense\r\n\r\n')],
    ])('a client that %s takes its call back, as far as the server', async (_name, leave) => {
      const before = scripted.received.length;
      const client = open(gateway);
      client.socket.write(call('hold'));
      const held = () => scripted.received.slice(before).find(({ params }) => params['name'] === 'hold');
      await expect.poll(held).toBeDefined();
      leave(client.socket);
      await held()?.closed;
      await client.closed;
      expect(client.text()).toBe('');
    });

    test('a client that leaves in the middle of a body is forgotten', async () => {
      const client = open(gateway);
      client.socket.write(call('tool').slice(0, -10));
      await delay(50);
      client.socket.destroy();
      await client.closed;
      const headers = { authorization: gateway.authorization };
      await expect
        .poll(async () => (await fetch(`${gateway.origin}/status`, { headers })).json())
        .toMatchObject({ requestsInFlight: 0 });
    });
  });

  test('a reload counts for the next request on a connection that stands', async () => {
    await using gateway = await startReloadable({ mcpServers: servers() }, args);
    const client = open(gateway);
    client.socket.write(call('tool'));
    await expect.poll(() => count(client.text(), 200)).toBe(1);
    await gateway.write({ mcpServers: { slow: servers().slow } });
    expect((await gateway.reload()).result.ok).toBe(true);
    client.socket.write(call('tool'));
    await expect.poll(() => count(client.text(), 404)).toBe(1);
    await gateway.write({ mcpServers: servers(), gateway: { agentId: 'another-agent-0123456789' } });
    expect((await gateway.reload()).result.ok).toBe(true);
    // The same bytes as before: what was found out about them holds no longer.
    client.socket.write(call('tool'));
    await expect.poll(() => count(client.text(), 401)).toBe(1);
    client.socket.destroy();
  });

  test('at the end of the gateway a call is answered, and no connection stays', async () => {
    const gateway = await startGateway({
      config: { mcpServers: servers() },
      args: [...args, '--shutdown-timeout', '60s'],
    });
    const [busy, idle, unused, reading] = [open(gateway), open(gateway), open(gateway), open(gateway)];
    idle.socket.write(call('tool'));
    await expect.poll(() => count(idle.text(), 200)).toBe(1);
    reading.socket.write(call('tool').slice(0, -5));
    busy.socket.write(call('slow', '{"ms":6000}', {}, 'slow'));
    await expect.poll(() => fixture.state.stats.active).toBe(1);
    gateway.kill('SIGTERM');
    await gateway.until(({ stderr }) => (stderr.includes('draining') ? true : undefined));
    idle.socket.write(call('tool'));
    await expect.poll(() => count(idle.text(), 503)).toBe(1);
    await Promise.all([busy, idle, unused, reading].map(({ closed }) => closed));
    expect(count(busy.text(), 200)).toBe(1);
    expect(busy.text()).toContain('"result"');
    expect((await gateway.exited).status).toBe(0);
  });
});
