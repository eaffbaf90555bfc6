import fc from 'fast-check';
/** Any text survives a header; what a header could spoil is encoded. */
import { describe, expect, it } from 'vitest';
import { decodeHeaderValue, encodeHeaderValue } from './header-value.ts';

const anyText = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom(' ', '\t', '\r', '\n', '=', '?', 'base64', 'é', 'a') }),
  fc.string().map((inner) => `=?base64?${inner}?=`),
);

describe('values of Mcp-* headers', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(decodeHeaderValue(encodeHeaderValue(text))).toBe(text);
      }),
    );
  });

  it('hold visible ASCII only, and no space at either end', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(encodeHeaderValue(text)).toMatch(/^(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?$/);
      }),
    );
  });

  it('pass optional white space around them', () => {
    fc.assert(
      fc.property(anyText, fc.string({ unit: fc.constantFrom(' ', '\t') }), (text, space) => {
        expect(decodeHeaderValue(`${space}${encodeHeaderValue(text)}${space}`)).toBe(text);
      }),
    );
  });

  it.each(['=?base64?!!?=', '=?base64?YQ?=', '=?base64?YQ=?=', '=?base64?Y===?=', '=?base64?/w==?='])(
    'refuses %s',
    (value) => {
      expect(decodeHeaderValue(value)).toBeUndefined();
    },
  );

  it('leaves ordinary names alone', () => {
    expect(encodeHeaderValue('get_weather')).toBe('get_weather');
    expect(encodeHeaderValue('file:///a b')).toBe('file:///a b');
  });
});
