/** Who is told that its time has passed, and who is not. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadlines } from './deadlines.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function watched(deadlines: Deadlines, told: string[]) {
  return (name: string, ms: number) => deadlines.begin(ms, { onLate: () => void told.push(name) });
}

describe('Deadlines', () => {
  it('tells each when its own time has passed, in order, and never early', () => {
    const told: string[] = [];
    using deadlines = new Deadlines();
    const begin = watched(deadlines, told);
    begin('first', 100);
    vi.advanceTimersByTime(60);
    begin('second', 100);
    begin('short', 10);
    vi.advanceTimersByTime(39);
    expect(told).toEqual(['short']);
    vi.advanceTimersByTime(2);
    expect(told).toEqual(['short', 'first']);
    vi.advanceTimersByTime(58);
    expect(told).toEqual(['short', 'first']);
    vi.advanceTimersByTime(3);
    expect(told).toEqual(['short', 'first', 'second']);
  });

  it('tells nobody who has ended, wherever it stood among the others', () => {
    const told: string[] = [];
    using deadlines = new Deadlines();
    const begin = watched(deadlines, told);
    const [one, , three, , five] = ['one', 'two', 'three', 'four', 'five'].map((name) => begin(name, 50));
    for (const ended of [three, one, five, three]) ended?.end();
    vi.advanceTimersByTime(60);
    expect(told).toEqual(['two', 'four']);
  });

  it('takes new ones from whoever is told, and goes on', () => {
    const told: string[] = [];
    using deadlines = new Deadlines();
    const begin = watched(deadlines, told);
    deadlines.begin(20, { onLate: () => void begin('again', 20) });
    vi.advanceTimersByTime(25);
    expect(told).toEqual([]);
    vi.advanceTimersByTime(25);
    expect(told).toEqual(['again']);
  });

  it('has at most one timer for each length, and none once it is disposed of', () => {
    const told: string[] = [];
    const deadlines = new Deadlines();
    const begin = watched(deadlines, told);
    for (let index = 0; index < 1_000; index++) begin('never', 30).end();
    begin('cut', 30);
    expect(vi.getTimerCount()).toBe(1);
    deadlines[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(100);
    expect(told).toEqual([]);
  });
});
