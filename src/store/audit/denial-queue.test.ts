import { expect, it } from 'vitest';
import type { Denial } from '../store.ts';
import type { AuditEntry } from './audit-line.ts';
import { DenialQueue } from './denial-queue.ts';

const DENIAL: Denial = {
  actor: { subject: 's', user: undefined, requestId: undefined, address: undefined },
  action: 'tools.call',
  object: undefined,
  reason: 'no',
};

it('writes those that come together in one go, and tells each of them when they are written', async () => {
  const batches: number[] = [];
  const queue = new DenialQueue(async (entries) => void batches.push(entries.length));
  await Promise.all([queue.add(DENIAL), queue.add(DENIAL), queue.add(DENIAL)]);
  await queue.add(DENIAL);
  expect(batches).toEqual([3, 1]);
});

it('tells those of a batch that was not written, and goes on with the next one', async () => {
  const written: AuditEntry[] = [];
  let broken = true;
  const queue = new DenialQueue(async (entries) => {
    if (broken) throw new Error('the disk is gone');
    written.push(...entries);
  });
  const lost = await Promise.allSettled([queue.add(DENIAL), queue.add(DENIAL)]);
  expect(lost.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  broken = false;
  await queue.add(DENIAL);
  expect(written).toHaveLength(1);
});

it('refuses more than it may hold, instead of growing', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const queue = new DenialQueue(async () => promise);
  const all = Array.from({ length: 20_300 }, async () => queue.add(DENIAL));
  const settled = Promise.allSettled(all);
  const refused = await Promise.race(all.slice(-1)).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'unavailable' });
  resolve();
  expect((await settled).filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0);
});
