/** Who is there after any coming and going. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Members, type Member } from './members.ts';

describe('Members', () => {
  it('has those who came and did not leave, in the order of coming', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -20, max: 20 })), (steps) => {
        const members = new Members<number>();
        const places: { readonly item: number; readonly member: Member }[] = [];
        let there: number[] = [];
        let next = 0;
        for (const step of steps) {
          // Whoever has left may try again.
          const leaving = step < 0 ? places[-step - 1] : undefined;
          if (leaving === undefined) {
            places.push({ item: next, member: members.enter(next) });
            there.push(next++);
          } else {
            leaving.member.leave();
            there = there.filter((item) => item !== leaving.item);
          }
          expect(members.all()).toEqual(there);
          expect(members.size).toBe(there.length);
        }
      }),
    );
  });
});
