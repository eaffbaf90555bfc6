import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_NAME_LENGTH, possibleOwners, unifiedName } from './naming.ts';

const anyName = fc.string({ minLength: 1, maxLength: 140 });

describe('unifiedName', () => {
  it('joins server and tool', () => {
    expect(unifiedName('github', 'list_issues')).toBe('github___list_issues');
  });

  it('never exceeds what clients accept, and is the same every time', () => {
    fc.assert(
      fc.property(anyName, anyName, (server, tool) => {
        const name = unifiedName(server, tool);
        expect(name.length).toBeLessThanOrEqual(MAX_NAME_LENGTH);
        expect(name).toMatch(/^[A-Za-z0-9_.-]+$/);
        expect(unifiedName(server, tool)).toBe(name);
      }),
    );
  });

  it('never gives two tools one name, wherever the separator stands', () => {
    expect(unifiedName('a', 'b___c')).not.toBe(unifiedName('a___b', 'c'));
    expect(unifiedName('a', '_c')).not.toBe(unifiedName('a_', 'c'));
  });

  it('keeps long names of one server apart', () => {
    const long = 'x'.repeat(80);
    expect(unifiedName('s', `${long}1`)).not.toBe(unifiedName('s', `${long}2`));
  });
});

describe('possibleOwners', () => {
  it('always includes the server that a name was made for', () => {
    fc.assert(
      fc.property(anyName, anyName, fc.array(anyName), (server, tool, others) => {
        expect(possibleOwners(unifiedName(server, tool), [...others, server])).toContain(server);
      }),
    );
  });

  it('names the longer prefix first when the separator stands in names', () => {
    expect(possibleOwners('a___b___c_0123abcd', ['a', 'a___b', 'z'])).toEqual(['a___b', 'a']);
  });
});
