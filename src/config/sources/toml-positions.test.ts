import fc from 'fast-check';
import { parse, stringify } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { isTable, lineIndex, type Path, pathKey } from './document.ts';
import { locateToml } from './toml-positions.ts';

describe('locateToml', () => {
  it('finds names and values in every way of writing them', () => {
    const text = [
      'a.b = 1 # a comment with [brackets] and "quotes"',
      '"quoted key"."x\\u0041" = [',
      '  1, # one',
      "  { c = '''",
      "not = 'a key' ]''', d.e = \"]\" },",
      ']',
      "[t . 'u']",
      'v = """',
      'k = "v"\\"""""',
      'w = 2',
      '[[list]]',
      'n = 1',
      '[[list]]',
      'n = 2',
      '[list.sub]',
      'm = 3',
    ].join('\n');
    expect(() => parse(text)).not.toThrow();
    const places = locateToml(text);
    const at = lineIndex(text);
    const found = (path: Path, part: 'key' | 'value'): string => {
      const place = places.get(pathKey(path));
      if (place === undefined) return 'nowhere';
      const { line, column } = at(place[part]);
      return `${line}:${column}`;
    };
    expect(found(['a', 'b'], 'key')).toBe('1:3');
    expect(found(['a', 'b'], 'value')).toBe('1:7');
    expect(found(['quoted key', 'xA'], 'value')).toBe('2:26');
    expect(found(['quoted key', 'xA', 0], 'value')).toBe('3:3');
    expect(found(['quoted key', 'xA', 1], 'value')).toBe('4:3');
    expect(found(['quoted key', 'xA', 1, 'c'], 'key')).toBe('4:5');
    expect(found(['quoted key', 'xA', 1, 'd', 'e'], 'value')).toBe('5:27');
    expect(found(['t', 'u'], 'key')).toBe('7:1');
    expect(found(['t', 'u', 'v'], 'value')).toBe('8:5');
    expect(found(['t', 'u', 'w'], 'value')).toBe('10:5');
    expect(found(['list', 0, 'n'], 'value')).toBe('12:5');
    expect(found(['list', 1, 'n'], 'value')).toBe('14:5');
    expect(found(['list', 1, 'sub', 'm'], 'value')).toBe('16:5');
  });

  it('finds every value of any document', () => {
    const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean());
    const list = fc.array(leaf, { maxLength: 4 });
    const documents = fc.letrec((tie) => ({
      table: fc.dictionary(
        fc.string(),
        fc.oneof({ maxDepth: 3 }, leaf, list, fc.array(tie('table'), { minLength: 1, maxLength: 3 }), tie('table')),
        { maxKeys: 4 },
      ),
    })).table;
    fc.assert(
      fc.property(documents, (document) => {
        const text = stringify(document);
        const places = locateToml(text);
        for (const [path, value] of leaves(parse(text), [])) {
          const place = places.get(pathKey(path));
          expect(place, `${pathKey(path)} in ${text}`).toBeDefined();
          const written = stringify({ x: value }).trim().slice('x = '.length);
          expect(text.startsWith(written, place?.value)).toBe(true);
        }
      }),
    );
  });

  it('comes to an end on any text at all', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('[', ']', '{', '}', '=', '"', "'", '\\', '.', '#', '\n', ' ', 'a', ',') }),
        (text) => void locateToml(text),
      ),
    );
  });
});

function leaves(value: unknown, path: Path): [Path, unknown][] {
  if (Array.isArray(value)) return value.flatMap((element, index) => leaves(element, [...path, index]));
  if (isTable(value)) return Object.entries(value).flatMap(([name, inner]) => leaves(inner, [...path, name]));
  return [[path, value]];
}
