import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { outlineOf, type JsonOutline } from './json-outline.ts';
import { scanObject } from './json-text.ts';
import { parseMessage, paramsOf, rawIn, renumbered } from './message.ts';
import { LARGE_TEXT, SERVER_LIMITS } from './shape.ts';

const PAD = 'x'.repeat(LARGE_TEXT);

function outlined(text: string): JsonOutline {
  const outline = outlineOf(text, SERVER_LIMITS);
  if (outline === undefined) throw new Error('no object');
  return outline;
}

describe('JsonOutline', () => {
  it('has the values and places that parsing and scanning the text give', () => {
    const inner = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 5 });
    const key = fc.constantFrom('params', 'result', 'error', 'other', '__proto__');
    const space = fc.constantFrom(undefined, 1);
    fc.assert(
      fc.property(inner, key, fc.oneof(inner, fc.jsonValue()), space, (outer, name, value, spaces) => {
        const text = JSON.stringify(
          Object.fromEntries([...Object.entries(outer).filter(([each]) => each !== name), [name, value]]),
          null,
          spaces,
        );
        const outline = outlined(text);
        expect(outline.text).toBe(text);
        expect(JSON.stringify(outline.value)).toBe(JSON.stringify(JSON.parse(text)));
        expect([...outline.spansInText(outline.members)]).toEqual([...scanObject(text)]);
      }),
    );
  });

  it('parses large objects inside it member by member, down to what is looked at', () => {
    const text = `{"params":{"name":"tool","arguments":{"deep":{"pad":"${PAD}","é":[1,{"a":null}]},"n":1}}}`;
    const { value } = outlined(text);
    expect(value).toEqual(JSON.parse(text));
  });

  it('gives no outline of what is no object, and refuses what is not JSON', () => {
    expect(outlineOf('[1]', SERVER_LIMITS)).toBeUndefined();
    expect(outlineOf(' "{"', SERVER_LIMITS)).toBeUndefined();
    expect(() => outlined('{"a":}')).toThrow('not valid JSON');
  });
});

describe('parseMessage of a large text', () => {
  it.each(['e', 'é', '🏰'])('reads what it reads of a small one, with the letter %s in it', (letter) => {
    const text = `{"jsonrpc":"2.0","id":"${letter}","method":"m","params":{"pad":"${letter}${PAD}","_meta":{"progressToken":7},"name":"${letter}"}}`;
    const message = parseMessage(text);
    expect(message).toMatchObject({ kind: 'request', id: `"${letter}"`, method: 'm', failed: false });
    expect(message.text).toBe(text);
    expect(paramsOf(message)['name']).toBe(letter);
    expect([...message.members]).toEqual([...scanObject(text)]);
    expect([...message.params]).toEqual([...scanObject(text, message.members.get('params')?.start)]);
  });

  it.each([
    ['{"jsonrpc":"2.0","id":1,"id":2,"method":"m"', '"id" stands twice'],
    ['{"jsonrpc":"2.0","id":1,"method":"m","params":{"name":1,"n\\u0061me":2}', '"name" stands twice'],
    ['{"jsonrpc":"1.0","id":1,"method":"m"', 'must be "2.0"'],
    ['{"jsonrpc":"2.0","id":null,"method":"m"', 'must not be null'],
    ['{"jsonrpc":"2.0","id":{},"method":"m"', 'string or a number'],
    ['{"jsonrpc":"2.0","id":1,"method":"m","params":[1]', 'must be an object'],
    ['{"jsonrpc":"2.0","id":1', 'needs "method"'],
    ['{"jsonrpc":"2.0","id":1,"method":"m",', 'not valid JSON'],
    ['[{"jsonrpc":"2.0","id":1,"method":"m"', 'batches'],
  ])('refuses what it refuses of a small one: %s', (beginning, reason) => {
    const end = beginning.startsWith('[') ? '}]' : '}';
    const text = `${beginning}${beginning.endsWith(',') ? '' : ','}"pad":"${PAD}"${beginning.endsWith(',') ? ',' : ''}${end}`;
    expect(() => parseMessage(text)).toThrow(reason);
  });

  it('changes an id and a progress token without copying what stays', () => {
    const text = `{"jsonrpc":"2.0","id":1,"method":"m","params":{"pad":"é${PAD}","_meta":{"é":1,"progressToken":"t"}}}`;
    const message = parseMessage(text);
    const { outline } = message;
    if (outline === undefined) throw new Error('it has none');
    expect(rawIn(message, ['id'])).toBe('1');
    expect(rawIn(message, ['params', '_meta', 'é'])).toBe('1');
    expect(rawIn(message, ['params', '_meta', 'other', 'x'])).toBeUndefined();
    const { pieces, token } = renumbered(message, outline, '4711');
    expect(token).toBe('"t"');
    const changed = text.replace('"id":1', '"id":4711').replace('"progressToken":"t"', '"progressToken":4711');
    expect(Buffer.concat(pieces).toString()).toBe(changed);
    expect(pieces.filter(({ buffer }) => buffer === outline.bytes.buffer)).toHaveLength(3);
  });

  it.each(['result', 'error'])(
    'refuses a request that has "%s" as well: what its params hold would not be known',
    (name) => {
      const text = `{"jsonrpc":"2.0","id":1,"method":"m","params":{"name":"a"},"${name}":{"pad":"${PAD}"}}`;
      expect(() => parseMessage(text)).toThrow(`has no "${name}"`);
    },
  );
});

describe('an outline with other members', () => {
  const names = fc.constantFrom('a', 'b', 'é', '__proto__', 'id', 'x,y"');
  const change = fc.option(fc.jsonValue(), { nil: undefined });
  const changes = fc.uniqueArray(fc.tuple(names, change), { selector: ([name]) => name });
  const object = fc.uniqueArray(fc.tuple(names, fc.jsonValue()), { selector: ([name]) => name });

  it('says what the object says with these members, and knows where they stand', () => {
    fc.assert(
      fc.property(
        object,
        object,
        changes,
        changes,
        fc.constantFrom(undefined, 1),
        (outer, inner, ours, theirs, spaces) => {
          const value = Object.fromEntries([...outer, ['params', Object.fromEntries(inner)], ['end', 1]]);
          const outline = outlined(JSON.stringify(value, null, spaces));
          const given = outline.with({ outer: textsOf(ours), inner: textsOf(theirs) });
          const params = applied(inner, theirs);
          const expected = applied([...outer, ['params', params], ['end', 1]], ours);
          expect(JSON.parse(given.text)).toEqual(JSON.parse(JSON.stringify(expected)));
          const part = Buffer.concat(outline.partOf('params', textsOf(theirs))).toString();
          expect(JSON.parse(part)).toEqual(JSON.parse(JSON.stringify(params)));
          const again = outlined(given.text);
          expect([...given.members]).toEqual([...again.members]);
          expect([...given.inner]).toEqual([...again.inner]);
        },
      ),
    );
  });

  function textsOf(all: readonly (readonly [string, unknown])[]): Record<string, string | undefined> {
    return Object.fromEntries(all.map(([name, value]) => [name, value === undefined ? value : JSON.stringify(value)]));
  }

  function applied(
    members: readonly (readonly [string, unknown])[],
    changed: readonly (readonly [string, unknown])[],
  ): object {
    const all = new Map(members);
    for (const [name, value] of changed)
      if (value === undefined) all.delete(name);
      else all.set(name, value);
    return Object.fromEntries(all);
  }
});
