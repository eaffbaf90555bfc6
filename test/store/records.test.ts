import { expect, it } from 'vitest';
import type { Store } from '../../src/store/store.ts';
import { describeOnBothStores } from '../rig/store.ts';
import { changed, register, sampleGateway, sampleToken } from './samples.ts';

const PUBLIC = { visibility: 'public', owner: undefined, team: undefined } as const;
const ADA = { email: 'Ada@Example.com', fullName: 'Ada Lovelace', enabled: true };

describeOnBothStores('records', (open) => {
  it('come back as they were written, with an id, a version and times', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const before = Date.now();
    const team = await changed(store, async (tx) => tx.insertTeam({ name: 'platform', description: undefined }));
    const fields = sampleGateway('weather', {
      description: 'Täglich ☂ "quoted" \\ back',
      tags: ['a', 'b'],
      access: { visibility: 'team', owner: 'ada@example.com', team: team.id },
      secrets: { '/headers/Authorization': 'Bearer ☂', '/tls/key': '-----BEGIN\n' },
      state: 'pending',
      leaseUntil: Date.now() + 60_000,
    });
    const gateway = await changed(store, async (tx) => tx.insertGateway(fields));
    expect(gateway).toEqual({
      ...fields,
      id: gateway.id,
      version: 1,
      createdAt: gateway.createdAt,
      updatedAt: gateway.createdAt,
    });
    expect(gateway.id).toMatch(/^[0-9a-f]{12}7[0-9a-f]{19}$/);
    expect(gateway.createdAt).toBeGreaterThanOrEqual(before);
    expect(await store.gateway(gateway.id)).toEqual(gateway);
    expect(await store.gatewayByName('weather')).toEqual(gateway);
    expect(await store.gateways()).toEqual([gateway]);
    expect(await store.gateway('nothing')).toBeUndefined();
  });

  it('are listed in the order of their creation', async () => {
    await using temporary = await open();
    const names = ['zulu', 'alpha', 'mike', 'bravo', 'kilo'];
    for (const name of names) await register(temporary.store, name);
    expect((await temporary.store.gateways()).map(({ name }) => name)).toEqual(names);
  });

  it('are changed field by field, count their versions and refuse an older one', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const one = await register(store, 'one');
    const two = await changed(store, async (tx) => tx.updateGateway(one.id, 1, { enabled: false, description: 'off' }));
    expect(two).toEqual({ ...one, enabled: false, description: 'off', version: 2, updatedAt: two.updatedAt });
    const stale = changed(store, async (tx) => tx.updateGateway(one.id, 1, { enabled: true }));
    await expect(stale).rejects.toMatchObject({ code: 'stale' });
    await expect(changed(store, async (tx) => tx.deleteGateway(one.id, 1))).rejects.toMatchObject({ code: 'stale' });
    const three = await changed(store, async (tx) => tx.updateGateway(one.id, undefined, { description: undefined }));
    expect(three).toMatchObject({ version: 3, description: undefined, secrets: one.secrets });
    expect(await changed(store, async (tx) => tx.deleteGateway(one.id, 3))).toEqual(three);
    expect(await store.gateways()).toEqual([]);
    const gone = changed(store, async (tx) => tx.updateGateway(one.id, undefined, { enabled: true }));
    await expect(gone).rejects.toMatchObject({ code: 'missing' });
    await expect(changed(store, async (tx) => tx.deleteGateway(one.id))).rejects.toMatchObject({ code: 'missing' });
  });

  it('of virtual servers keep the order of their items', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const items = ['z', 'a', 'm'].map((key) => ({ server: 'weather', kind: 'tool', key }) as const);
    const fields = { name: 'mine', description: 'x', access: PUBLIC, tags: ['t'], items, enabled: true };
    const made = await changed(store, async (tx) => tx.insertVirtualServer(fields));
    expect(made).toMatchObject({ ...fields, version: 1 });
    expect(await store.virtualServer(made.id)).toEqual(made);
    const fewer = [{ server: 'other', kind: 'prompt', key: 'p' } as const, ...items.slice(1)];
    const next = await changed(store, async (tx) => tx.updateVirtualServer(made.id, 1, { items: fewer }));
    expect(await store.virtualServers()).toEqual([next]);
    expect(next.items).toEqual(fewer);
    const same = await changed(store, async (tx) => tx.updateVirtualServer(made.id, 2, { enabled: false }));
    expect(same.items).toEqual(fewer);
    expect(await changed(store, async (tx) => tx.deleteVirtualServer(made.id))).toEqual(same);
    expect(await store.virtualServers()).toEqual([]);
  });

  it('of a server that is renamed or removed go along, so that no other server inherits them', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const gateway = await register(store, 'weather');
    const item = { server: 'weather', kind: 'tool', key: 'forecast' } as const;
    await store.syncItems('weather', [{ kind: 'tool', key: 'forecast', text: '{"name":"forecast"}' }]);
    const selection = await changed(store, async (tx) => {
      await tx.putOverride({ ...item, ...NOTHING_SAID, enabled: false }, undefined);
      const [name, other] = ['mine', { server: 'files', kind: 'tool', key: 'read' } as const];
      return tx.insertVirtualServer({
        name,
        description: undefined,
        access: PUBLIC,
        tags: [],
        items: [item, other],
        enabled: true,
      });
    });
    await changed(store, async (tx) => tx.updateGateway(gateway.id, 1, { name: 'sky' }));
    expect((await store.items({ server: 'sky' })).map(({ key }) => key)).toEqual(['forecast']);
    expect((await store.overrides()).map(({ server }) => server)).toEqual(['sky']);
    const renamed = await store.virtualServer(selection.id);
    expect([renamed?.version, renamed?.items[0]]).toEqual([2, { ...item, server: 'sky' }]);
    await changed(store, async (tx) => tx.deleteGateway(gateway.id));
    expect([await store.items({}), await store.overrides()]).toEqual([[], []]);
    const left = await store.virtualServer(selection.id);
    expect([left?.version, left?.items.map(({ server }) => server)]).toEqual([3, ['files']]);
  });

  it('of items keep their ids while their server lists them, and when it lists them again', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const longUri = `file:///${'x'.repeat(9_000)}`;
    const [tool, page] = [
      { kind: 'tool', key: 'echo', text: '{"name":"echo"}' } as const,
      { kind: 'resource', key: longUri, text: '{}' } as const,
    ];
    await store.syncItems('demo', [tool, page]);
    await store.syncItems('other', [tool]);
    const first = await store.items({ server: 'demo' });
    expect(first.map(({ key, present }) => [key, present])).toEqual([
      ['echo', true],
      [longUri, true],
    ]);
    await store.syncItems('demo', [{ ...page, text: '{"title":"new"}' }]);
    expect((await store.items({ server: 'demo' })).map(({ present, text }) => [present, text])).toEqual([
      [false, tool.text],
      [true, '{"title":"new"}'],
    ]);
    await store.syncItems('demo', [tool, page]);
    const again = await store.items({ server: 'demo' });
    expect(again.map(({ id, present }) => [id, present])).toEqual(first.map(({ id }) => [id, true]));
    expect(await store.item(first[0]?.id ?? '')).toMatchObject({ key: 'echo', server: 'demo' });
    expect(await store.items({ kind: 'resource' })).toHaveLength(1);
    const revision = await store.revision();
    await store.syncItems('demo', [tool, page]);
    expect([await store.revision(), (await store.audit({ limit: 10 })).length]).toEqual([revision, 0]);
    expect(await store.items({ server: 'demo' })).toEqual(again);
  });

  it('of changed items are replaced as a whole', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const item = { server: 'demo', kind: 'tool', key: 'echo' } as const;
    const override = { ...item, ...NOTHING_SAID, name: 'say', annotations: { readOnlyHint: true }, tags: ['x'] };
    const one = await changed(store, async (tx) => tx.putOverride(override, undefined));
    expect(await store.overrides()).toEqual([{ ...override, ...rowOf(one) }]);
    const two = await changed(store, async (tx) => tx.putOverride({ ...item, ...NOTHING_SAID }, 1));
    expect(two).toEqual({ ...item, ...NOTHING_SAID, ...rowOf(two), id: one.id, version: 2 });
    const stale = changed(store, async (tx) => tx.putOverride(override, 1));
    await expect(stale).rejects.toMatchObject({ code: 'stale' });
    // Nothing may have been said of it yet.
    const late = changed(store, async (tx) => tx.putOverride(override, 0));
    await expect(late).rejects.toMatchObject({ code: 'stale' });
    const seen = changed(store, async (tx) => tx.deleteOverride(item, 1));
    await expect(seen).rejects.toMatchObject({ code: 'stale' });
    await changed(store, async (tx) => tx.deleteOverride(item, 2));
    expect(await store.overrides()).toEqual([]);
    await expect(changed(store, async (tx) => tx.deleteOverride(item))).rejects.toMatchObject({ code: 'missing' });
    const unseen = changed(store, async (tx) => tx.putOverride(override, 2));
    await expect(unseen).rejects.toMatchObject({ code: 'missing' });
  });

  it('of users are found by their address in any spelling, and take with them what is theirs', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const { user, team } = await accounts(store);
    expect(user.email).toBe('ada@example.com');
    expect(await store.user('ADA@example.com')).toEqual(user);
    const token = await changed(store, async (tx) => tx.insertToken(sampleToken('ADA@example.com', 'a'.repeat(64))));
    await changed(store, async (tx) => tx.updateUser(user.id, 1, { email: 'countess@example.com' }));
    expect(await store.memberships({ user: 'countess@example.com' })).toHaveLength(1);
    expect(await store.roleBindings({ user: 'countess@example.com' })).toHaveLength(2);
    expect(await store.token(token.id)).toMatchObject({ user: 'countess@example.com' });
    expect(await store.tokens({ user: 'Countess@example.com' })).toHaveLength(1);
    await changed(store, async (tx) => tx.deleteUser(user.id));
    expect(await store.users()).toEqual([]);
    expect([await store.memberships({ team: team.id }), await store.roleBindings({}), await store.tokens({})]).toEqual([
      [],
      [],
      [],
    ]);
  });

  it('of memberships and roles are given once however often they are given', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const { user, team } = await accounts(store);
    await changed(store, async (tx) => {
      await tx.putMembership({ team: team.id, user: user.email, role: 'member' });
      await tx.putRoleBinding({ user: user.email, role: 'viewer', team: undefined });
      await tx.putRoleBinding({ user: user.email, role: 'viewer', team: undefined });
    });
    expect(await store.memberships({})).toEqual([{ team: team.id, user: user.email, role: 'member' }]);
    expect(await store.roleBindings({ user: user.email })).toHaveLength(2);
    await changed(store, async (tx) => {
      await tx.deleteRoleBinding({ user: user.email, role: 'viewer', team: undefined });
      await tx.deleteMembership(team.id, user.email);
    });
    expect(await store.roleBindings({ team: team.id })).toEqual([
      { user: user.email, role: 'reviewer', team: team.id },
    ]);
    for (const again of [
      changed(store, async (tx) => tx.deleteRoleBinding({ user: user.email, role: 'viewer', team: undefined })),
      changed(store, async (tx) => tx.deleteMembership(team.id, user.email)),
    ])
      await expect(again).rejects.toMatchObject({ code: 'missing' });
  });

  it('of roles follow a new name, and cannot go while somebody has them', async () => {
    await using temporary = await open();
    const { store } = temporary;
    await accounts(store);
    const role = await store.role('reviewer');
    const id = role?.id ?? '';
    await changed(store, async (tx) => tx.updateRole(id, 1, { name: 'auditor', permissions: ['audit.read'] }));
    expect((await store.roleBindings({})).map((binding) => binding.role).sort()).toEqual(['auditor', 'viewer']);
    await expect(changed(store, async (tx) => tx.deleteRole(id))).rejects.toMatchObject({ code: 'conflict' });
    const user = await store.user('ada@example.com');
    await changed(store, async (tx) => tx.deleteUser(user?.id ?? ''));
    await changed(store, async (tx) => tx.deleteRole(id));
    expect(await store.roles()).toEqual([]);
  });

  it('refer only to what is there', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const { user, team } = await accounts(store);
    const ofTeam = { access: { visibility: 'team', owner: undefined, team: team.id } } as const;
    await changed(store, async (tx) => tx.insertGateway(sampleGateway('owned', ofTeam)));
    await expect(changed(store, async (tx) => tx.deleteTeam(team.id))).rejects.toMatchObject({ code: 'conflict' });
    const noTeam = { access: { visibility: 'team', owner: undefined, team: 'none' } } as const;
    for (const wrong of [
      changed(store, async (tx) => tx.insertGateway(sampleGateway('lost', noTeam))),
      changed(store, async (tx) => tx.putMembership({ team: 'none', user: user.email, role: 'member' })),
      changed(store, async (tx) => tx.putMembership({ team: team.id, user: 'nobody@example.com', role: 'member' })),
      changed(store, async (tx) => tx.putRoleBinding({ user: 'nobody@example.com', role: 'viewer', team: undefined })),
      changed(store, async (tx) => tx.insertToken(sampleToken('nobody@example.com', 'b'.repeat(64)))),
    ])
      await expect(wrong).rejects.toMatchObject({ code: 'missing' });
  });

  it('of tokens remember the latest use, from whichever process', async () => {
    await using temporary = await open();
    const { store } = temporary;
    await accounts(store);
    const hash = 'c'.repeat(64);
    const scope = {
      permissions: ['tools.call'],
      virtualServers: ['v'],
      teams: [],
      addresses: ['10.0.0.0/8'],
      hours: { timeZone: 'Europe/Berlin', days: [1, 2], from: '08:00', to: '18:00' },
      expiresAt: 4_102_444_800_000,
    };
    const token = await changed(store, async (tx) => tx.insertToken({ ...sampleToken(ADA.email, hash), ...scope }));
    const revision = await store.revision();
    await store.touchTokens(new Map([[token.id, 2_000]]));
    await store.touchTokens(
      new Map([
        [token.id, 1_000],
        ['gone', 5],
      ]),
    );
    expect(await store.tokenByHash(hash)).toEqual({ ...token, ...scope, lastUsedAt: 2_000 });
    expect(await store.revision()).toBe(revision);
    const revoked = await changed(store, async (tx) => tx.updateToken(token.id, 1, { revokedAt: 3_000 }));
    expect(revoked).toMatchObject({ revokedAt: 3_000, version: 2, lastUsedAt: 2_000 });
    expect(await store.tokenByHash('d'.repeat(64))).toBeUndefined();
  });

  it('of revocations stay until the token has expired anyway', async () => {
    await using temporary = await open();
    const { store } = temporary;
    await changed(store, async (tx) => tx.revoke('old', Date.now() - 3 * 86_400_000));
    await changed(store, async (tx) => tx.revoke('forever', undefined));
    await changed(store, async (tx) => tx.revoke('forever', undefined));
    // Nothing that is revoked comes back because somebody revokes it once more.
    await changed(store, async (tx) => tx.revoke('forever', Date.now() - 3 * 86_400_000));
    expect([await store.isRevoked('forever'), await store.isRevoked('old')]).toEqual([true, false]);
    expect(await store.revocations()).toEqual([{ jti: 'forever', expiresAt: undefined }]);
  });

  it('of answers are kept for a day, each under its caller and key', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const answer = { subject: 's', key: 'k'.repeat(5_000), fingerprint: 'f', status: 201, body: '{}' };
    const [now, yesterday] = [Date.now(), Date.now() - 86_400_001];
    await changed(store, async (tx) => tx.rememberIdempotent({ ...answer, createdAt: yesterday }));
    expect(await store.idempotent(answer)).toBeUndefined();
    await changed(store, async (tx) => tx.rememberIdempotent({ ...answer, createdAt: now }));
    expect(await store.idempotent(answer)).toEqual({ ...answer, createdAt: now });
    expect(await store.idempotent({ ...answer, subject: 't' })).toBeUndefined();
    const twice = changed(store, async (tx) => tx.rememberIdempotent({ ...answer, createdAt: now }));
    await expect(twice).rejects.toMatchObject({ code: 'conflict' });
  });

  it('are not found by what no database can hold, and the store still answers', async () => {
    await using temporary = await open();
    const { store } = temporary;
    await changed(store, async (tx) => tx.revoke('id\0', undefined));
    const hostile = 'id\0';
    const found = [
      await store.gateway(hostile),
      await store.gatewayByName(hostile),
      await store.virtualServer(hostile),
      await store.item(hostile),
      await store.user(hostile),
      await store.team(hostile),
      await store.role(hostile),
      await store.token(hostile),
      await store.tokenByHash(hostile),
      ...(await store.items({ server: hostile })),
      ...(await store.tokens({ user: hostile })),
      ...(await store.memberships({ team: hostile, user: hostile })),
      ...(await store.roleBindings({ team: hostile, user: hostile })),
      ...(await store.audit({ limit: 9, action: hostile, subject: hostile, objectId: hostile })),
    ];
    expect(found.filter((one) => one !== undefined)).toEqual([]);
    // What is revoked is so under the very text that was revoked.
    expect(await store.isRevoked(hostile)).toBe(true);
    await changed(store, async (tx) => tx.revoke(hostile, undefined));
    const nobody = changed(store, async (tx) => tx.deleteMembership(hostile, hostile));
    await expect(nobody).rejects.toMatchObject({ code: 'missing' });
    expect(store.status()).toMatchObject({ reachable: true, lastError: undefined });
  });

  it('hold any text that somebody may send', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const hostile = `nul\0 half\uD800 '"; drop table users; -- ${'é'.repeat(10_000)}`;
    const kept = hostile.toWellFormed().replaceAll('\0', '\uFFFD');
    const gateway = await changed(store, async (tx) =>
      tx.insertGateway(sampleGateway('text', { description: hostile, secrets: { '/a': hostile.toWellFormed() } })),
    );
    expect(gateway.description).toBe(kept);
    expect(await store.gateway(gateway.id)).toEqual({ ...gateway, secrets: { '/a': hostile.toWellFormed() } });
    await store.syncItems('text', [{ kind: 'tool', key: hostile, text: '{}' }]);
    const [item] = await store.items({});
    await store.syncItems('text', [{ kind: 'tool', key: hostile, text: '{}' }]);
    expect(await store.items({})).toEqual([item]);
  });
});

const NOTHING_SAID = {
  enabled: true,
  name: undefined,
  title: undefined,
  description: undefined,
  annotations: undefined,
  tags: [],
};

interface Stamp {
  readonly id: string;
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

function rowOf({ id, version, createdAt, updatedAt }: Stamp): Stamp {
  return { id, version, createdAt, updatedAt };
}

/** A user who is an owner of a team, has a built-in role for everything and one of the store for the team. */
async function accounts(store: Store) {
  return changed(store, async (tx) => {
    const user = await tx.insertUser(ADA);
    const team = await tx.insertTeam({ name: 'platform', description: undefined });
    await tx.insertRole({ name: 'reviewer', description: undefined, permissions: ['tools.read'] });
    await tx.putMembership({ team: team.id, user: ADA.email, role: 'owner' });
    await tx.putRoleBinding({ user: ADA.email, role: 'viewer', team: undefined });
    await tx.putRoleBinding({ user: ADA.email, role: 'reviewer', team: team.id });
    return { user, team };
  });
}
