/** What happens to one of several processes concerns nobody else: a reload is for all or for none, an end costs what ends. */
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startGateway, startReloadable } from '../../rig/gateway.ts';
import { startManaged } from '../../rig/managed-gateway.ts';
import { startScriptedServer, type ScriptedServer } from '../../rig/scripted-server.ts';
import { describeOnBothStores } from '../../rig/store.ts';
import { linesWith, openLines, sampleOf, TWO, untilAllServe, untilGone, workersOf } from './crew.ts';

const PATIENCE_MS = 30_000;

let server: ScriptedServer;
beforeAll(async () => {
  server = await startScriptedServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const CALLS = 'gatehouse_requests_total{route="server",server="one",method="tools/call",outcome="ok"}';

describe('a reload', () => {
  it('is in use on all connections when it was answered', async () => {
    const one = { type: 'http', url: server.url };
    await using gateway = await startReloadable({ mcpServers: { one } }, TWO);
    await using lines = openLines(gateway);
    await untilAllServe(lines.one);
    await gateway.write({ mcpServers: { one, two: one } });
    expect(await gateway.reload()).toMatchObject({ status: 200, result: { ok: true, servers: { added: ['two'] } } });
    const answers = await Promise.all(lines.all.map((line) => line.modern('/mcp/two', 'tools/call', { name: 'tool' })));
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    await gateway.write({ mcpServers: { two: one } });
    expect(await gateway.reload()).toMatchObject({ status: 200 });
    const gone = await Promise.all(lines.all.map((line) => line.modern('/mcp/one', 'tools/call', { name: 'tool' })));
    expect(new Set(gone.map(({ status }) => status))).toEqual(new Set([404]));
  });

  it('that one worker cannot follow changes nothing anywhere, and works as soon as it can', async () => {
    const one = { type: 'http', url: server.url };
    await using gateway = await startReloadable({ mcpServers: { one } }, TWO);
    await using lines = openLines(gateway);
    const [worker] = await untilAllServe(lines.one);
    await Promise.all(lines.all.map((line) => line.modern('/mcp/one', 'tools/call', { name: 'tool' })));
    await gateway.write({ mcpServers: { one, two: one } });
    process.kill(worker?.pid ?? 0, 'SIGSTOP');
    // It is read by the first process: the signal reaches it, and it tells the worker.
    gateway.kill('SIGHUP');
    const refused = await gateway.until((process) =>
      process.logs().find(({ msg }) => typeof msg === 'string' && msg.startsWith('RELOAD FAILED')),
    );
    expect(JSON.stringify(refused['errors'])).toContain('worker 1');
    process.kill(worker?.pid ?? 0, 'SIGCONT');
    const before = await Promise.all(lines.all.map((line) => line.modern('/mcp/two', 'tools/call', { name: 'tool' })));
    expect(new Set(before.map(({ status }) => status))).toEqual(new Set([404]));
    expect(await gateway.reload()).toMatchObject({ status: 200, result: { ok: true } });
    const after = await Promise.all(lines.all.map((line) => line.modern('/mcp/two', 'tools/call', { name: 'tool' })));
    expect(new Set(after.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await workersOf(lines.one)).toMatchObject([{ pid: worker?.pid, exits: 0 }]);
  });

  it('reaches a worker that starts while it goes on', async () => {
    const one = { type: 'http', url: server.url };
    await using gateway = await startReloadable({ mcpServers: { one } }, TWO);
    await using lines = openLines(gateway);
    const [worker] = await untilAllServe(lines.one);
    for (let round = 1; round <= 3; round++) {
      const [now] = await workersOf(lines.one);
      process.kill(now?.pid ?? worker?.pid ?? 0, 'SIGKILL');
      const mcpServers = { one, [`round${round}`]: one };
      await gateway.write({ mcpServers });
      // By a signal: a connection may have been one of the worker that is gone.
      gateway.kill('SIGHUP');
      await gateway.until((process) => (linesWith(process, 'reloaded') === round ? true : undefined));
      await using fresh = openLines(gateway);
      await untilAllServe(fresh.one);
      await using reach = openLines(gateway);
      const answers = await Promise.all(
        reach.all.map((line) => line.modern(`/mcp/round${round}`, 'tools/call', { name: 'tool' })),
      );
      expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    }
  });
});

describe('a worker that is killed', () => {
  it('fails its own connections only, is told of, and is there again, and nothing that it counted is lost', async () => {
    await using gateway = await startGateway({
      config: { mcpServers: { one: { type: 'http', url: server.url } } },
      args: TWO,
    });
    await using lines = openLines(gateway);
    const [worker] = await untilAllServe(lines.one);
    await Promise.all(lines.all.map((line) => line.modern('/mcp/one', 'tools/call', { name: 'tool' })));
    const before = await sampleOf(lines.one, CALLS);
    process.kill(worker?.pid ?? 0, 'SIGKILL');
    // All of its threads, and with them its socket.
    await gateway.until(({ stderr }) => (stderr.includes('a worker has ended') ? true : undefined));
    await using others = openLines(gateway);
    const now = await Promise.all(others.all.map((line) => line.modern('/mcp/one', 'tools/call', { name: 'tool' })));
    expect(now.filter(({ status }) => status !== 200)).toEqual([]);
    const [again] = await untilAllServe(others.one);
    expect(again).toMatchObject({ id: 1, exits: 1, lastExit: 'signal SIGKILL' });
    expect(again?.pid).not.toBe(worker?.pid);
    expect(await sampleOf(others.one, CALLS)).toBe(before + others.all.length);
    expect(await sampleOf(others.one, 'gatehouse_worker_exits_total')).toBe(1);
    expect(await sampleOf(others.one, 'gatehouse_workers')).toBe(1);
    expect(gateway.stderr).toContain('a worker has ended');
  });
});

describe('the end', () => {
  it('of the first process is the end of all, and leaves nothing, however it comes', async () => {
    await using gateway = await startGateway({
      config: { mcpServers: { one: { type: 'http', url: server.url } } },
      args: ['--workers', '3'],
    });
    await using lines = openLines(gateway);
    const workers = await untilAllServe(lines.one);
    expect(workers).toHaveLength(2);
    expect(await doorsOf(gateway.pid)).toHaveLength(1);
    gateway.kill('SIGKILL');
    await Promise.all(workers.map(({ pid }) => untilGone(pid)));
    await vi.waitFor(async () => expect(await doorsOf(gateway.pid)).toEqual([]), PATIENCE_MS);
  });

  it('lets calls in flight finish in all processes, and refuses what comes then', async () => {
    const held = Promise.withResolvers<void>();
    let waiting = 0;
    await using slow = await startScriptedServer(async ({ method }): Promise<'usual'> => {
      if (method !== 'tools/call') return 'usual';
      waiting++;
      await held.promise;
      return 'usual';
    });
    await using gateway = await startGateway({
      config: { mcpServers: { one: { type: 'http', url: slow.url } } },
      args: TWO,
    });
    await using lines = openLines(gateway);
    const [worker] = await untilAllServe(lines.one);
    const calls = lines.all.map((line) => line.modern('/mcp/one', 'tools/call', { name: 'tool' }));
    await vi.waitFor(() => expect(waiting).toBe(lines.all.length), PATIENCE_MS);
    gateway.kill('SIGTERM');
    await gateway.until((process) => (linesWith(process, 'draining: new requests are refused') > 0 ? true : undefined));
    held.resolve();
    expect(new Set((await Promise.all(calls)).map(({ status }) => status))).toEqual(new Set([200]));
    expect(await gateway.exited).toEqual({ status: 0, signal: undefined });
    await untilGone(worker?.pid ?? 0);
  });

  it('signals to all processes at once end the gateway in good order, too', async () => {
    await using gateway = await startGateway({
      config: { mcpServers: { one: { type: 'http', url: server.url } } },
      args: TWO,
    });
    await using lines = openLines(gateway);
    const [worker] = await untilAllServe(lines.one);
    for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.kill(worker?.pid ?? 0, signal);
    const answers = await Promise.all(lines.all.map((line) => line.modern('/mcp/one', 'tools/call', { name: 'tool' })));
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(await gateway.stop()).toEqual({ status: 0, signal: undefined });
    expect(gateway.stderr).not.toContain('a worker has ended');
  });
});

describe('a change of the log level', () => {
  it('is one of all processes', async () => {
    await using gateway = await startGateway({
      config: { mcpServers: { one: { type: 'http', url: server.url } } },
      args: TWO,
    });
    await using lines = openLines(gateway);
    await untilAllServe(lines.one);
    const set = await lines.one.send('PUT', '/log-level', { 'content-type': 'application/json' }, '{"level":"error"}');
    expect(set.status).toBe(200);
    const before = linesWith(gateway, 'request');
    await Promise.all(lines.all.map((line) => line.modern('/mcp/one', 'tools/call', { name: 'tool' })));
    await lines.one.send('PUT', '/log-level', { 'content-type': 'application/json' }, '{"level":"info"}');
    await Promise.all(lines.all.map((line) => line.modern('/mcp/one', 'tools/call', { name: 'tool' })));
    await vi.waitFor(() => expect(linesWith(gateway, 'request')).toBe(before + lines.all.length), PATIENCE_MS);
  });
});

describeOnBothStores('a token', (open) => {
  it('that is revoked, or whose user is disabled, opens nothing on any connection any more', async () => {
    await using store = await open();
    await using gateway = await startManaged({ store, args: TWO });
    const admin = { origin: gateway.origin, authorization: `Bearer ${gateway.token}` };
    await using lines = openLines(admin);
    await untilAllServe(lines.one);
    const made = await gateway.call('POST', '/v1/gateways', { name: 'one', url: server.url, visibility: 'public' });
    expect(made.status, JSON.stringify(made.body)).toBeLessThan(300);
    const token = await gateway.tokenFor('agent@example.com', 'developer');
    await using agent = openLines({ origin: gateway.origin, authorization: `Bearer ${token}` });
    const call = async (): Promise<ReadonlySet<number>> => {
      const answers = await Promise.all(
        agent.all.map((line) => line.modern('/mcp/one', 'tools/call', { name: 'tool' })),
      );
      return new Set(answers.map(({ status }) => status));
    };
    await vi.waitFor(async () => expect(await call()).toEqual(new Set([200])), PATIENCE_MS);
    const disabled = await gateway.call('POST', '/v1/users/agent@example.com/state', { enabled: false });
    expect(disabled.status, JSON.stringify(disabled.body)).toBe(200);
    expect(await call()).toEqual(new Set([401]));
  });
});

/** Directories with the socket of a gateway for its workers. */
async function doorsOf(pid: number): Promise<readonly string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith(`gatehouse-workers-${pid}-`));
}
