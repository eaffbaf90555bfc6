import { afterEach, expect, it, vi } from 'vitest';
import { inTurns } from './in-turns.ts';

const KIB = 1024;

afterEach(() => void vi.restoreAllMocks());

/** Counts the turns of the event loop while something goes on, the one in which it ends included. */
async function turnsDuring(begin: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let over = false;
  const count = (): void => {
    turns++;
    if (!over) setImmediate(count);
  };
  setImmediate(count);
  await begin().catch(() => undefined);
  over = true;
  return turns;
}

it('gives all bytes in their order, and others a turn whenever a piece has taken its time', async () => {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => (now += 10));
  const bytes = Buffer.from(Array.from({ length: 640 * KIB }, (_, index) => index % 251));
  const pieces: Buffer[] = [];
  expect(await turnsDuring(() => inTurns(bytes, (piece) => void pieces.push(piece)))).toBeGreaterThanOrEqual(10);
  expect(pieces).toHaveLength(10);
  expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
});

it('gives no turn away for what takes no time, but one for what follows', async () => {
  vi.spyOn(performance, 'now').mockReturnValue(0);
  expect(await turnsDuring(() => inTurns(Buffer.alloc(640 * KIB), () => undefined))).toBeLessThanOrEqual(2);
});

it('ends with what the work throws, and gives it nothing more', async () => {
  const work = vi.fn(() => {
    throw new Error('enough');
  });
  await expect(inTurns(Buffer.alloc(640 * KIB), work)).rejects.toThrow('enough');
  expect(work).toHaveBeenCalledOnce();
});

it('all that goes on at the same time has one piece in a turn, each in its turn, whatever becomes of the others', async () => {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => (now += 10));
  let turn = 0;
  let over = false;
  const count = (): void => {
    turn++;
    if (!over) setImmediate(count);
  };
  setImmediate(count);
  const took: { readonly job: number; readonly turn: number }[] = [];
  const jobs = [0, 1, 2, 3].map(async (job) => {
    await inTurns(Buffer.alloc(192 * KIB), () => {
      took.push({ job, turn });
      if (job === 1) throw new Error('enough');
    });
    took.push({ job, turn });
  });
  const settled = await Promise.allSettled(jobs);
  over = true;
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  expect(took.map(({ job }) => job)).toEqual([0, 1, 2, 3, 0, 2, 3, 0, 2, 3, 0, 2, 3]);
  expect(new Set(took.map((each) => each.turn)).size).toBe(took.length);
  // Nobody is in the way of the next one.
  const next = vi.fn();
  await inTurns(Buffer.alloc(128 * KIB), next);
  expect(next).toHaveBeenCalledTimes(2);
});
