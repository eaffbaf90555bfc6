import { expect, it, vi } from 'vitest';
import { EventRing, MAX_EVENT_BYTES } from './event-ring.ts';

it('takes memory as it needs it, and never more than 256 KiB', () => {
  const taken = vi.spyOn(Buffer, 'allocUnsafeSlow');
  const sizes = (): number[] => taken.mock.calls.map(([size]) => size);
  const ring = new EventRing();
  const say = (times: number): void => {
    for (let number = 1; number <= times; number++) ring.keep(1, number, 'x'.repeat(112));
  };
  expect(sizes()).toEqual([]);
  say(8);
  expect(sizes()).toEqual([1024]);
  say(1);
  expect(sizes()).toEqual([1024, 2048]);
  say(10_000);
  expect(sizes().at(-1)).toBe(256 * 1024);
  ring.clear();
  say(1);
  expect(sizes().slice(-2)).toEqual([256 * 1024, 1024]);
  taken.mockRestore();
});

it('keeps the newest events, in full, whatever their characters', () => {
  const ring = new EventRing();
  const texts = Array.from({ length: 5_000 }, (_, number) => `${number} ${'漢é'.repeat(number % 50)}`);
  for (const [index, text] of texts.entries()) ring.keep(7, index + 1, text);
  const kept = ring.events(7, 0);
  expect(kept.length).toBeGreaterThan(1_000);
  expect(kept.map(({ text }) => text)).toEqual(texts.slice(-kept.length));
  expect(kept.at(-1)?.number).toBe(5_000);
  expect(ring.count(7, 4_990)).toBe(10);
  expect(ring.count(8, 0)).toBe(0);
});

it('keeps one event of the greatest length in the place of all others, and none that is longer', () => {
  const ring = new EventRing();
  ring.keep(1, 1, 'before');
  ring.keep(2, 1, Buffer.alloc(MAX_EVENT_BYTES, 'x'));
  expect([ring.count(1, 0), ring.events(2, 0)[0]?.text.length]).toEqual([0, MAX_EVENT_BYTES]);
  ring.keep(3, 1, 'x'.repeat(MAX_EVENT_BYTES + 1));
  expect([ring.count(2, 0), ring.count(3, 0)]).toEqual([0, 0]);
});
