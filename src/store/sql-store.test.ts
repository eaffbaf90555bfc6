import { expect, it } from 'vitest';
import { describeOnBothStores, TEST_ACTOR } from '../../test/rig/store.ts';

describeOnBothStores('a store', (open) => {
  it('keeps what was changed, with its line in the audit log', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const team = await store.change({ actor: TEST_ACTOR, action: 'team.create' }, async (tx) => {
      const result = await tx.insertTeam({ name: 'platform', description: undefined });
      return { result, object: { kind: 'team', id: result.id, name: result.name }, before: undefined, after: result };
    });
    expect(await store.team(team.id)).toEqual(team);
    expect(await store.verifyAudit()).toMatchObject({ ok: true, lines: 1 });
  });
});
