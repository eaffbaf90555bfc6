/** Parked calls: found once, by their own principal only, and for a limited time. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PARKED_MS, ParkedCalls } from './parked-calls.ts';

function call(principal: string) {
  return { principal, expire: vi.fn() };
}

describe('ParkedCalls', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('gives a call back once', () => {
    const parked = new ParkedCalls();
    const mine = call('alice');
    const id = parked.park(mine);
    expect(parked.take(id, 'alice')).toBe(mine);
    expect(parked.take(id, 'alice')).toBeUndefined();
    vi.advanceTimersByTime(PARKED_MS);
    expect(mine.expire).not.toHaveBeenCalled();
  });

  it('gives it to nobody else, and keeps it for its owner', () => {
    const parked = new ParkedCalls();
    const mine = call('alice');
    const id = parked.park(mine);
    expect(parked.take(id, 'bob')).toBeUndefined();
    expect(parked.take(id, 'alice')).toBe(mine);
  });

  it('ends a call whose client does not come back', () => {
    const parked = new ParkedCalls();
    const mine = call('alice');
    const id = parked.park(mine);
    vi.advanceTimersByTime(PARKED_MS - 1);
    expect(parked.size).toBe(1);
    vi.advanceTimersByTime(1);
    expect(mine.expire).toHaveBeenCalledOnce();
    expect(parked.take(id, 'alice')).toBeUndefined();
    expect(parked.size).toBe(0);
  });

  it('refuses more than one caller may have, and lets others in', () => {
    const parked = new ParkedCalls();
    for (let n = 0; n < 100; n++) parked.park(call('alice'));
    expect(() => parked.park(call('alice'))).toThrow(/At most/);
    expect(() => parked.park(call('bob'))).not.toThrow();
  });

  it('ends all of them with the gateway', () => {
    const parked = new ParkedCalls();
    const calls = [call('alice'), call('bob')];
    for (const each of calls) parked.park(each);
    parked[Symbol.dispose]();
    for (const each of calls) expect(each.expire).toHaveBeenCalledOnce();
  });
});
