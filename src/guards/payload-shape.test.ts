import { describe, expect, it } from 'vitest';
import { shapeOf } from './payload-shape.ts';

describe('the shape of a payload', () => {
  it('T-PTL-005 names the type of a leaf', () => {
    expect(['text', 1.5, true, null].map(shapeOf)).toEqual(['string', 'number', 'boolean', 'null']);
  });

  it('T-PTL-005 describes an array by its first element and an object by every key', () => {
    const value = { items: [{ id: 1, labels: ['a', 'b'] }, 'ignored'], next: null, none: [], empty: {} };
    expect(shapeOf(value)).toEqual({
      items: [{ id: 'number', labels: ['string'] }],
      next: 'null',
      none: [],
      empty: {},
    });
  });

  it('stays short for an object with very many keys, and says how many are missing', () => {
    const value = Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`key-${index}`, index]));
    const shape = shapeOf(value);
    expect(JSON.stringify(shape).length).toBeLessThan(20_000);
    const described = Object.keys(shape).length - 1;
    expect(shape).toHaveProperty(['...'], `${50_000 - described} more`);
  });

  it('stays short for long keys', () => {
    expect(JSON.stringify(shapeOf({ ['k'.repeat(100_000)]: 1, small: 2 })).length).toBeLessThan(1_000);
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`${index}${'k'.repeat(200)}`, index]));
    expect(JSON.stringify(shapeOf(many)).length).toBeLessThan(20_000);
  });

  it('stays short for deep levels of objects and of arrays', () => {
    const nested = (open: string, close: string): unknown => JSON.parse(`${open.repeat(5_000)}1${close.repeat(5_000)}`);
    expect(JSON.stringify(shapeOf(nested('{"a":', '}'))).length).toBeLessThan(1_000);
    expect(JSON.stringify(shapeOf(nested('[', ']'))).length).toBeLessThan(1_000);
  });

  it('keeps a member named __proto__', () => {
    expect(JSON.stringify(shapeOf(JSON.parse('{"__proto__":1}')))).toBe('{"__proto__":"number"}');
  });
});
