import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expand } from './expand.ts';
import { isTable } from './sources/document.ts';

describe('expand', () => {
  it('T-CFG-003 replaces expressions in values at any depth, and nothing else', () => {
    const { value, missing } = expand(
      { a: ['${ONE}', { b: 'x-${TWO}-${ONE}' }], '${ONE}': 5, plain: '$ONE ${} ${1} ${a-b} $${TWO}' },
      { ONE: '1', TWO: '2' },
    );
    expect(value).toEqual({ a: ['1', { b: 'x-2-1' }], '${ONE}': 5, plain: '$ONE ${} ${1} ${a-b} $2' });
    expect(missing).toEqual([]);
  });

  it('T-CFG-004 names each undefined variable once for each path', () => {
    const { missing } = expand({ a: '${NO} ${NO} ${ALSO}', b: ['${NO}'] }, { OTHER: 'x' });
    expect(missing).toEqual([
      { path: ['a'], variable: 'NO' },
      { path: ['a'], variable: 'ALSO' },
      { path: ['b', 0], variable: 'NO' },
    ]);
  });

  it('accepts an empty variable', () => {
    expect(expand('${EMPTY}', { EMPTY: '' })).toMatchObject({ value: '', missing: [] });
  });

  it('does not take what every object inherits for a variable', () => {
    expect(expand('${constructor} ${__proto__}', {}).missing.map(({ variable }) => variable)).toEqual([
      'constructor',
      '__proto__',
    ]);
  });

  it('does not expand what a variable holds', () => {
    expect(expand('${A}', { A: '${B}', B: 'no' }).value).toBe('${B}');
  });

  it('tells a value that is exactly one expression from one that only holds some', () => {
    const { origins } = expand({ whole: '${A}', part: '${A}0', two: '${A}${A}', none: 'A' }, { A: '1' });
    expect([...origins.values()].map(({ written, whole }) => [written, whole])).toEqual([
      ['${A}', true],
      ['${A}0', false],
      ['${A}${A}', false],
    ]);
  });

  it('never changes the structure of a document, whatever the variables hold', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom('${A}', 'x${B}y', '${A}${B}'));
    const documents = fc.letrec((tie) => ({
      node: fc.oneof(
        { depthSize: 'small' },
        text,
        fc.integer(),
        fc.boolean(),
        fc.array(tie('node')),
        fc.dictionary(fc.string(), tie('node')),
      ),
    })).node;
    fc.assert(
      fc.property(documents, fc.string(), fc.string(), (document, A, B) => {
        expect(shapeOf(expand(document, { A, B }).value)).toEqual(shapeOf(document));
      }),
    );
  });

  it('is the same as replacing by hand', () => {
    const part = fc.oneof(
      fc.string().filter((piece) => !piece.includes('$')),
      fc.constantFrom('${A}', '${B}'),
    );
    fc.assert(
      fc.property(fc.array(part), fc.string(), fc.string(), (parts, A, B) => {
        const byHand = parts.map((piece) => (piece === '${A}' ? A : piece === '${B}' ? B : piece)).join('');
        expect(expand(parts.join(''), { A, B }).value).toBe(byHand);
      }),
    );
  });
});

function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (isTable(value)) return Object.entries(value).map(([name, inner]) => [name, shapeOf(inner)]);
  return typeof value;
}
