import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesInLine, LineReader, toLine, type LongLine } from './framing.ts';

/** Cuts bytes into pieces at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  const ends = [...sorted, bytes.length];
  let start = 0;
  return ends.map((end) => {
    const piece = bytes.subarray(start, end);
    start = end;
    return piece;
  });
}

function readAll(reader: LineReader, pieces: readonly Buffer[]): string[] {
  return pieces.flatMap((piece) => reader.push(piece));
}

const json = fc.json({ stringUnit: 'binary' }).map((value) => value.toWellFormed());
const ending = fc.constantFrom('\n', '\r\n', '\n\n', '\r\n\n');

describe('LineReader', () => {
  it('T-PTL-006 gives back the lines of a stream that is cut at any bytes, inside characters too', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(json, ending), { maxLength: 12 }), fc.array(fc.nat()), (lines, places) => {
        const bytes = Buffer.from(lines.map(([line, end]) => line + end).join(''));
        expect(readAll(new LineReader({ maxBytes: 1024 * 1024 }), cut(bytes, places))).toEqual(
          lines.map(([line]) => line),
        );
      }),
    );
  });

  it('gives the same lines byte by byte', () => {
    const bytes = Buffer.from('{"text":"größer 🏰"}\r\n\n{"a":1}\n');
    const pieces = [...bytes].map((byte) => Buffer.from([byte]));
    expect(readAll(new LineReader({ maxBytes: 1024 * 1024 }), pieces)).toEqual(['{"text":"größer 🏰"}', '{"a":1}']);
  });

  it('keeps a carriage return that does not end a line', () => {
    expect(new LineReader({ maxBytes: 1024 * 1024 }).push(Buffer.from('a\rb\n\r\n'))).toEqual(['a\rb']);
  });

  it('never returns a line that has not ended', () => {
    const reader = new LineReader({ maxBytes: 1024 * 1024 });
    expect(reader.push(Buffer.from('{"a":'))).toEqual([]);
    expect(reader.push(Buffer.from('1}'))).toEqual([]);
    expect(reader.push(Buffer.from('\n'))).toEqual(['{"a":1}']);
  });

  it('gives long lines to whoever reads them, piece by piece, and returns the others', () => {
    const size = fc.integer({ min: 1, max: 60 });
    fc.assert(
      fc.property(fc.array(size, { maxLength: 12 }), fc.array(fc.nat()), (sizes, places) => {
        const lines = sizes.map((length, index) => String.fromCodePoint(97 + (index % 26)).repeat(length));
        const found: string[] = [];
        const begin = (): LongLine => {
          let line = '';
          const push = (bytes: Buffer): void => void (line += bytes.toString());
          return { push, end: () => void found.push(line), drop: () => undefined };
        };
        const reader = new LineReader({ maxBytes: 50, long: { bytes: 20, begin } });
        for (const piece of cut(Buffer.from(lines.map((line) => `${line}\n`).join('')), places))
          for (let at = 0; at < piece.length; at += 20) found.push(...reader.push(piece.subarray(at, at + 20)));
        expect(found).toEqual(lines.filter(({ length }) => length <= 50));
      }),
    );
  });

  it('drops exactly the lines that are too long and reports each once, however the stream is cut', () => {
    const size = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(fc.array(size, { maxLength: 12 }), fc.array(fc.nat()), (sizes, places) => {
        const lines = sizes.map((length, index) => String.fromCodePoint(97 + (index % 26)).repeat(length));
        let dropped = 0;
        const reader = new LineReader({ maxBytes: 20, onDropped: () => (dropped += 1) });
        const found = readAll(reader, cut(Buffer.from(lines.map((line) => `${line}\n`).join('')), places));
        expect(found).toEqual(lines.filter((line) => line.length <= 20));
        expect(dropped).toBe(lines.filter((line) => line.length > 20).length);
      }),
    );
  });

  it('reports a line that is too long before it ends, and goes on at the next one', () => {
    let dropped = 0;
    const reader = new LineReader({ maxBytes: 10, onDropped: () => (dropped += 1) });
    expect(reader.push(Buffer.from('12345678901'))).toEqual([]);
    expect(dropped).toBe(1);
    expect(reader.push(Buffer.from('more of it'))).toEqual([]);
    expect(reader.push(Buffer.from('end\nnext\n'))).toEqual(['next']);
    expect(dropped).toBe(1);
  });

  it('holds no more than the limit of a line of 100 MB', () => {
    const reader = new LineReader({ maxBytes: 1024 * 1024 });
    const piece = Buffer.alloc(64 * 1024, 'x');
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    for (let sent = 0; sent < 100 * 1024 * 1024; sent += piece.length) {
      reader.push(piece);
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    // Growing by doubling leaves at most the old and the new buffers of all sizes, before any collection.
    expect(most).toBeLessThan(4 * 1024 * 1024);
    expect(reader.push(Buffer.from('\nok\n'))).toEqual(['ok']);
  });
});

describe('toLine', () => {
  it('T-PTL-001 writes any JSON text as one line that means the same', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2, '\t', '\r\n'), (value, space) => {
        const line = toLine(JSON.stringify(value, undefined, space));
        expect(line.indexOf('\n')).toBe(line.length - 1);
        expect(line).not.toContain('\r');
        expect(JSON.stringify(JSON.parse(line))).toBe(JSON.stringify(value));
      }),
    );
  });
});

it('bytes in a line are the bytes without breaks, and themselves when there are none', () => {
  const bytes = Buffer.from('{"a":\r\n1}\n');
  expect(bytesInLine(bytes).toString()).toBe('{"a":  1} ');
  expect(bytes.toString()).toContain('\n');
  expect(bytesInLine(bytes.subarray(0, 5))).toHaveLength(5);
});
