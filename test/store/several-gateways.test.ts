/** Gateways that share one store: what one does holds in the other, and nothing is done twice. */
import { expect, it, vi } from 'vitest';
import { type ManagedGateway, startManaged } from '../rig/managed-gateway.ts';
import { startHttpFixture } from '../rig/servers.ts';
import { describeOnBothStores, type TemporaryStore } from '../rig/store.ts';

const CALL = { name: 'echo', arguments: { text: 'still here' } };
const SOON = { timeout: 30_000, interval: 100 };

describeOnBothStores('two gateways of one store', (open) => {
  it('serve what either of them has registered, changed or removed', async () => {
    await using temporary = await open();
    await using server = await startHttpFixture();
    const [one, other] = await startTwo(temporary);
    try {
      const call = async (gateway: ManagedGateway, path: string): Promise<string> =>
        JSON.stringify(await gateway.rpc(path, 'tools/call', CALL));
      const web = { name: 'web', url: server.url, visibility: 'public' };
      const { body } = await one.call('POST', '/gateways', web);
      await vi.waitFor(async () => expect(await call(other, '/mcp/web')).toContain('still here'), SOON);
      expect((await other.call('PUT', `/gateways/${String(body['id'])}`, { name: 'renamed' })).status).toBe(200);
      await vi.waitFor(async () => expect(await call(one, '/mcp/renamed')).toContain('still here'), SOON);
      expect((await one.call('DELETE', `/gateways/${String(body['id'])}`)).status).toBeLessThan(300);
      await vi.waitFor(async () => expect(await call(other, '/mcp/renamed')).toContain('unknown_server'), SOON);
    } finally {
      await Promise.all([one.stop(), other.stop()]);
    }
  });

  it('let nobody in at the other one whom either has locked out', async () => {
    await using temporary = await open();
    const [one, other] = await startTwo(temporary);
    try {
      const token = await one.tokenFor('ann@example.com', 'viewer');
      const status = async (gateway: ManagedGateway): Promise<number> =>
        (await gateway.call('GET', '/v1/status', undefined, { authorization: `Bearer ${token}` })).status;
      expect([await status(one), await status(other)]).toEqual([200, 200]);
      const [user] = (await one.call('GET', '/v1/users')).body['items'] as readonly { email: string }[];
      expect(user).toBeDefined();
      expect((await one.call('PUT', '/v1/users/ann@example.com', { enabled: false })).status).toBe(200);
      expect(await status(one)).toBe(401);
      await vi.waitFor(async () => expect(await status(other)).toBe(401), SOON);
    } finally {
      await Promise.all([one.stop(), other.stop()]);
    }
  });

  it('write one audit log without gaps, and give one name once', async () => {
    await using temporary = await open();
    await using server = await startHttpFixture();
    const [one, other] = await startTwo(temporary);
    try {
      const token = await one.tokenFor('bob@example.com', 'viewer');
      const both = [one, other];
      const tries = Array.from({ length: 20 }, async (_, at) =>
        both[at % 2]?.call('POST', '/gateways', { name: 'same', url: server.url, visibility: 'public' }),
      );
      const denials = Array.from({ length: 40 }, async (_, at) =>
        both[at % 2]?.call('POST', '/v1/teams', { name: `team-${at}` }, { authorization: `Bearer ${token}` }),
      );
      const registered = (await Promise.all(tries)).map((answer) => answer?.status);
      expect(registered.filter((status) => status === 201)).toHaveLength(1);
      expect(registered.filter((status) => status === 409)).toHaveLength(19);
      expect((await Promise.all(denials)).every((answer) => answer?.status === 403)).toBe(true);
      const lines = await temporary.store.audit({ limit: 1_000 });
      expect(lines.filter(({ outcome, action }) => outcome === 'denied' && action === 'team.create')).toHaveLength(40);
      expect(lines.map(({ sequence }) => sequence)).toEqual(lines.map((_, at) => lines.length - at));
      for (const gateway of both)
        expect((await gateway.call('GET', '/v1/audit/verify')).body).toMatchObject({ ok: true });
    } finally {
      await Promise.all([one.stop(), other.stop()]);
    }
  });
});

/** Only one may make the first token of a new store. */
async function startTwo(store: TemporaryStore): Promise<readonly [ManagedGateway, ManagedGateway]> {
  const one = await startManaged({ store });
  return [one, await startManaged({ store })];
}
