/** A server that is down: what listings show of it meanwhile, what is checked and how, and what clients are told. */
import { describe, expect, it } from 'vitest';
import { connectV1, connectV2 } from '../../rig/clients.ts';
import { startInProcess, type InProcessGateway } from '../../rig/in-process.ts';
import { startScriptedServer } from '../../rig/scripted-server.ts';
import { startHttpFixture, type HttpFixture } from '../../rig/servers.ts';
import { openTemporaryStore } from '../../rig/store.ts';
import { modernClient } from '../modern-raw-client.ts';
import { rawClient } from '../raw-client.ts';
import { deadUrl } from '../../rig/dead-url.ts';
import { freePort } from '../../../scripts/setup/free-port.ts';

const QUICK = { interval: 1, timeout: 10, failureThreshold: 2, longestPause: 1, jitter: 0 };

interface ServerStatus {
  readonly name: string;
  readonly state: string;
  readonly reason?: string;
  readonly listed: boolean;
}

async function statusOf(
  { origin, authorization }: InProcessGateway,
  server: string,
): Promise<ServerStatus | undefined> {
  const response = await fetch(`${origin}/status`, { headers: { authorization } });
  const { servers } = (await response.json()) as { readonly servers: readonly ServerStatus[] };
  return servers.find(({ name }) => name === server);
}

/** A fixture whose address nobody else gets while it is away. */
async function startWithPort(): Promise<HttpFixture> {
  return startHttpFixture({ port: await freePort() });
}

/** The fixture again, at the address of one that is gone. */
function comeBack(gone: HttpFixture): Promise<HttpFixture> {
  return startHttpFixture({ port: Number(new URL(gone.url).port) });
}

describe('a server that cannot be reached any more', () => {
  it('leaves listings, is told as unavailable by calls, and returns by itself, and clients of both eras hear of both', async () => {
    const web = await startWithPort();
    await using other = await startHttpFixture({ name: 'other' });
    await using gateway = await startInProcess({
      mcpServers: {
        web: { type: 'http', url: web.url, health: QUICK },
        other: { type: 'http', url: other.url },
      },
    });
    const told = { legacy: 0, modern: 0 };
    await using legacy = await connectV1(gateway.url(), {
      authorization: gateway.authorization,
      clientOptions: { listChanged: { tools: { onChanged: () => void told.legacy++, autoRefresh: false } } },
    });
    await using modern = await connectV2(gateway.url(), {
      authorization: gateway.authorization,
      clientOptions: {
        versionNegotiation: { mode: { pin: '2026-07-28' } },
        listChanged: { tools: { onChanged: () => void told.modern++, autoRefresh: false } },
      },
    });
    const servers = async (): Promise<readonly string[]> => {
      const lists = await Promise.all([legacy.client.listTools(), modern.client.listTools()]);
      return lists.map(({ tools }) => [...new Set(tools.map(({ name }) => name.split('___')[0]))].join(','));
    };
    expect(await servers()).toEqual(['web,other', 'web,other']);
    const before = { ...told };
    web.vanish();
    await expect.poll(servers, { interval: 200 }).toEqual(['other', 'other']);
    await expect.poll(() => told.legacy > before.legacy && told.modern > before.modern).toBe(true);
    expect(await statusOf(gateway, 'web')).toMatchObject({ listed: false, state: 'unreachable' });
    for (const { client } of [legacy, modern])
      await expect(client.callTool({ name: 'web___echo', arguments: {} })).rejects.toThrow(
        /not available|cannot be reached/,
      );
    const away = { ...told };
    await using _back = await comeBack(web);
    await expect.poll(servers, { interval: 200 }).toEqual(['web,other', 'web,other']);
    await expect.poll(() => told.legacy > away.legacy && told.modern > away.modern).toBe(true);
    expect(await statusOf(gateway, 'web')).toMatchObject({ listed: true, state: 'healthy' });
  });

  it('stays in listings with a mark where that is wanted, on every endpoint', async () => {
    const web = await startWithPort();
    await using gateway = await startInProcess({
      mcpServers: { web: { type: 'http', url: web.url, health: { ...QUICK, unreachable: 'mark' } } },
    });
    await using unified = await connectV1(gateway.url(), { authorization: gateway.authorization });
    await using routed = await connectV1(gateway.url('web'), { authorization: gateway.authorization });
    const modern = modernClient(gateway.url('web'), gateway.authorization);
    const first = async (): Promise<readonly unknown[]> => {
      const lists = await Promise.all([unified.client.listTools(), routed.client.listTools()]);
      const { result } = (await modern('tools/list')).answer;
      return [...lists, result].map((list) => {
        const [tool] = (list as { readonly tools: readonly { readonly _meta?: object }[] }).tools;
        return Object.keys(tool?._meta ?? {}).includes('io.gatehouse/unreachable');
      });
    };
    expect(await first()).toEqual([false, false, false]);
    web.vanish();
    await expect.poll(first, { interval: 200 }).toEqual([true, true, true]);
    const { tools } = await unified.client.listTools();
    expect(tools[0]).toMatchObject({
      name: 'web___echo',
      _meta: {
        'fixture.example/weight': 1.5,
        'io.gatehouse/unreachable': { since: expect.stringMatching(/^2\d{3}-/) },
      },
    });
    await using _back = await comeBack(web);
    await expect.poll(first, { interval: 200 }).toEqual([false, false, false]);
  });

  it('does not leave listings for less than the failures that it may have', async () => {
    const web = await startHttpFixture();
    await using gateway = await startInProcess({
      mcpServers: { web: { type: 'http', url: web.url, health: { ...QUICK, failureThreshold: 100 } } },
    });
    await using unified = await connectV1(gateway.url(), { authorization: gateway.authorization });
    const before = await unified.client.listTools();
    web.vanish();
    await expect(unified.client.callTool({ name: 'web___echo', arguments: {} })).rejects.toThrow();
    await expect.poll(() => statusOf(gateway, 'web')).toMatchObject({ state: 'degraded' });
    expect((await unified.client.listTools()).tools).toEqual(before.tools);
    await web[Symbol.asyncDispose]();
  });

  it('that was never reached leaves the others alone', async () => {
    await using web = await startHttpFixture();
    await using gateway = await startInProcess({
      mcpServers: { gone: { type: 'http', url: await deadUrl(), health: QUICK }, web: { type: 'http', url: web.url } },
      gateway: { startup: 'resilient' },
    });
    const raw = await rawClient(gateway.url(), gateway.authorization);
    await expect.poll(() => statusOf(gateway, 'gone')).toMatchObject({ listed: false });
    const { tools } = (await raw.request('tools/list')).answer.result as { readonly tools: readonly object[] };
    expect(tools.length).toBeGreaterThan(10);
  });
});

describe('a listing that comes in part only', () => {
  it('takes nothing away: what was listed last stays', async () => {
    let isBroken = false;
    await using server = await startScriptedServer(({ method, params }) => {
      if (method !== 'tools/list') return 'usual';
      const page = { resultType: 'complete', ttlMs: 0, cacheScope: 'private' };
      const tool = (name: string) => ({ name, inputSchema: { type: 'object' } });
      if (params['cursor'] === undefined) return { result: { ...page, tools: [tool('one')], nextCursor: 'more' } };
      return isBroken ? { error: { code: -32_603, message: 'broken' } } : { result: { ...page, tools: [tool('two')] } };
    });
    await using gateway = await startInProcess({ mcpServers: { web: { type: 'http', url: server.url } } });
    const legacy = await rawClient(gateway.url('web'), gateway.authorization);
    const modern = modernClient(gateway.url(), gateway.authorization);
    const names = async (): Promise<readonly unknown[]> =>
      [await legacy.request('tools/list'), await modern('tools/list')].map(({ answer }) =>
        (answer.result as { readonly tools: readonly { readonly name: string }[] }).tools.map(({ name }) => name),
      );
    const whole = [
      ['one', 'two'],
      ['web___one', 'web___two'],
    ];
    expect(await names()).toEqual(whole);
    isBroken = true;
    const asked = server.received.length;
    expect(await names()).toEqual(whole);
    expect(server.received.length).toBeGreaterThan(asked);
  });
});

describe('health checks', () => {
  it('go with the credentials of the server, and a refusal is a failure like any other', async () => {
    await using web = await startHttpFixture({ requireHeader: 'x-key: secret' });
    await using gateway = await startInProcess({
      mcpServers: { web: { type: 'http', url: web.url, headers: { 'x-key': 'secret' }, health: QUICK } },
    });
    await expect.poll(() => web.state.stats.received['ping'] ?? 0).toBeGreaterThan(1);
    expect(await statusOf(gateway, 'web')).toMatchObject({ state: 'healthy', listed: true });
    web.setUnauthorized(true);
    await expect
      .poll(() => statusOf(gateway, 'web'))
      .toMatchObject({ state: 'auth-required', listed: false, reason: expect.stringContaining('401') });
    web.setUnauthorized(false);
    await expect.poll(() => statusOf(gateway, 'web')).toMatchObject({ state: 'healthy', listed: true });
  });

  it('are not made while calls show that the server lives, and are made at once when a call fails on the wire', async () => {
    const web = await startHttpFixture();
    await using gateway = await startInProcess({
      mcpServers: { web: { type: 'http', url: web.url, health: { ...QUICK, interval: 3_600, failureThreshold: 1 } } },
    });
    const raw = await rawClient(gateway.url(), gateway.authorization);
    await raw.request('tools/call', { name: 'web___echo', arguments: {} });
    expect(web.state.stats.received['ping']).toBeUndefined();
    web.vanish();
    // A check follows a failure no sooner than a second after the one before.
    await expect
      .poll(
        async () => {
          await raw.request('tools/call', { name: 'web___echo', arguments: {} });
          return (await statusOf(gateway, 'web'))?.listed;
        },
        { interval: 300 },
      )
      .toBe(false);
    await web[Symbol.asyncDispose]();
  });
});

describe('with a store', () => {
  it('what servers list is kept there under ids that stay, and follows their changes', async () => {
    await using temporary = await openTemporaryStore();
    const { store } = temporary;
    await using web = await startHttpFixture();
    await using gateway = await startInProcess({ mcpServers: { web: { type: 'http', url: web.url } } }, store);
    const keys = async (): Promise<readonly string[]> =>
      (await store.items({ server: 'web', kind: 'tool' })).filter(({ present }) => present).map(({ key }) => key);
    await expect.poll(keys).toContain('echo');
    expect((await store.items({ server: 'web', kind: 'resource-template' })).map(({ key }) => key)).toContain(
      'fixture://greeting/{name}',
    );
    const id = (await store.items({ server: 'web', kind: 'tool' })).find(({ key }) => key === 'echo')?.id;
    const raw = await rawClient(gateway.url('web'), gateway.authorization);
    await raw.request('tools/call', { name: 'change_tools', arguments: { name: 'brand_new' } });
    await expect.poll(keys).toContain('brand_new');
    expect((await store.items({ server: 'web', kind: 'tool' })).find(({ key }) => key === 'echo')?.id).toBe(id);
  });
});
