import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AnswerBudget, AnswerHold } from './answer-budget.ts';
import type { GatewayError } from './errors.ts';

const LIMITS = { maxBytes: 100, freeBytes: 40, answerBytes: 30, patienceMs: 1_000, sharedPatienceMs: 100 };

function setUp(limits = LIMITS) {
  const budget = new AnswerBudget(limits);
  const answer = (isShared = false) => {
    const state = { paused: false, refused: undefined as GatewayError | undefined };
    const hold = new AnswerHold(budget, {
      isShared,
      pause: () => (state.paused = true),
      resume: () => (state.paused = false),
      refuse: (error) => (state.refused = error),
    });
    return { hold, state };
  };
  return { budget, answer };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('AnswerBudget', () => {
  it('lets everybody go on while little is held, and then those alone that are sure to come to their end', () => {
    const { budget, answer } = setUp();
    const answers = Array.from({ length: 4 }, () => answer());
    for (const { hold } of answers) hold.grow(10);
    expect(answers.map(({ state }) => state.paused)).toEqual([false, false, false, false]);
    for (const { hold } of answers) hold.grow(1);
    // 41 and 30 for the first fit into 100; with 30 for each of two it would be 102.
    expect(answers.map(({ state }) => state.paused)).toEqual([false, true, true, true]);
    expect(budget.held).toBe(44);
  });

  it('gives the turn of one that is complete, and of one that was dropped, to the next in their order', () => {
    const { answer } = setUp();
    const [first, second, third] = [answer(), answer(), answer()];
    for (const { hold } of [first, second, third]) hold.grow(20);
    expect([first, second, third].map(({ state }) => state.paused)).toEqual([false, false, false]);
    second.hold.grow(5);
    first.hold.grow(5);
    expect([first, second, third].map(({ state }) => state.paused)).toEqual([true, true, false]);
    third.hold.complete();
    expect([first, second].map(({ state }) => state.paused)).toEqual([true, false]);
    second.hold[Symbol.dispose]();
    expect(first.state.paused).toBe(false);
  });

  it('refuses one that has waited for too long, and gives back what it held', () => {
    const { budget, answer } = setUp();
    const [full, late] = [answer(), answer()];
    full.hold.grow(80);
    full.hold.complete();
    late.hold.grow(10);
    vi.advanceTimersByTime(LIMITS.patienceMs);
    expect(late.state.refused?.code).toBe('too_many_answers');
    expect(budget.held).toBe(80);
    late.hold.grow(10);
    late.hold[Symbol.dispose]();
    expect(budget.held).toBe(80);
    full.hold.sent();
    expect(budget.held).toBe(0);
  });

  it('what shares its wire waits for less, and not again before something was given back', () => {
    const { answer } = setUp();
    const full = answer();
    full.hold.grow(80);
    full.hold.complete();
    const [first, second] = [answer(true), answer(true)];
    first.hold.grow(1);
    expect(first.state).toEqual({ paused: true, refused: undefined });
    vi.advanceTimersByTime(LIMITS.sharedPatienceMs);
    expect(first.state.paused).toBe(false);
    expect(first.state.refused).toBeDefined();
    second.hold.grow(1);
    expect(second.state.refused).toBeDefined();
    expect(second.state.paused).toBe(false);
    full.hold[Symbol.dispose]();
    const third = answer(true);
    third.hold.grow(50);
    expect(third.state).toEqual({ paused: false, refused: undefined });
  });

  it('what shares its wire does not wait again when too little was given back for anybody to go on', () => {
    const { answer } = setUp();
    const [full, little, first, second] = [answer(), answer(), answer(true), answer(true)];
    full.hold.grow(80);
    full.hold.complete();
    little.hold.grow(1);
    first.hold.grow(1);
    vi.advanceTimersByTime(LIMITS.sharedPatienceMs);
    little.hold[Symbol.dispose]();
    second.hold.grow(1);
    expect(second.state.refused).toBeDefined();
    expect(second.state.paused).toBe(false);
  });

  it('one that became complete while it waited does not wait any more', () => {
    const { answer } = setUp();
    const [full, small] = [answer(), answer()];
    full.hold.grow(80);
    small.hold.grow(1);
    expect(small.state.paused).toBe(true);
    small.hold.complete();
    expect(small.state.paused).toBe(false);
    vi.advanceTimersByTime(LIMITS.patienceMs);
    expect(small.state.refused).toBeUndefined();
  });

  it('never holds more than it may but for one piece of each, and whoever takes turns comes to an end', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: LIMITS.answerBytes }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(sizes, fc.infiniteStream(fc.nat()), (bytes, order) => {
        const { budget, answer } = setUp();
        const all = bytes.map((size) => ({ ...answer(), left: size, isSent: false }));
        const isReady = ({ state, left, isSent }: (typeof all)[number]): boolean =>
          left === 0 ? !isSent : !state.paused;
        for (;;) {
          const ready = all.filter(isReady);
          if (ready.length === 0) break;
          const next = ready[(order.next().value as number) % ready.length];
          if (next === undefined) break;
          if (next.left > 0) {
            next.hold.grow(1);
            if (--next.left === 0) next.hold.complete();
          } else {
            // Its client takes it, whenever that is.
            next.hold[Symbol.dispose]();
            next.isSent = true;
          }
          expect(budget.held).toBeLessThanOrEqual(LIMITS.maxBytes + all.length);
        }
        expect(all.every(({ left, isSent }) => left === 0 && isSent)).toBe(true);
        expect(budget.held).toBe(0);
      }),
    );
  });
});
