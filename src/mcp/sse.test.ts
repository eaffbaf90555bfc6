import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeEvent,
  SseEventTooLargeError,
  SseParser,
  SseTypeError,
  type LongEvent,
  type SseEvent,
  type SseEventFields,
} from './sse.ts';

const MiB = 1024 * 1024;

function parse(
  pieces: readonly (string | Uint8Array)[],
  maxEventBytes = MiB,
): { events: SseEvent[]; parser: SseParser } {
  const events: SseEvent[] = [];
  const parser = new SseParser((event) => events.push(event), { maxEventBytes });
  for (const piece of pieces) parser.push(typeof piece === 'string' ? Buffer.from(piece) : piece);
  return { events, parser };
}

/** Cuts at the given places, wherever in a character they fall. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index] ?? 0, end));
}

const oneLine = fc.string({ unit: 'binary' }).map((text) => text.replaceAll(/[\r\n\0]/g, ''));
const eventFields: fc.Arbitrary<SseEventFields> = fc
  .record(
    {
      event: oneLine.filter((text) => text !== ''),
      id: oneLine.filter((text) => text !== ''),
      retry: fc.integer({ min: 0, max: 100_000 }),
      data: fc.string({ unit: 'binary' }).map((text) => text.toWellFormed()),
    },
    { requiredKeys: ['data'] },
  )
  .map((fields) => ({
    ...fields,
    ...(fields.event === undefined ? {} : { event: fields.event.toWellFormed() }),
    ...(fields.id === undefined ? {} : { id: fields.id.toWellFormed() }),
  }));

describe('SseParser', () => {
  it('reads event, id, data and retry', () => {
    const { events, parser } = parse(['event: ping\nid: 7\nretry: 250\ndata: a\ndata:b\ndata:  c\n\n']);
    expect(events).toEqual([{ event: 'ping', id: '7', data: 'a\nb\n c', retry: 250 }]);
    expect(parser.lastEventId).toBe('7');
    expect(parser.retry).toBe(250);
  });

  it('keeps the last event id and the reconnection time for the events after', () => {
    const { events } = parse(['id: 1\nretry: 5\ndata: a\n\ndata: b\n\nid\ndata: c\n\n']);
    expect(events.map((event) => [event.id, event.retry])).toEqual([
      ['1', 5],
      ['1', 5],
      [undefined, 5],
    ]);
  });

  it('does not take the id of an event that breaks off: it must come again', () => {
    expect(parse(['id: 1\ndata: a\n\nevent: message\nid: 2\ndata: {"half']).parser.lastEventId).toBe('1');
  });

  it('takes an id and a reconnection time from a block without data, and reports no event for it', () => {
    const { events, parser } = parse(['id: primed\nretry: 10\n\n']);
    expect(events).toEqual([]);
    expect(parser.lastEventId).toBe('primed');
    expect(parser.retry).toBe(10);
  });

  it('reports an event whose only data line is empty', () => {
    expect(parse(['id: 1\ndata:\n\n']).events).toEqual([{ event: 'message', id: '1', data: '', retry: undefined }]);
  });

  it('ignores comments, unknown fields, a bad retry and an id with NUL', () => {
    const { events } = parse([': keep-alive\n\nfoo: bar\nretry: 1s\nretry: -1\nid: a\0b\n: c\ndata: x\n\n']);
    expect(events).toEqual([{ event: 'message', id: undefined, data: 'x', retry: undefined }]);
  });

  it('never reports an event that the stream breaks off', () => {
    expect(parse(['data: a\n\ndata: b\n']).events.map((event) => event.data)).toEqual(['a']);
  });

  it('drops one byte order mark at the very beginning, and keeps half of one', () => {
    const bytes = Buffer.from('\ufeffdata: a\n\n\ufeffdata: b\n\n');
    expect(parse([...bytes].map((byte) => Uint8Array.of(byte))).events.map((event) => event.data)).toEqual(['a']);
    expect(parse([Uint8Array.of(0xef, 0xbb), 'data: a\n\ndata: b\n\n']).events.map((event) => event.data)).toEqual([
      'b',
    ]);
  });

  it('refuses an event above its limit, whether it is one line, many lines or never ends', () => {
    const within = 'x'.repeat(900);
    expect(parse([`data: ${within}\n\n`.repeat(50)], 1024).events).toHaveLength(50);
    expect(() => parse([`data: ${'x'.repeat(1025)}\n\n`], 1024)).toThrow(SseEventTooLargeError);
    expect(() => parse(['data: ', ...Array.from({ length: 100 }, () => 'x'.repeat(16))], 1024)).toThrow(
      'a server-sent event is larger than 1024 bytes',
    );
    expect(() =>
      parse(
        Array.from({ length: 65 }, () => 'data:\n'),
        1024,
      ),
    ).toThrow(SseEventTooLargeError);
    expect(() => parse([`id: ${'x'.repeat(1025)}\n`], 1024)).toThrow(SseEventTooLargeError);
  });

  it('delivers the events before one that is too large', () => {
    const seen: string[] = [];
    const parser = new SseParser((event) => seen.push(event.data), { maxEventBytes: 64 });
    expect(() => parser.push(Buffer.from(`data: a\n\ndata: ${'x'.repeat(65)}\n\n`))).toThrow(SseEventTooLargeError);
    expect(seen).toEqual(['a']);
  });

  it('does not hold on to the buffers that it was given', () => {
    const first = Buffer.from('data: abc');
    const events: SseEvent[] = [];
    const parser = new SseParser((event) => events.push(event), { maxEventBytes: MiB });
    parser.push(first);
    first.fill(0);
    parser.push(Buffer.from('def\n\n'));
    expect(events[0]?.data).toBe('abcdef');
  });

  it('gives the same events however the bytes are cut and the lines are ended', () => {
    fc.assert(
      fc.property(
        fc.array(eventFields, { maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        fc.constantFrom('\n', '\r', '\r\n'),
        fc.boolean(),
        (list, places, lineEnd, mark) => {
          const text = (mark ? '\ufeff' : '') + list.map(encodeEvent).join(': comment\n').replaceAll('\n', lineEnd);
          const expected: [string, string][] = list.map(({ event, data }) => [
            event ?? 'message',
            data.replaceAll(/\r\n?/g, '\n'),
          ]);
          const { events, parser } = parse(cut(Buffer.from(text), places));
          expect(events.map(({ event, data }) => [event, data])).toEqual(expected);
          expect(parser.lastEventId).toBe(list.findLast(({ id }) => id !== undefined)?.id);
          expect(parser.retry).toBe(list.findLast(({ retry }) => retry !== undefined)?.retry);
        },
      ),
    );
  });

  it('reads any lines as one piece as it reads them byte by byte', () => {
    const name = fc.constantFrom('data', 'event', 'id', 'retry', '', 'datum', 'x', '\u00e9');
    const rest = fc.constantFrom(
      '',
      ':',
      ': ',
      ':a',
      ': a',
      ':  a',
      ': 12',
      ':a:b',
      ': {"a":"b: c"}',
      ':\u00e9',
      ' :a',
    );
    const line = fc.oneof(
      fc.constant(''),
      fc.tuple(name, rest).map(([field, value]) => field + value),
    );
    const lineEnd = fc.constantFrom('\n', '\n', '\n', '\r\n', '\r');
    fc.assert(
      fc.property(fc.array(fc.tuple(line, lineEnd), { maxLength: 20 }), (lines) => {
        const bytes = Buffer.from(lines.flat().join(''));
        const whole = parse([bytes]);
        const single = parse([...bytes].map((byte) => Buffer.of(byte)));
        expect(whole.events).toEqual(single.events);
        expect([whole.parser.lastEventId, whole.parser.retry]).toEqual([
          single.parser.lastEventId,
          single.parser.retry,
        ]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('never fails on arbitrary bytes within its limit', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), (pieces) => {
        expect(() => parse(pieces)).not.toThrow();
      }),
    );
  });
});

describe('encodeEvent', () => {
  it('writes the fields in the order that readers expect, with an empty line at the end', () => {
    expect(encodeEvent({ event: 'message', id: '1', retry: 10, data: '{}' })).toBe(
      'event: message\nid: 1\nretry: 10\ndata: {}\n\n',
    );
    expect(encodeEvent({ data: 'a\r\nb\rc\nd' })).toBe('data: a\ndata: b\ndata: c\ndata: d\n\n');
  });

  it('refuses an event type or id that would forge other fields', () => {
    expect(() => encodeEvent({ id: '1\ndata: forged', data: '' })).toThrow(RangeError);
    expect(() => encodeEvent({ event: 'a\rb', data: '' })).toThrow(RangeError);
    expect(() => encodeEvent({ id: 'a\0', data: '' })).toThrow(RangeError);
  });
});

describe('an event with long lines', () => {
  /** The data of each event, whether it was passed on or reported whole. */
  function read(pieces: readonly string[]): readonly string[] {
    const seen: string[] = [];
    const onLongEvent = (first: Buffer): { push(data: Buffer): void; end(): void } => {
      let data = first.toString();
      return {
        push: (more) => (data += more.toString()),
        end: () => seen.push(data),
      };
    };
    const parser = new SseParser(({ data }) => seen.push(data), {
      maxEventBytes: 1_000,
      long: { bytes: 20, onLongEvent },
    });
    for (const piece of pieces) parser.push(Buffer.from(piece));
    return seen;
  }

  const LONG = 'x'.repeat(30);
  const STREAM = `data: ${LONG}\ndata: second\nid: 7\ndata: ${LONG}\n\ndata: short\n\n`;

  it('ends where it ends, wherever the pieces are cut', () => {
    const expected = [`${LONG}\nsecond\n${LONG}`, 'short'];
    for (let at = 0; at <= STREAM.length; at++)
      expect([at, read([STREAM.slice(0, at), STREAM.slice(at)])]).toEqual([at, expected]);
    expect(read(STREAM.split(''))).toEqual(expected);
  });

  it('that names another type behind its data is dropped by who can, and what follows is read', () => {
    const told: string[] = [];
    const onLongEvent = (): LongEvent => ({
      push: () => undefined,
      end: () => told.push('end'),
      drop: () => told.push('drop'),
    });
    const parser = new SseParser(({ data }) => told.push(data), {
      maxEventBytes: 1_000,
      long: { bytes: 20, onLongEvent },
    });
    // Only the last type counts.
    const types = ['event: other', 'event: other\nevent: message', 'event: other\nevent:'];
    const stream = types.map((type) => `data: ${LONG}\n${type}\ndata: more\n\ndata: short\n\n`).join('');
    for (const byte of Buffer.from(stream)) parser.push(Buffer.of(byte));
    expect(told).toEqual(['drop', 'short', 'end', 'short', 'end', 'short']);
  });

  it('ends the stream when it names another type and has been passed on', () => {
    expect(() => read([`data: ${LONG}`, '\nevent: other\n\n'])).toThrow(SseTypeError);
  });
});
