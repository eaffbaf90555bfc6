import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonOutline } from './json-outline.ts';
import { LargeMessageReader, SharedWireReader, type Received } from './large-message.ts';

function readIn(pieces: readonly Buffer[]): Received {
  const reader = new LargeMessageReader();
  for (const piece of pieces) reader.push(piece);
  return reader.end();
}

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

describe('LargeMessageReader', () => {
  it('gives the outline of an object, however it is cut', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.nat()), (value, cuts) => {
        const text = JSON.stringify(value);
        const given = readIn(cutAt(Buffer.from(text), cuts));
        expect(given).toBeInstanceOf(JsonOutline);
        expect(given instanceof JsonOutline && given.text).toBe(text);
      }),
    );
  });

  it('gives the text of a batch, and refuses one that is large', () => {
    expect(readIn([Buffer.from('[{},'), Buffer.from('{}]')])).toBe('[{},{}]');
    expect(() => readIn([Buffer.from(`["${'x'.repeat(1024 * 1024)}"]`)])).toThrow('no single message');
  });

  it.each([
    { what: 'what is no JSON', bytes: Buffer.from('{"a":}'), reason: 'not valid JSON' },
    { what: 'what breaks off', bytes: Buffer.from('{"a":1'), reason: 'ends too early' },
    { what: 'a hostile shape', bytes: Buffer.from('['.repeat(1_000)), reason: '128 levels' },
    { what: 'what is not UTF-8', bytes: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), reason: 'UTF-8' },
  ])('refuses $what', ({ bytes, reason }) => {
    expect(() => readIn([bytes])).toThrow(reason);
  });
});

describe('SharedWireReader', () => {
  function told(pieces: readonly string[]): readonly [Received, string | undefined] {
    let given: readonly [Received, string | undefined] | undefined;
    const reader = new SharedWireReader((message, answered) => (given = [message, answered]));
    for (const piece of pieces) reader.push(Buffer.from(piece));
    reader.end();
    if (given === undefined) throw new Error('nothing was told');
    return given;
  }

  it('tells a message that can be read', () => {
    const [message, answered] = told(['{"id":1,', '"result":{}}']);
    expect(message instanceof JsonOutline && message.text).toBe('{"id":1,"result":{}}');
    expect(answered).toBeUndefined();
  });

  it('tells of what cannot be read as a text that is no JSON, and whom it seems to answer', () => {
    const [message, answered] = told(['{"jsonrpc":"2.0","id":7,"result":', '['.repeat(1_000), 'whatever follows']);
    expect(message).toBe('unreadable: {"jsonrpc":"2.0","id":7,"result":…');
    expect(answered).toBe('7');
  });

  it.each(['"jsonrpc":"2.0","id":7}', '"id":7,"jsonrpc":"2.0"}', '"id" : 7 } \r'])(
    'finds the id behind what cannot be read, wherever it is cut: %s',
    (end) => {
      const rest = `${'['.repeat(1_000)}${']'.repeat(1_000)},${end}`;
      for (let at = 0; at <= end.length; at++) {
        const pieces = ['{"result":', rest.slice(0, rest.length - at), rest.slice(rest.length - at)];
        expect([at, told(pieces)[1]]).toEqual([at, '7']);
      }
    },
  );

  it.each([
    { what: 'deeper inside', end: ',{"x":1,"id":7}}' },
    { what: 'of a batch', end: ',"id":7}]' },
    { what: 'inside a string', end: String.raw`,"x":",\"id\":7}` },
    { what: 'that nobody gives', end: ',"id":"7"}' },
  ])('takes no id $what for that of the answer', ({ end }) => {
    expect(told(['{"result":', '['.repeat(1_000), end])[1]).toBeUndefined();
  });

  it('never takes the beginning of it for all of it', () => {
    const [message] = told([`{"jsonrpc":"2.0","id":7,"result":{}}${' '.repeat(200)}`, 'nonsense']);
    expect(() => JSON.parse(String(message)) as unknown).toThrow('JSON');
  });

  it('takes a request of the server for no answer', () => {
    expect(told(['{"method":"ping","id":7,"params":', '['.repeat(1_000)])[1]).toBeUndefined();
    const method = ',"method":"sampling/createMessage"';
    expect(told(['{"jsonrpc":"2.0","id":7,"params":', '['.repeat(1_000), `${method}}`])[1]).toBeUndefined();
    expect(told(['{"jsonrpc":"2.0","params":', '['.repeat(1_000), `${method},"id":7}`])[1]).toBeUndefined();
    expect(told(['{"id":7,"params":{},"x":', '['.repeat(1_000), `${method}}`])[1]).toBeUndefined();
  });
});
