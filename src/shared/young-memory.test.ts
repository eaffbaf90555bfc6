import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { letYoungMemoryGrow, roomForYoung, YoungMemory } from './young-memory.ts';

const MANY = 8 * 1024 * 1024;

/** What survives makes V8 take more room, sooner or later. */
function fill(kept: object[][]): void {
  for (let times = 0; times < 30 && roomForYoung() <= MANY; times++)
    kept.push(Array.from({ length: 200_000 }, (_, index) => ({ index, text: `${index}` })));
}

test('the room that young objects took is given back once the process is idle, and not before', async () => {
  letYoungMemoryGrow();
  const kept: object[][] = [];
  fill(kept);
  expect(roomForYoung()).toBeGreaterThan(MANY);
  {
    using _later = new YoungMemory({ lookMs: 10, quietMs: 60_000 });
    await pause(300);
    expect(roomForYoung()).toBeGreaterThan(MANY);
  }
  using _young = new YoungMemory({ lookMs: 2_000, quietMs: 4_000 });
  await expect.poll(roomForYoung, { timeout: 30_000, interval: 500 }).toBeLessThan(MANY);
  expect(kept.length).toBeGreaterThan(0);
});
