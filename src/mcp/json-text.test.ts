import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findSpan, removeMember, scanArray, scanObject, setMember, sliceSpan, splice } from './json-text.ts';

/** Objects as text, with odd spacing between the tokens. */
const document = fc
  .dictionary(fc.string(), fc.jsonValue(), { maxKeys: 6 })
  .chain((value) =>
    fc.constantFrom(undefined, 1, '\t').map((space) => ({ value, text: JSON.stringify(value, null, space) })),
  );

describe('scanObject', () => {
  it('finds every member of any object, whatever the spacing', () => {
    fc.assert(
      fc.property(document, ({ text }) => {
        const parsed = JSON.parse(text) as Record<string, unknown>;
        const found = scanObject(text);
        expect([...found.keys()].toSorted()).toEqual(Object.keys(parsed).toSorted());
        for (const [key, span] of found) expect(JSON.parse(sliceSpan(text, span))).toEqual(parsed[key]);
      }),
    );
  });

  it('is not misled by brackets, quotes and backslashes inside strings', () => {
    const text = String.raw`{"a":"}\"]{\\","b":["]",{"c":"\\\\"}],"d":1}`;
    expect(sliceSpan(text, scanObject(text).get('d') ?? { start: 0, end: 0 })).toBe('1');
  });

  it('refuses a member that stands twice, also when one is escaped', () => {
    expect(() => scanObject('{"id":1,"id":2}')).toThrow('"id" stands twice');
    expect(() => scanObject(String.raw`{"name":1,"n\u0061me":2}`)).toThrow('"name" stands twice');
  });
});

describe('scanArray', () => {
  it('finds every element of any array', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 6 }), fc.constantFrom(undefined, 2), (value, space) => {
        const text = JSON.stringify(value, null, space);
        const elements = scanArray(text).map((span) => JSON.parse(sliceSpan(text, span)) as unknown);
        expect(elements).toEqual(JSON.parse(text));
      }),
    );
  });
});

describe('splice', () => {
  it('changes what it is told to and nothing else', () => {
    const text = '{"id": 12345678901234567890, "params": {"b": 1.0, "a": 1e400}}';
    const id = scanObject(text).get('id');
    const edited = splice(text, id === undefined ? [] : [{ span: id, text: '"x"' }]);
    expect(edited).toBe('{"id": "x", "params": {"b": 1.0, "a": 1e400}}');
  });

  it('applies several edits in any order', () => {
    const text = '{"a":1,"b":2,"c":3}';
    const members = scanObject(text);
    const edits = ['c', 'a'].flatMap((key) => {
      const span = members.get(key);
      return span === undefined ? [] : [{ span, text: 'null' }];
    });
    expect(splice(text, edits)).toBe('{"a":null,"b":2,"c":null}');
  });
});

describe('setMember and removeMember', () => {
  it('give the object that the same change of its value gives', () => {
    fc.assert(
      fc.property(document, fc.string(), fc.jsonValue(), ({ text }, key, value) => {
        fc.pre(key !== '__proto__');
        const parsed = JSON.parse(text) as Record<string, unknown>;
        expect(JSON.parse(setMember(text, key, JSON.stringify(value)))).toEqual({
          ...parsed,
          [key]: JSON.parse(JSON.stringify(value)),
        });
        const { [key]: _, ...rest } = parsed;
        expect(JSON.parse(removeMember(text, key))).toEqual(rest);
      }),
    );
  });
});

describe('findSpan', () => {
  it('follows a path and ends where there is nothing', () => {
    const text = '{"params":{"_meta":{"progressToken":"t"}}}';
    const span = findSpan(text, ['params', '_meta', 'progressToken']);
    expect(span && sliceSpan(text, span)).toBe('"t"');
    expect(findSpan(text, ['params', 'other', 'progressToken'])).toBeUndefined();
    expect(findSpan('{"params":7}', ['params', 'name'])).toBeUndefined();
  });
});
