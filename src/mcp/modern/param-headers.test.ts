import fc from 'fast-check';
/** Arguments in headers: found where the schema may say so, made from the body, and checked against it. */
import { describe, expect, it } from 'vitest';
import { checkParamHeaders, paramHeaders, scanInputSchema } from './param-headers.ts';

const SCHEMA = {
  type: 'object',
  properties: {
    region: { type: 'string', 'x-mcp-header': 'Region' },
    count: { type: 'integer', 'x-mcp-header': 'Count' },
    options: { type: 'object', properties: { dry: { type: 'boolean', 'x-mcp-header': 'Dry-Run' } } },
    note: { type: 'string' },
  },
};

function declared() {
  const scan = scanInputSchema(SCHEMA);
  if (!scan.valid) throw new Error(scan.reason);
  return scan.headers;
}

const args = fc.record(
  {
    region: fc.option(fc.string({ unit: 'grapheme' })),
    count: fc.integer(),
    options: fc.record({ dry: fc.boolean() }, { requiredKeys: [] }),
    note: fc.string(),
  },
  { requiredKeys: [] },
);

describe('x-mcp-header', () => {
  it('gives each declared argument its header, and agrees with itself', () => {
    fc.assert(
      fc.property(args, (value) => {
        const headers = new Map(Object.entries(paramHeaders(declared(), value)));
        expect(headers.has('mcp-param-region')).toBe(typeof value.region === 'string');
        expect(() => checkParamHeaders(declared(), value, headers)).not.toThrow();
      }),
    );
  });

  it('refuses a header that is missing or different', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (sent, body) => {
        fc.pre(sent !== body);
        const headers = new Map(Object.entries(paramHeaders(declared(), { region: sent })));
        expect(() => checkParamHeaders(declared(), { region: body }, headers)).toThrow(/differs/);
        expect(() => checkParamHeaders(declared(), { region: body }, new Map())).toThrow(/missing/);
      }),
    );
  });

  it('compares integers by their value', () => {
    expect(() => checkParamHeaders(declared(), { count: 42 }, new Map([['mcp-param-count', '42.0']]))).not.toThrow();
    expect(() => checkParamHeaders(declared(), { count: 42 }, new Map([['mcp-param-count', '43']]))).toThrow(/differs/);
  });

  it.each([
    ['below items', { properties: { a: { type: 'array', items: { type: 'string', 'x-mcp-header': 'A' } } } }],
    ['below anyOf', { anyOf: [{ properties: { a: { type: 'string', 'x-mcp-header': 'A' } } }] }],
    ['below $defs', { $defs: { a: { type: 'string', 'x-mcp-header': 'A' } } }],
    ['on the schema itself', { type: 'string', 'x-mcp-header': 'A' }],
    ['on a number', { properties: { a: { type: 'number', 'x-mcp-header': 'A' } } }],
    ['on an object', { properties: { a: { type: 'object', 'x-mcp-header': 'A' } } }],
    ['with an empty name', { properties: { a: { type: 'string', 'x-mcp-header': '' } } }],
    ['with a space', { properties: { a: { type: 'string', 'x-mcp-header': 'A B' } } }],
    ['with a line break', { properties: { a: { type: 'string', 'x-mcp-header': 'A\r\nB' } } }],
    [
      'twice in another case',
      { properties: { a: { type: 'string', 'x-mcp-header': 'A' }, b: { type: 'string', 'x-mcp-header': 'a' } } },
    ],
  ])('makes a tool invalid %s', (_, schema) => {
    expect(scanInputSchema(schema).valid).toBe(false);
  });

  it('is data and no declaration inside defaults, constants and property names', () => {
    expect(
      scanInputSchema({
        default: { 'x-mcp-header': 7 },
        properties: { items: { type: 'string', 'x-mcp-header': 'Items' } },
      }),
    ).toEqual({
      valid: true,
      headers: [{ header: 'mcp-param-items', path: ['items'], type: 'string' }],
    });
  });
});
