import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { AuditRetention } from '../../src/store/audit/audit-retention.ts';
import { openStore } from '../../src/store/open-store.ts';
import { rekey } from '../../src/store/secrets/rekey.ts';
import type { Denial, Store } from '../../src/store/store.ts';
import { runMain } from '../rig/gateway-process.ts';
import { describeOnBothStores, openTemporaryStore, TEST_ACTOR } from '../rig/store.ts';
import { register } from './samples.ts';
import { changeTables } from './sql.ts';

const DAY_MS = 86_400_000;
const DENIAL: Denial = { actor: TEST_ACTOR, action: 'tools.call', object: undefined, reason: 'no' };

afterEach(() => {
  vi.useRealTimers();
});

describeOnBothStores('lines of the audit log that are removed', (open) => {
  it('are the oldest beyond a number; what is left verifies, and tells how many went', async () => {
    await using temporary = await open();
    const { store } = temporary;
    await deny(store, 700);
    const [last] = await store.audit({ limit: 1, before: 451 });
    expect(await store.pruneAudit({ keepLines: 250 }, TEST_ACTOR)).toEqual({ lines: 450, removed: 450 });
    const lines = await store.audit({ limit: 1_000 });
    expect(lines.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 251 }, (_, at) => 701 - at));
    expect(lines[0]).toMatchObject({
      outcome: 'done',
      actor: TEST_ACTOR,
      action: 'audit.prune',
      object: { kind: 'audit', id: '450' },
      before: { removed: 0 },
      after: { removed: 450, hash: last?.hash },
    });
    const whole = { ok: true, lines: 251, newest: 701, head: lines[0]?.hash, removed: 450 };
    expect(await store.verifyAudit()).toEqual(whole);
    expect(await rowsOf(temporary)).toBe(251);
    // Neither a change of the configuration nor anything that others have to hear of.
    expect(await store.revision()).toBe(0);
    await deny(store, 1);
    expect(await store.pruneAudit({ keepLines: 100 }, TEST_ACTOR)).toEqual({ lines: 152, removed: 602 });
    expect(await store.verifyAudit()).toMatchObject({ ok: true, lines: 101, newest: 703, removed: 602 });
  });

  it('are those older than some days', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const now = Date.now();
    for (const days of [9, 8, 3, 1]) {
      vi.useFakeTimers({ toFake: ['Date'], now: now - days * DAY_MS });
      await deny(store, 2);
    }
    vi.useRealTimers();
    expect(await store.pruneAudit({ keepDays: 10 }, TEST_ACTOR)).toBeUndefined();
    expect(await store.pruneAudit({ keepDays: 5, atLeast: 5 }, TEST_ACTOR)).toBeUndefined();
    expect(await store.pruneAudit({ keepDays: 5 }, TEST_ACTOR)).toEqual({ lines: 4, removed: 4 });
    expect(await store.pruneAudit({ keepDays: 5 }, TEST_ACTOR)).toBeUndefined();
    // Whatever the limits are, the newest line stays.
    await store.pruneAudit({ keepDays: 0 }, TEST_ACTOR);
    expect(await store.verifyAudit()).toMatchObject({ ok: true, newest: 10 });
    expect(await store.audit({ limit: 100 })).not.toHaveLength(0);
  });

  it('are removed by one of several processes that want to at once, while others write', async () => {
    await using temporary = await open();
    await using second = await openStore(temporary.location);
    await using third = await openStore(temporary.location);
    await deny(temporary.store, 600);
    const stores = [temporary.store, second, third];
    const [results] = await Promise.all([
      Promise.all(stores.map(async (store) => store.pruneAudit({ keepLines: 300 }, TEST_ACTOR))),
      ...stores.map(async (store) => deny(store, 50)),
    ]);
    const told = (await second.audit({ limit: 1_000, action: 'audit.prune' })).toReversed();
    expect(told).toHaveLength(results.filter((one) => one !== undefined).length);
    // Each goes on where the one before it has ended.
    expect(told.map(({ before }) => before)).toEqual([
      { removed: 0 },
      ...told.slice(0, -1).map(({ after }) => only(after)),
    ]);
    expect(await third.verifyAudit()).toMatchObject({ ok: true, newest: 750 + told.length });
  });

  it('are not among the lines that are read and verified while their rows go, and go with the next time', async () => {
    await using temporary = await open();
    const { store } = temporary;
    await deny(store, 20);
    await changeTables(temporary, 'create table TABLE.kept as select * from TABLE.audit where sequence <= 10');
    await store.pruneAudit({ keepLines: 10 }, TEST_ACTOR);
    await changeTables(temporary, 'insert into TABLE.audit select * from TABLE.kept');
    expect(await rowsOf(temporary)).toBe(21);
    expect(await store.audit({ limit: 100 })).toHaveLength(11);
    expect(await store.verifyAudit()).toMatchObject({ ok: true, lines: 11, removed: 10 });
    expect(await store.pruneAudit({ keepLines: 100 }, TEST_ACTOR)).toBeUndefined();
    expect(await rowsOf(temporary)).toBe(11);
  });

  it('are not removed when they are not as they were written: they are the proof of it', async () => {
    await using temporary = await open();
    const { store } = temporary;
    await deny(store, 20);
    await changeTables(temporary, "update TABLE.audit set reason = 'nothing' where sequence = 4");
    const refused = store.pruneAudit({ keepLines: 5 }, TEST_ACTOR);
    await expect(refused).rejects.toThrow(/not whole, so nothing is removed from it: line 4: the line, or the hash/);
    expect(await rowsOf(temporary)).toBe(20);
    expect(await store.pruneAudit({ keepLines: 17 }, TEST_ACTOR)).toEqual({ lines: 3, removed: 3 });
  });

  it('up to one that is named by its number and hash are removed, and not up to another', async () => {
    await using temporary = await open();
    const { store } = temporary;
    await deny(store, 10);
    const [line] = await store.audit({ limit: 1, before: 7 });
    const hash = line?.hash ?? '';
    await expect(store.pruneAudit({ through: { sequence: 5, hash } }, TEST_ACTOR)).rejects.toMatchObject({
      code: 'conflict',
    });
    expect(await store.pruneAudit({ through: { sequence: 6, hash } }, TEST_ACTOR)).toEqual({ lines: 6, removed: 6 });
    const [first] = await store.auditChain(1, 1);
    expect([first?.sequence, first?.previous]).toEqual([7, hash]);
  });

  it('are remembered over a change of keys', async () => {
    await using temporary = await open();
    await deny(temporary.store, 10);
    await temporary.store.pruneAudit({ keepLines: 5 }, TEST_ACTOR);
    const { location } = temporary;
    if ('dataDir' in location) await rekey(location, { actor: TEST_ACTOR, action: 'secrets.rekey' });
    await using again = await openStore(location);
    expect(await again.verifyAudit()).toMatchObject({ ok: true, removed: 5 });
  });

  it.each([
    ['further lines that are gone', ['delete from TABLE.audit where sequence = 11'], 11],
    ['a word of removed lines that is gone', ['delete from TABLE.audit_checkpoint'], 1],
    [
      'a word of removed lines that somebody has made up',
      ["update TABLE.audit_checkpoint set sealed = 'v1.0123456789abcdef.AAAA'"],
      1,
    ],
    [
      'an older word of removed lines',
      ['update TABLE.audit_checkpoint set sealed = (select sealed from TABLE.earlier)'],
      6,
    ],
    ['a line that tells something else of them', [`update TABLE.audit set after_text = '{}' where sequence = 22`], 22],
    ['lines put in before the first', ['insert into TABLE.audit select * from TABLE.stray'], -3],
  ])('show %s', async (_, statements, sequence) => {
    await using temporary = await open();
    const { store } = temporary;
    await deny(store, 20);
    await store.pruneAudit({ keepLines: 15 }, TEST_ACTOR);
    await changeTables(temporary, 'create table TABLE.earlier as select * from TABLE.audit_checkpoint');
    await store.pruneAudit({ keepLines: 11 }, TEST_ACTOR);
    await changeTables(temporary, 'create table TABLE.stray as select * from TABLE.audit where sequence = 20');
    await changeTables(temporary, 'update TABLE.stray set sequence = -3');
    expect(await store.verifyAudit()).toMatchObject({ ok: true, removed: 10, newest: 22 });
    for (const statement of statements) await changeTables(temporary, statement);
    expect(await store.verifyAudit()).toMatchObject({ ok: false, sequence });
  });

  it('go by themselves, as the configuration of the moment says, and the log tells of it', async () => {
    await using temporary = await open();
    const { store } = temporary;
    await deny(store, 250);
    const said: unknown[] = [];
    const log = pino({ level: 'info' }, { write: (line: string) => said.push(JSON.parse(line)) });
    let keepLines: number | undefined;
    const limits = () => ({ keepDays: undefined, keepLines });
    {
      await using _retention = new AuditRetention({ store, log, limits, firstMs: 1, intervalMs: 5 });
      keepLines = 100;
      await vi.waitFor(() => expect(said).toHaveLength(1), { timeout: 20_000 });
    }
    expect(said).toMatchObject([
      { msg: 'old lines of the audit log were removed', lines: 150, removed: 150, keepLines },
    ]);
    expect(await store.verifyAudit()).toMatchObject({ ok: true, lines: 101, removed: 150 });
  });
});

describe('gatehouse audit export and prune', () => {
  // Nine processes, one after the other.
  it('write a file that verifies by itself, and remove what is in it', { timeout: 180_000 }, async () => {
    await using temporary = await openTemporaryStore();
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-export-'));
    const file = join(folder, 'audit.jsonl');
    const audit = async (...args: string[]): Promise<readonly [number | undefined, string, string]> => {
      const program = runMain(['audit', ...args], '', temporary.env);
      const { status } = await program.exited;
      return [status, program.stdout, program.stderr];
    };
    try {
      const { store } = temporary;
      await register(store, 'weather');
      await deny(store, 600);
      const [status, text, said] = await audit('export');
      const [, mark = ''] = /^Up to (601:[0-9a-f]{64})\n$/.exec(said) ?? [];
      expect([status, mark]).toEqual([0, expect.stringContaining('601:')]);
      await writeFile(file, text);
      expect(await audit('verify', '--file', file)).toEqual([0, `The audit log is whole: 601 line(s), ${mark}\n`, '']);
      expect(await audit('prune', '--through', `500:${mark.slice(4)}`)).toEqual([
        1,
        '',
        expect.stringContaining('Line 500 of the audit log has another hash; nothing was removed.'),
      ]);
      await deny(store, 3);
      expect(await audit('prune', '--through', mark)).toEqual([0, '601 line(s) were removed.\n', '']);
      const [, verified, wrong] = await audit('verify', '--expect', mark);
      expect(wrong + verified).toMatch(
        /^The audit log is whole: 4 line\(s\) after 601 that were removed, 605:[0-9a-f]{64}\n$/,
      );
      expect(await audit('verify', '--expect', `7:${mark.slice(4)}`)).toMatchObject([
        1,
        '',
        /line 7: the line was removed from the log by its settings; look for it in an export/,
      ]);
      // What comes later goes on where the file ends.
      const [, more] = await audit('export', '--from', '602');
      await writeFile(file, text + more);
      expect(await audit('verify', '--file', file)).toMatchObject([0, expect.stringContaining('605 line(s)'), '']);
      await writeFile(file, (await readFile(file, 'utf8')).replace('"reason":"no 70"', '"reason":"no 71"'));
      expect(await audit('verify', '--file', file)).toEqual([
        1,
        '',
        'error: audit log, line 72: the line was changed\n',
      ]);
      expect(await audit('prune')).toMatchObject([1, '', expect.stringContaining('say which lines may go')]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

/** One after the other would take a transaction each. */
async function deny(store: Store, count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async (_, at) => store.recordDenial({ ...DENIAL, reason: `no ${at}` })),
  );
}

/** How many rows the table has, whatever the store says of it. */
async function rowsOf(temporary: Parameters<typeof changeTables>[0]): Promise<number> {
  return Number((await changeTables(temporary, 'select count(*) as rows from TABLE.audit'))[0]?.['rows']);
}

function only(after: unknown): unknown {
  return { removed: (after as { readonly removed: number }).removed };
}
