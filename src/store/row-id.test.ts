import { expect, it } from 'vitest';
import { newRowId } from './row-id.ts';

it('gives UUIDs of version 7 that sort by the time of their creation, also within a millisecond', () => {
  const now = Date.now();
  const ids = Array.from({ length: 10_000 }, (_, at) => newRowId(now + Math.floor(at / 5_000)));
  expect(ids.every((id) => /^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/.test(id))).toBe(true);
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});

it('goes on counting when the clock is set back', () => {
  const now = Date.now() + 10_000;
  expect(newRowId(now) < newRowId(now - 5_000)).toBe(true);
});
