import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareWithParse, hostileJson } from '../../test/json/differential.ts';
import { JsonScanError, JsonScanner, type JsonFault, type JsonLimits } from './json-scanner.ts';
import { scanObject, sliceSpan } from './json-text.ts';

const NO_LIMITS: JsonLimits = { depth: 10_000, values: 1_000_000, digits: 100_000 };

function scan(text: string | Buffer, limits = NO_LIMITS, ...inside: string[]): JsonScanner {
  const scanner = new JsonScanner(limits, inside);
  scanner.push(Buffer.from(text));
  scanner.end();
  return scanner;
}

function faultOf(text: string | Buffer, limits = NO_LIMITS): JsonFault | undefined {
  try {
    scan(text, limits);
    return undefined;
  } catch (error) {
    if (error instanceof JsonScanError) return error.fault;
    throw error;
  }
}

describe('JsonScanner', () => {
  it('takes what JSON.parse takes and refuses what it refuses, however the bytes are cut', () => {
    fc.assert(
      fc.property(hostileJson, fc.array(fc.nat(), { maxLength: 6 }), (text, cuts) => {
        expect(compareWithParse(text, cuts)).toBe('agree');
      }),
      { numRuns: 3_000 },
    );
  });

  it('finds the outermost members, and those of one of them, where a scan of the text finds them', () => {
    const value = fc.jsonValue();
    const inner = fc.dictionary(fc.string(), value, { maxKeys: 5 });
    const space = fc.constantFrom(undefined, 1, '\t');
    fc.assert(
      fc.property(fc.dictionary(fc.string(), value, { maxKeys: 5 }), inner, space, (outer, params, spaces) => {
        const text = JSON.stringify({ ...outer, params }, null, spaces);
        const bytes = Buffer.from(text);
        const { members, inner: found } = scan(bytes, NO_LIMITS, 'params');
        const expected = scanObject(text);
        const cut = ({ start, end }: { start: number; end: number }): string => bytes.toString('utf8', start, end);
        expect([...members].map(([key, span]) => [key, cut(span)])).toEqual(
          [...expected].map(([key, span]) => [key, sliceSpan(text, span)]),
        );
        const inside = scanObject(text, expected.get('params')?.start);
        expect([...found].map(([key, span]) => [key, cut(span)])).toEqual(
          [...inside].map(([key, span]) => [key, sliceSpan(text, span)]),
        );
      }),
    );
  });

  it('says which member is being read, and where its value begins', () => {
    const scanner = new JsonScanner(NO_LIMITS);
    scanner.push(Buffer.from('{"id":1,"result" '));
    expect(scanner.current).toBeUndefined();
    scanner.push(Buffer.from(': '));
    expect(scanner.current).toBeUndefined();
    scanner.push(Buffer.from('{"a":[1,'));
    expect(scanner.current).toEqual({ key: 'result', start: 19 });
    scanner.push(Buffer.from('2]}'));
    expect(scanner.current).toBeUndefined();
    expect(scanner.members.get('result')).toEqual({ start: 19, end: 30 });
    expect(scanner.complete).toBe(false);
    scanner.push(Buffer.from('} \n'));
    expect(scanner.complete).toBe(true);
  });

  it('finds control characters, quotes and escapes at every place of a long string', () => {
    const length = 200;
    for (let at = 0; at < length; at++) {
      const put = (part: string): Buffer => Buffer.from(`["é${'x'.repeat(at)}${part}${'y'.repeat(length - at)}"]`);
      expect(faultOf(put('\u001f'))).toBe('syntax');
      expect(faultOf(put('\n'))).toBe('syntax');
      expect(faultOf(put('"'))).toBe('syntax');
      expect(faultOf(put('\\'))).toBe('syntax');
      expect(faultOf(put('\\n\\u00e9\\\\'))).toBeUndefined();
      expect(faultOf(put('\u0080\u007f🏰'))).toBeUndefined();
    }
  });

  it('refuses a member that stands twice on a level that is looked at, also when one is escaped', () => {
    expect(faultOf('{"id":1,"id":2}')).toBe('duplicate');
    expect(faultOf(String.raw`{"id":1,"i\u0064":2}`)).toBe('duplicate');
    expect(() => scan(String.raw`{"params":{"name":1,"n\u0061me":2}}`, NO_LIMITS, 'params')).toThrow(
      '"name" stands twice',
    );
    // Deeper it is the business of whoever reads it.
    expect(faultOf('{"a":{"b":{"id":1,"id":2}}}')).toBeUndefined();
  });

  it('refuses shapes beyond its limits, as soon as they have come', () => {
    const limits = { depth: 4, values: 10, digits: 5 };
    expect(faultOf('[[[[1]]]]', limits)).toBeUndefined();
    expect(faultOf('[[[[[', limits)).toBe('depth');
    expect(faultOf(`{"a":{"a":{"a":{"a":{`, limits)).toBe('depth');
    expect(faultOf(`[${'1,'.repeat(9)}`, limits)).toBe('syntax');
    expect(faultOf(`[${'1,'.repeat(10)}`, limits)).toBe('values');
    expect(faultOf('[12345]', limits)).toBeUndefined();
    expect(faultOf('[123456', limits)).toBe('digits');
    expect(faultOf('[-1e-99', limits)).toBe('digits');
  });

  it('refuses names that nobody gives, on the levels that are looked at', () => {
    expect(faultOf(`{"${'n'.repeat(5_000)}`)).toBe('key');
    expect(faultOf(`{${Array.from({ length: 1_001 }, (_, index) => `"k${index}":1`).join(',')}}`)).toBe('duplicate');
  });
});
