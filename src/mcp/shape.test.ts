import { describe, expect, it } from 'vitest';
import { checkShape } from './shape.ts';

describe('checkShape', () => {
  it('refuses what is too deep or has too many values', () => {
    expect(() => checkShape('['.repeat(2_000_000))).toThrow('more than 128 levels');
    expect(() => checkShape(`[${'1,'.repeat(200_000)}1]`)).toThrow('more than 100000 values');
  });

  it('counts nothing inside strings, and lets long plain texts pass', () => {
    expect(() => checkShape(JSON.stringify({ text: '[{"\\'.repeat(500_000) }))).not.toThrow();
    expect(() =>
      checkShape(JSON.stringify({ list: Array.from({ length: 50_000 }, (_, index) => index) })),
    ).not.toThrow();
  });
});
