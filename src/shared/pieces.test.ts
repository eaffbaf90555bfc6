import { expect, it } from 'vitest';
import { Pieces } from './pieces.ts';

const KIB = 1024;

/** Bytes of which no two neighbours are the same. */
function bytesOf(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, at) => at % 251));
}

it('a million bytes that come one by one are a few buffers', () => {
  const bytes = bytesOf(1_000_000);
  const pieces = new Pieces();
  for (let at = 0; at < bytes.length; at++) pieces.add(bytes.subarray(at, at + 1));
  expect(pieces.all.length).toBeLessThan(30);
  expect(Buffer.concat(pieces.all).equals(bytes)).toBe(true);
});

it('small and large pieces keep their order, also when somebody looks between them', () => {
  const bytes = bytesOf(2_000_000);
  const pieces = new Pieces();
  const sizes = [1, 20 * KIB, 3, 16 * KIB - 1, 0, 16 * KIB, 5, 5 * KIB, 100 * KIB];
  let at = 0;
  for (let turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    pieces.add(bytes.subarray(at, at + size));
    at += size;
    if (turn % 7 === 0) expect(Buffer.concat(pieces.all).equals(bytes.subarray(0, at))).toBe(true);
  }
  expect(Buffer.concat(pieces.all).equals(bytes)).toBe(true);
});

it('the first piece and large ones are not copied', () => {
  const [first, small, large] = [bytesOf(10), bytesOf(10), bytesOf(16 * KIB)];
  const pieces = new Pieces();
  for (const piece of [first, small, large]) pieces.add(piece);
  expect(pieces.all[0]).toBe(first);
  expect(pieces.all[1]).not.toBe(small);
  expect(pieces.all[2]).toBe(large);
});
