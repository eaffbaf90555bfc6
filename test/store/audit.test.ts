import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Denial, Store } from '../../src/store/store.ts';
import { runMain } from '../rig/gateway-process.ts';
import { describeOnBothStores, openTemporaryStore, type TemporaryStore, TEST_ACTOR } from '../rig/store.ts';
import { changed, register } from './samples.ts';
import { querySql } from './sql.ts';

const DENIAL: Denial = {
  actor: TEST_ACTOR,
  action: 'tools.call',
  object: { kind: 'tool', id: 'weather/echo', name: 'echo' },
  reason: 'the role viewer does not allow tools.call',
};

describeOnBothStores('the audit log', (open) => {
  it('says who did what to which object, and how it was before and after', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const before = Date.now();
    const { id } = await register(store, 'weather');
    await store.recordDenial(DENIAL);
    const [denied, done] = await store.audit({ limit: 10 });
    expect(done).toEqual({
      sequence: 1,
      at: done?.at,
      outcome: 'done',
      actor: TEST_ACTOR,
      action: 'gateway.create',
      object: { kind: 'gateway', id, name: 'weather' },
      before: undefined,
      after: { name: 'weather' },
      reason: undefined,
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(done?.at).toBeGreaterThanOrEqual(before);
    expect(denied).toMatchObject({ sequence: 2, outcome: 'denied', ...DENIAL, before: undefined, after: undefined });
    expect(await store.verifyAudit()).toEqual({ ok: true, lines: 2, newest: 2, head: denied?.hash, removed: 0 });
  });

  it('writes every denial before its caller is told, many of them together, without a change of the configuration', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const reasons = Array.from({ length: 700 }, (_, at) => `reason ${at}`);
    await Promise.all([
      ...reasons.map(async (reason) => {
        await store.recordDenial({ ...DENIAL, reason });
        if (!reason.endsWith('00')) return;
        const lines = await store.audit({ limit: 1_000 });
        expect(lines.map((line) => line.reason)).toContain(reason);
      }),
      register(store, 'between'),
    ]);
    const lines = await store.audit({ limit: 1_000 });
    expect(lines.flatMap(({ reason }) => reason ?? []).sort()).toEqual(reasons.sort());
    expect(lines.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 701 }, (_, at) => 701 - at));
    expect(await store.verifyAudit()).toMatchObject({ ok: true, lines: 701 });
    expect(await store.revision()).toBe(1);
  });

  it('is read page by page, by action, by subject and by object', async () => {
    await using temporary = await open();
    const { store } = temporary;
    for (const name of ['a', 'b', 'c']) await register(store, name);
    await store.recordDenial({ ...DENIAL, actor: { ...TEST_ACTOR, subject: 'mallory' } });
    const page = async (before?: number): Promise<number[]> =>
      (await store.audit({ limit: 2, ...(before === undefined ? {} : { before }) })).map(({ sequence }) => sequence);
    expect([await page(), await page(3), await page(1)]).toEqual([[4, 3], [2, 1], []]);
    expect(await store.audit({ limit: 9, action: 'gateway.create' })).toHaveLength(3);
    expect(await store.audit({ limit: 9, subject: 'mallory' })).toHaveLength(1);
    const [second] = await store.audit({ limit: 1, before: 3 });
    expect(await store.audit({ limit: 9, objectId: second?.object?.id ?? '' })).toEqual([second]);
  });

  it('holds whatever a caller sends, cut to size, and still verifies', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const hostile = `nul\0 half\uD800 ${'x'.repeat(100_000)}`;
    await store.recordDenial({
      actor: { subject: hostile, user: hostile, requestId: hostile, address: hostile },
      action: hostile,
      object: { kind: hostile, id: hostile, name: hostile },
      reason: hostile,
    });
    await store.change({ actor: TEST_ACTOR, action: 'x' }, async () => ({
      result: undefined,
      object: { kind: 'x', id: '', name: undefined },
      before: { text: hostile, none: null },
      after: [1.5, 'é', hostile],
    }));
    const [done, denied] = await store.audit({ limit: 2 });
    expect(done?.after).toEqual([1.5, 'é', hostile]);
    expect(denied?.actor.subject).toHaveLength(256);
    expect(denied?.reason).toMatch(/^nul\uFFFD half\uFFFD x+…$/);
    expect(await store.verifyAudit()).toMatchObject({ ok: true, lines: 2 });
  });

  it.each([
    ['a changed line', "update TABLE set reason = 'nothing happened' where sequence = 3", 3],
    ['a changed hash', `update TABLE set hash = '${'0'.repeat(64)}' where sequence = 2`, 2],
    ['a line that is gone', 'delete from TABLE where sequence = 2', 2],
    ['a last line that is gone', 'delete from TABLE where sequence = 5', 5],
    ['no lines any more', 'delete from TABLE', 1],
    ['lines that changed places', 'update TABLE set sequence = 5 - sequence where sequence in (2, 3)', undefined],
    ['another subject', "update TABLE set subject = 'somebody else' where sequence = 1", 1],
    ['an outcome that was turned', "update TABLE set outcome = 'done' where sequence = 4", 4],
  ])('shows %s', async (_, statement, line) => {
    await using temporary = await open();
    const { store } = temporary;
    for (let count = 0; count < 5; count += 1) await store.recordDenial({ ...DENIAL, reason: `reason ${count}` });
    expect(await store.verifyAudit()).toMatchObject({ ok: true, lines: 5 });
    const done = await tamper(temporary, statement).then(
      () => true,
      () => false,
    );
    // Swapping keys in one statement is refused by the database itself; two steps do it.
    if (!done)
      for (const step of ['2 where sequence = 2', '3 where sequence = 3'])
        await tamper(temporary, `update TABLE set sequence = 100 + ${step}`);
    expect(await store.verifyAudit()).toMatchObject({ ok: false, ...(line !== undefined && { sequence: line }) });
  });

  it('shows a line that was added behind the newest one', async () => {
    await using temporary = await open();
    const { store } = temporary;
    await store.recordDenial(DENIAL);
    const columns = 'at, outcome, subject, action, hash';
    await tamper(
      temporary,
      `insert into TABLE (sequence, ${columns}) select 2, ${columns} from TABLE where sequence = 1`,
    );
    expect(await store.verifyAudit()).toMatchObject({ ok: false, sequence: 2 });
  });

  it('is verified while it grows', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const writing = Promise.all(Array.from({ length: 50 }, async () => changed(store, async () => undefined)));
    for (let count = 0; count < 10; count += 1) expect(await store.verifyAudit()).toMatchObject({ ok: true });
    await writing;
    expect(await store.verifyAudit()).toMatchObject({ ok: true, lines: 50 });
  });
});

describe('gatehouse audit verify', () => {
  it('says that the log is whole, knows a line of an earlier run again, and fails when one was changed', async () => {
    await using temporary = await openTemporaryStore();
    const { store, dataDir } = temporary;
    await fill(store);
    const verify = async (
      ...more: string[]
    ): Promise<{ status: number | undefined; stdout: string; stderr: string }> => {
      const program = runMain(['audit', 'verify', '--data-dir', dataDir, ...more], '');
      const { status } = await program.exited;
      return { status, stdout: program.stdout, stderr: program.stderr };
    };
    const first = await verify();
    const [, mark = ''] = /whole: 3 line\(s\), (3:[0-9a-f]{64})\n$/.exec(first.stdout) ?? [];
    expect([first.status, mark]).toEqual([0, expect.stringContaining('3:')]);
    await fill(store);
    expect((await verify('--expect', mark)).status).toBe(0);
    expect(await verify('--expect', `2:${mark.slice(2)}`)).toMatchObject({
      status: 1,
      stderr: 'error: audit log, line 2: the line is not the one that is expected\n',
    });
    await tamper(temporary, "update TABLE set reason = 'x' where sequence = 5");
    const broken = await verify();
    expect(broken).toMatchObject({ status: 1, stdout: '' });
    expect(broken.stderr).toBe('error: audit log, line 5: the line, or the hash before it, was changed\n');
    expect(JSON.parse((await verify('--json')).stdout)).toMatchObject({ ok: false, sequence: 5 });
  });

  it('makes no store where there is none', async () => {
    const program = runMain(['audit', 'verify', '--data-dir', '/nonexistent/gatehouse'], '');
    expect([(await program.exited).status, program.stderr]).toEqual([
      1,
      'error: There is no store in /nonexistent/gatehouse. Name another one with --data-dir.\n',
    ]);
  });
});

async function fill(store: Store): Promise<void> {
  for (const reason of ['one', 'two', 'three']) await store.recordDenial({ ...DENIAL, reason });
}

/** Changes the audit table past the store, as somebody with access to the database could. */
async function tamper({ location }: TemporaryStore, statement: string): Promise<void> {
  if ('databaseUrl' in location) {
    await querySql(location.databaseUrl, statement.replaceAll('TABLE', 'gatehouse.audit'));
    return;
  }
  using database = new DatabaseSync(join(location.dataDir, 'gatehouse.db'));
  database.exec(statement.replaceAll('TABLE', 'audit'));
}
