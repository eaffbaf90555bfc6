import fc from 'fast-check';
/** Sealed values open for the one they were made for, and for nobody else. */
import { describe, expect, it } from 'vitest';
import type { Json } from './message.ts';
import { Sealer } from './sealed.ts';

const HOUR = 3_600_000;
const sealer = new Sealer();
const seal = { purpose: 'cursor', principal: 'alice' };
const json = fc.jsonValue() as fc.Arbitrary<Json>;

describe('Sealer', () => {
  it('gives back any value, and never the same text twice', () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = sealer.seal(value, seal, HOUR);
        expect(JSON.stringify(sealer.open(text, seal))).toBe(JSON.stringify(value));
        expect(sealer.seal(value, seal, HOUR)).not.toBe(text);
        expect(text).toMatch(/^[A-Za-z0-9_-]+$/);
      }),
    );
  });

  it('opens for no other principal, purpose or key', () => {
    fc.assert(
      fc.property(json, fc.string(), fc.string(), (value, principal, purpose) => {
        const text = sealer.seal(value, seal, HOUR);
        fc.pre(principal !== seal.principal || purpose !== seal.purpose);
        expect(sealer.open(text, { principal, purpose })).toBeUndefined();
        expect(new Sealer().open(text, seal)).toBeUndefined();
      }),
    );
  });

  it('opens no text that differs in a single character', () => {
    fc.assert(
      fc.property(
        json,
        fc.nat(),
        fc.constantFrom('A', 'Z', 'a', 'z', '0', '9', '_', '-', '='),
        (value, place, character) => {
          const text = sealer.seal(value, seal, HOUR);
          const at = place % text.length;
          fc.pre(text[at] !== character);
          expect(sealer.open(text.slice(0, at) + character + text.slice(at + 1), seal)).toBeUndefined();
        },
      ),
    );
  });

  it('opens nothing that it did not make', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(sealer.open(text, seal)).toBeUndefined();
      }),
    );
  });

  it('opens until the end of its time and not in that moment', () => {
    const text = sealer.seal('x', seal, 1_000, 5_000);
    expect(sealer.open(text, seal, 5_999)).toBe('x');
    expect(sealer.open(text, seal, 6_000)).toBeUndefined();
  });

  it('opens what another process with the same secret sealed', () => {
    const secret = Buffer.alloc(32, 7);
    expect(new Sealer(secret).open(new Sealer(secret).seal([1], seal, HOUR), seal)).toEqual([1]);
    expect(() => new Sealer(Buffer.alloc(31))).toThrow(RangeError);
  });
});
