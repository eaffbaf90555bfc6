/** Who sees what: private, team and public servers and virtual servers, in listings and in calls alike, also when rights change. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mintToken } from '../../../src/auth/mint-token.ts';
import type { Access, VirtualServer } from '../../../src/config/registration.ts';
import { connectV1, connectV2, type ConnectedV1, type ConnectedV2 } from '../../rig/clients.ts';
import { startInProcess, type InProcessConfig, type InProcessGateway } from '../../rig/in-process.ts';
import { startHttpFixture, type HttpFixture } from '../../rig/servers.ts';
import { openTemporaryStore, TEST_ACTOR, type EmbeddedStore } from '../../rig/store.ts';
import { rawClient } from '../raw-client.ts';

const PUBLIC: Access = { visibility: 'public', owner: undefined, team: undefined };
const OF_ANN: Access = { visibility: 'private', owner: 'ann@example.com', team: undefined };

const OPEN_ID = '0'.repeat(31) + '1';
const ANN_ID = '0'.repeat(31) + '2';

const NO_LIMITS = {
  permissions: undefined,
  teams: undefined,
  addresses: undefined,
  hours: undefined,
  expiresAt: undefined,
};

async function either(url: string, token: string, era: 'legacy' | 'modern'): Promise<ConnectedV1 | ConnectedV2> {
  const authorization = `Bearer ${token}`;
  if (era === 'legacy') return connectV1(url, { authorization });
  return connectV2(url, { authorization, clientOptions: { versionNegotiation: { mode: { pin: '2026-07-28' } } } });
}

function echoOf(...servers: readonly string[]): VirtualServer['items'] {
  return servers.map((server) => ({ server, kind: 'tool', key: 'echo' }));
}

describe('visibility', () => {
  const stack = new AsyncDisposableStack();
  const tokens = { ann: '', bob: '', cyn: '', confined: '' };
  let kept: EmbeddedStore;
  let web: HttpFixture;
  let gateway: InProcessGateway;
  let config: InProcessConfig;
  let team: string;

  async function inTransaction(work: Parameters<EmbeddedStore['store']['change']>[1]): Promise<void> {
    await kept.store.change({ actor: TEST_ACTOR, action: 'test' }, work);
  }

  beforeAll(async () => {
    kept = stack.use(await openTemporaryStore());
    web = stack.use(await startHttpFixture());
    const { store } = kept;
    const mint = async (user: string, virtualServers?: readonly string[]): Promise<string> => {
      const wish = {
        name: `${user} ${virtualServers?.length ?? 'all'}`,
        user,
        roles: ['developer'],
        ...NO_LIMITS,
        virtualServers,
      };
      return (await mintToken(store, wish, TEST_ACTOR)).text;
    };
    tokens.ann = await mint('ann@example.com');
    tokens.bob = await mint('bob@example.com');
    tokens.cyn = await mint('cyn@example.com');
    tokens.confined = await mint('cyn@example.com', [OPEN_ID]);
    await inTransaction(async (tx) => {
      const { id, name } = await tx.insertTeam({ name: 'blue', description: undefined });
      team = id;
      await tx.putMembership({ team, user: 'bob@example.com', role: 'member' });
      return { result: undefined, object: { kind: 'team', id, name }, before: undefined, after: undefined };
    });
    const server = { type: 'http', url: web.url };
    const virtual = { description: undefined, tags: [], enabled: true };
    await inTransaction(async (tx) => {
      const items = echoOf('open', 'anns', 'blues');
      const { id, name } = await tx.insertVirtualServer({
        id: OPEN_ID,
        name: 'open',
        access: PUBLIC,
        items,
        ...virtual,
      });
      await tx.insertVirtualServer({ id: ANN_ID, name: 'for ann', access: OF_ANN, items: echoOf('open'), ...virtual });
      return { result: undefined, object: { kind: 'server', id, name }, before: undefined, after: undefined };
    });
    config = {
      mcpServers: { open: server, anns: server, blues: server },
      access: { anns: OF_ANN, blues: { visibility: 'team', owner: undefined, team } },
    };
    gateway = stack.use(await startInProcess(config, store));
  });
  afterAll(() => stack.disposeAsync());

  const cases = [
    ['ann', ['open___echo', 'anns___echo']],
    ['bob', ['open___echo', 'blues___echo']],
    ['cyn', ['open___echo']],
  ] as const;

  describe.each(['legacy', 'modern'] as const)('for a %s client', (era) => {
    it.each(cases)('%s sees and calls what exists for her or him, and nothing else', async (user, echoes) => {
      const token = tokens[user];
      await using unified = await either(gateway.url(), token, era);
      const names = (await unified.client.listTools()).tools.map(({ name }) => name);
      expect(names.filter((name) => name.endsWith('___echo'))).toEqual(echoes);
      await using virtual = await either(gateway.virtualUrl('open'), token, era);
      expect((await virtual.client.listTools()).tools.map(({ name }) => name)).toEqual(echoes);
      for (const name of ['open___echo', 'anns___echo', 'blues___echo']) {
        for (const { client } of [unified, virtual]) {
          const call = client.callTool({ name, arguments: { text: name } });
          if (echoes.some((echo) => echo === name)) expect(await call).toMatchObject({ structuredContent: {} });
          else await expect(call).rejects.toThrow(/Unknown tool/);
        }
      }
      const uri = 'mcp+anns+fixture://text/1';
      const read = unified.client.readResource({ uri });
      if (user === 'ann') expect(await read).toMatchObject({ contents: [{ text: 'Text 1.' }] });
      else await expect(read).rejects.toThrow(/Unknown resource/);
    });
  });

  it('answers for what is hidden as for what does not exist', async () => {
    const ask = async (path: string, token: string): Promise<readonly [number, string]> => {
      const response = await fetch(`${gateway.origin}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
      });
      const { error } = (await response.json()) as { readonly error?: { readonly message: string } };
      return [response.status, error?.message ?? ''];
    };
    expect(await ask('/mcp/anns', tokens.bob)).toEqual([404, 'No server "anns" is configured.']);
    expect(await ask('/mcp/none', tokens.bob)).toEqual([404, 'No server "none" is configured.']);
    expect((await ask('/mcp/anns', tokens.ann))[0]).toBe(200);
    expect(await ask(`/servers/${ANN_ID}/mcp`, tokens.bob)).toEqual([404, `No virtual server "${ANN_ID}" exists.`]);
    expect(await ask('/servers/none-id/mcp', tokens.bob)).toEqual([404, 'No virtual server "none-id" exists.']);
    expect((await ask(`/servers/${ANN_ID}/mcp`, tokens.ann))[0]).toBe(200);
  });

  it('confines a token to its virtual servers', async () => {
    await using connected = await either(gateway.virtualUrl('open'), tokens.confined, 'legacy');
    expect((await connected.client.listTools()).tools.map(({ name }) => name)).toEqual(['open___echo']);
    for (const url of [gateway.url(), gateway.url('open'), gateway.virtualUrl('for ann')])
      await expect(either(url, tokens.confined, 'legacy')).rejects.toThrow(/404|virtual server|configured/i);
  });

  it('lets no cache share what not everybody may see', async () => {
    await using connected = await either(gateway.url(), tokens.ann, 'modern');
    expect(await connected.client.listTools()).toMatchObject({ cacheScope: 'private' });
  });

  it('of a session ends with the rights of its principal', async () => {
    const raw = await rawClient(gateway.url(), `Bearer ${tokens.bob}`);
    const routed = await rawClient(gateway.url('blues'), `Bearer ${tokens.bob}`);
    const call = async (): Promise<string | undefined> =>
      (await raw.request('tools/call', { name: 'blues___echo', arguments: {} })).answer.error?.message;
    expect(await call()).toBeUndefined();
    expect((await routed.request('tools/list')).status).toBe(200);
    await inTransaction(async (tx) => {
      await tx.deleteMembership(team, 'bob@example.com');
      return {
        result: undefined,
        object: { kind: 'team', id: team, name: 'blue' },
        before: undefined,
        after: undefined,
      };
    });
    await expect.poll(call).toBe('Unknown tool "blues___echo".');
    await expect.poll(async () => (await routed.request('tools/list')).status).toBe(404);
  });

  it('of a server that becomes private ends the sessions of others on it, and tells those that merely lose it', async () => {
    const told: string[] = [];
    const listen = (name: string, token: string, url: string): Promise<ConnectedV1> =>
      connectV1(url, {
        authorization: `Bearer ${token}`,
        clientOptions: { listChanged: { tools: { onChanged: () => void told.push(name), autoRefresh: false } } },
      });
    await using cyn = await listen('cyn', tokens.cyn, gateway.url());
    await using onIt = await listen('on it', tokens.cyn, gateway.url('open'));
    await using ann = await listen('ann', tokens.ann, gateway.url());
    const names = async ({ client }: ConnectedV1): Promise<readonly string[]> =>
      (await client.listTools()).tools.map(({ name }) => name).filter((name) => name.endsWith('echo'));
    expect(await names(cyn)).toEqual(['open___echo']);
    await gateway.change({ ...config, access: { ...config.access, open: OF_ANN } });
    expect(await names(cyn)).toEqual([]);
    expect(await names(ann)).toEqual(['open___echo', 'anns___echo']);
    await expect(onIt.client.listTools()).rejects.toThrow(/404|session|configured/i);
    await expect.poll(() => told).toContain('cyn');
    expect(told).not.toContain('ann');
    await gateway.change(config);
  });
});
