import { describe, expect, it } from 'vitest';
import { parseMessage } from './message.ts';
import { CLIENT_LIMITS, LARGE_TEXT } from './shape.ts';

const PAD = 'x'.repeat(LARGE_TEXT);

function read(value: string): unknown {
  return parseMessage(`{"jsonrpc":"2.0","method":"m","params":{"pad":"${PAD}","value":${value}}}`, CLIENT_LIMITS).value;
}

describe('limits of large messages', () => {
  it('refuse what is nested too deeply, holds too many values, or has too long a number', () => {
    expect(() => read(`${'['.repeat(200)}${']'.repeat(200)}`)).toThrow('nested more than 128 levels deep');
    expect(() => read(`[${'0,'.repeat(200_000)}0]`)).toThrow('more than 100000 values');
    expect(() => read('9'.repeat(2_000))).toThrow('more than 1000 characters');
  });

  it('let long strings and long lists of few values pass, whatever stands in the strings', () => {
    expect(() => read(JSON.stringify('[{,'.repeat(200_000)))).not.toThrow();
    expect(() =>
      read(JSON.stringify({ text: String.raw`\\"[`.repeat(50_000), list: Array(50_000).fill(1) })),
    ).not.toThrow();
  });
});
