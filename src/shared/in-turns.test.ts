import { afterEach, expect, it, vi } from 'vitest';
import { inTurns } from './in-turns.ts';

const KIB = 1024;

afterEach(() => void vi.restoreAllMocks());

/** Counts the turns of the event loop while something goes on. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let over = false;
  const count = (): void => {
    turns++;
    if (!over) setImmediate(count);
  };
  setImmediate(count);
  await work.catch(() => undefined);
  over = true;
  return turns;
}

it('gives all bytes in their order, and others a turn whenever a piece has taken its time', async () => {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => (now += 10));
  const bytes = Buffer.from(Array.from({ length: 640 * KIB }, (_, index) => index % 251));
  const pieces: Buffer[] = [];
  expect(await turnsDuring(inTurns(bytes, (piece) => void pieces.push(piece)))).toBeGreaterThanOrEqual(10);
  expect(pieces).toHaveLength(10);
  expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
});

it('gives no turn away for what takes no time, but one for what follows', async () => {
  vi.spyOn(performance, 'now').mockReturnValue(0);
  expect(await turnsDuring(inTurns(Buffer.alloc(640 * KIB), () => undefined))).toBeLessThanOrEqual(2);
});

it('ends with what the work throws, and gives it nothing more', async () => {
  const work = vi.fn(() => {
    throw new Error('enough');
  });
  await expect(inTurns(Buffer.alloc(640 * KIB), work)).rejects.toThrow('enough');
  expect(work).toHaveBeenCalledOnce();
});
