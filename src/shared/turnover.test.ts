/** What comes and goes is there as in a Map or Set, and leaves nothing in old memory. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TurnoverMap, TurnoverSet } from './turnover.ts';

/** Long enough for several fresh tables. */
const steps = fc.array(fc.record({ adds: fc.boolean(), key: fc.nat(15) }), { minLength: 200, maxLength: 400 });

describe('TurnoverMap', () => {
  it('has what a Map has, in the same order', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const map = new TurnoverMap<number, string>();
        const model = new Map<number, string>();
        for (const [at, { adds, key }] of list.entries()) {
          if (adds) {
            map.set(key, `${at}`);
            model.set(key, `${at}`);
          } else expect(map.delete(key)).toBe(model.delete(key));
          expect(map.size).toBe(model.size);
          expect(map.get(key)).toBe(model.get(key));
          expect(map.has(key)).toBe(model.has(key));
        }
        expect([...map]).toEqual([...model]);
        expect([...map.values()]).toEqual([...model.values()]);
      }),
    );
  });
});

describe('TurnoverSet', () => {
  it('has what a Set has, in the same order', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const set = new TurnoverSet<number>();
        const model = new Set<number>();
        for (const { adds, key } of list) {
          if (adds) {
            set.add(key);
            model.add(key);
          } else expect(set.delete(key)).toBe(model.delete(key));
          expect(set.size).toBe(model.size);
          expect(set.has(key)).toBe(model.has(key));
        }
        expect([...set]).toEqual([...model]);
      }),
    );
  });

  it('may be emptied while it is gone through', () => {
    const set = new TurnoverSet<number>();
    for (let member = 0; member < 100; member++) set.add(member);
    const seen = [];
    for (const member of set) {
      seen.push(member);
      set.delete(member);
      set.delete(member + 1);
    }
    expect(seen).toEqual(Array.from({ length: 50 }, (_, at) => 2 * at));
    expect(set.size).toBe(0);
  });
});
