/** Two processes behind one port look like one gateway, whichever of them a connection reaches. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { connectV1, connectV2 } from '../../rig/clients.ts';
import { dockerMissing } from '../../rig/docker.ts';
import { spawnGateway, startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { fixtureImage } from '../../rig/images.ts';
import { startScriptedServer, type ScriptedServer } from '../../rig/scripted-server.ts';
import { startHttpFixture, type HttpFixture } from '../../rig/servers.ts';
import { isAlive, openLines, sampleOf, TWO, untilAllServe, type Lines } from './crew.ts';

const PATIENCE_MS = 30_000;

let modern: ScriptedServer;
let legacy: HttpFixture;
let gateway: RunningGateway;
let lines: Lines;

beforeAll(async () => {
  modern = await startScriptedServer(({ method, params }) =>
    method === 'tools/call' && params['name'] === 'never' ? undefined : 'usual',
  );
  legacy = await startHttpFixture();
  const mcpServers = { modern: { type: 'http', url: modern.url }, legacy: { type: 'http', url: legacy.url } };
  gateway = await startGateway({ config: { mcpServers }, args: TWO });
  lines = openLines(gateway);
  await untilAllServe(lines.one);
});
afterAll(async () => {
  await lines[Symbol.asyncDispose]();
  await gateway.stop();
  await modern[Symbol.asyncDispose]();
  await legacy[Symbol.asyncDispose]();
});

/** The id of a new session of the server `legacy`. */
async function openSession(): Promise<string> {
  const { one } = lines;
  const opened = await one.legacy('/mcp/legacy', {
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'crew', version: '1' } },
  });
  const session = String(opened.headers['mcp-session-id']);
  await one.legacy('/mcp/legacy', { method: 'notifications/initialized' }, session);
  return session;
}

describe('calls of the modern era', () => {
  it('are answered by both processes, each with a conversation of its own with the server', async () => {
    const answers = await Promise.all(
      lines.all.map((line) => line.modern('/mcp/modern', 'tools/call', { name: 'tool' })),
    );
    expect(answers.filter(({ status, text }) => status !== 200 || !text.includes('called'))).toEqual([]);
    expect(modern.received.filter(({ method }) => method === 'server/discover').length).toBeGreaterThan(1);
  });

  it('are counted and logged together, each once', async () => {
    const { one: line } = lines;
    const sample = 'gatehouse_requests_total{route="server",server="modern",method="tools/call",outcome="ok"}';
    const before = await sampleOf(line, sample);
    await Promise.all(lines.all.map((each) => each.modern('/mcp/modern', 'tools/call', { name: 'counted' })));
    await expect.poll(() => sampleOf(line, sample)).toBe(before + lines.all.length);
    const logged = (): unknown[] => gateway.logs().filter(({ target }) => target === 'counted');
    await vi.waitFor(() => expect(logged()).toHaveLength(lines.all.length), PATIENCE_MS);
  });

  it('and everything else go over the same connections in turn', async () => {
    for (const round of [1, 2, 3]) {
      const answers = await Promise.all(
        lines.all.flatMap((line) => [
          line.modern('/mcp/modern', 'tools/call', { name: 'tool', arguments: { round } }),
          line.modern('/mcp/modern', 'tools/list'),
          line.modern('/mcp', 'tools/call', { name: 'modern___tool' }),
          line.modern('/mcp/legacy', 'tools/call', { name: 'echo', arguments: { round } }),
          line.modern('/mcp/legacy', 'server/discover'),
          line.modern('/mcp/modern', 'tools/call', { name: 'tool' }),
        ]),
      );
      expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    }
  });

  it('get the same refusals on all connections, each of which is counted once', async () => {
    const { one: line } = lines;
    const wrong = await Promise.all(
      lines.all.map(async (each) => {
        const { status, text } = await each.modern('/mcp/nowhere', 'tools/call', { name: 'tool' });
        return `${status} ${text.replace(/"requestId":"[0-9a-f]+"/, '')}`;
      }),
    );
    expect(new Set(wrong).size).toBe(1);
    await expect.poll(() => sampleOf(line, 'gatehouse_refused_total{reason="unknown_server"}')).toBe(lines.all.length);
  });

  it('are taken back by leaving, and the server hears of it', async () => {
    const before = modern.received.length;
    const leaving = new AbortController();
    await using others = openLines(gateway);
    const calls = others.all.map((line) =>
      line.modern('/mcp/modern', 'tools/call', { name: 'never' }, leaving.signal).catch(() => 'left'),
    );
    const arrived = (): typeof modern.received =>
      modern.received.slice(before).filter(({ params }) => params['name'] === 'never');
    await vi.waitFor(() => expect(arrived()).toHaveLength(others.all.length), PATIENCE_MS);
    leaving.abort();
    await Promise.all(arrived().map(({ closed }) => closed));
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['left']));
    await vi.waitFor(
      async () => expect(await sampleOf(lines.one, 'gatehouse_requests_in_flight')).toBe(0),
      PATIENCE_MS,
    );
  });
});

describe('sessions', () => {
  it('are found by every connection, whichever process it reaches', async () => {
    const session = await openSession();
    const answers = await Promise.all(
      lines.all.map((line, index) =>
        line.legacy(
          '/mcp/legacy',
          { id: index + 1, method: 'tools/call', params: { name: 'echo', arguments: { index } } },
          session,
        ),
      ),
    );
    expect(
      answers.filter(({ text }, index) => !text.includes(`"index":${index}`) && !text.includes(`\\"index\\":${index}`)),
    ).toEqual([]);
    const unknown = await Promise.all(
      lines.all.map((line) => line.legacy('/mcp/legacy', { id: 1, method: 'ping' }, 'made-up')),
    );
    expect(new Set(unknown.map(({ status }) => status))).toEqual(new Set([404]));
    const ended = await lines.another.send('DELETE', '/mcp/legacy', { 'mcp-session-id': session });
    expect(ended.status).toBe(204);
  });

  it('have their calls cancelled from another connection', async () => {
    const { one: first } = lines;
    const others = lines.all.slice(1, 13);
    const session = await openSession();
    for (const [index, line] of others.entries()) {
      const id = `slow-${index}`;
      const slow = first.legacy(
        '/mcp/legacy',
        { id, method: 'tools/call', params: { name: 'slow', arguments: { ms: 60_000 } } },
        session,
      );
      await vi.waitFor(
        async () => expect(await sampleOf(line, 'gatehouse_requests_in_flight')).toBeGreaterThan(0),
        PATIENCE_MS,
      );
      await line.legacy('/mcp/legacy', { method: 'notifications/cancelled', params: { requestId: id } }, session);
      await slow;
      // The next one is not to be taken for this one.
      await vi.waitFor(async () => expect(await sampleOf(line, 'gatehouse_requests_in_flight')).toBe(0), PATIENCE_MS);
    }
  });

  it('of official clients of both eras work as with one process, streams and questions included', async () => {
    const clients = await Promise.all(
      Array.from({ length: 6 }, async (_, index) => {
        const url = gateway.url('legacy');
        const { authorization } = gateway;
        return index % 2 === 0 ? connectV1(url, { authorization }) : connectV2(url, { authorization });
      }),
    );
    const texts = await Promise.all(
      clients.map(async ({ client }, index) =>
        JSON.stringify(await client.callTool({ name: 'echo', arguments: { index } })),
      ),
    );
    expect(texts.every((text, index) => text.includes(String(index)))).toBe(true);
    await Promise.all(clients.map((each) => each[Symbol.asyncDispose]()));
  });
});

describe('a port', () => {
  it('that a gateway of several processes has is refused to another one', async () => {
    const listen = new URL(gateway.origin).host;
    await using second = await spawnGateway({
      config: { mcpServers: { modern: { type: 'http', url: modern.url } } },
      args: [...TWO, '--listen', listen],
    });
    expect(await second.exited).toEqual({ status: 1, signal: undefined });
    expect(second.stderr).toContain('is already in use');
  });
});

describe.skipIf(dockerMissing())('containers', () => {
  it('belong to one process, and every connection reaches them', async () => {
    const config = {
      mcpServers: { box: { container: await fixtureImage() }, modern: { type: 'http', url: modern.url } },
    };
    await using boxed = await startGateway({ config, args: TWO });
    await using reach = openLines(boxed);
    const [worker] = await untilAllServe(reach.one);
    const answers = await Promise.all(
      reach.all.flatMap((line, index) => [
        line.modern('/mcp/box', 'tools/call', { name: 'echo', arguments: { index } }),
        line.modern('/mcp', 'tools/call', { name: 'box___echo', arguments: { index } }),
        line.modern('/mcp', 'tools/call', { name: 'modern___tool' }),
        line.modern('/mcp/modern', 'tools/call', { name: 'tool' }),
      ]),
    );
    expect(answers.filter(({ status, text }) => status !== 200 || text.includes('"error"'))).toEqual([]);
    const starts = boxed.logs().filter(({ server, msg }) => server === 'box' && msg === 'the server is starting');
    expect(starts).toHaveLength(1);
    await boxed.stop();
    await expect.poll(() => isAlive(worker?.pid ?? 0)).toBe(false);
  });
});

describe('streams', () => {
  it('of a session stay open through a worker, and carry what concerns it', async () => {
    const session = await openSession();
    const { hostname, port, host } = new URL(gateway.origin);
    const sockets = Array.from({ length: 8 }, () => {
      const socket = connect(Number(port), hostname);
      const seen = { text: '' };
      socket.setEncoding('utf8').on('data', (text: string) => (seen.text += text));
      socket.write(
        `GET /mcp/legacy HTTP/1.1\r\nhost: ${host}\r\nauthorization: ${gateway.authorization}\r\naccept: text/event-stream\r\nmcp-session-id: ${session}\r\n\r\n`,
      );
      return { socket, seen };
    });
    await vi.waitFor(
      () => expect(sockets.filter(({ seen }) => !seen.text.startsWith('HTTP/1.1 200'))).toEqual([]),
      PATIENCE_MS,
    );
    const params = { name: 'log', arguments: { level: 'error', message: 'to the stream', related: false } };
    // What the server says before the gateway listens to it is lost, as with any client of it: it says it until it is heard.
    let id = 9;
    await vi.waitFor(async () => {
      await lines.another.legacy('/mcp/legacy', { id: id++, method: 'tools/call', params }, session);
      expect(sockets.filter(({ seen }) => seen.text.includes('to the stream'))).toHaveLength(1);
    }, PATIENCE_MS);
    for (const { socket } of sockets) {
      socket.destroy();
      await once(socket, 'close');
    }
  });
});
