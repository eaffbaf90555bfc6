import fc from 'fast-check';
/** What modern results carry: merged to the safe side, added for modern clients, hidden from legacy ones. */
import { describe, expect, it } from 'vitest';
import { PassingEdits } from '../passing-edits.ts';
import { SERVER_INFO_KEY } from './envelope.ts';
import { modernCode, modernGatewayCode, statusOfCode } from './errors.ts';
import {
  inputRequiredText,
  legacyPlace,
  legacyResult,
  mergeCacheHints,
  missingCapabilities,
  modernPlace,
  modernResult,
  passesAsComplete,
  readCacheHint,
  readInputRequired,
} from './results.ts';

/** As JSON has it: without -0. */
const JSON_VALUE = fc.jsonValue().map((value): unknown => JSON.parse(JSON.stringify(value)));
const JSON_OBJECT = fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), JSON_VALUE);

const hint = fc.record({ ttlMs: fc.nat(), cacheScope: fc.constantFrom('public' as const, 'private' as const) });

describe('cache hints', () => {
  it('merge to the shortest time and to private, in any order', () => {
    fc.assert(
      fc.property(fc.array(hint, { minLength: 1 }), (hints) => {
        const merged = mergeCacheHints(hints);
        expect(hints.every(({ ttlMs }) => merged.ttlMs <= ttlMs)).toBe(true);
        expect(merged.cacheScope === 'public').toBe(hints.every(({ cacheScope }) => cacheScope === 'public'));
        expect(mergeCacheHints(hints.toReversed())).toEqual(merged);
      }),
    );
  });

  it('that are missing or wrong mean: do not keep', () => {
    fc.assert(
      fc.property(JSON_VALUE, JSON_VALUE, (ttlMs, cacheScope) => {
        const read = readCacheHint(JSON.stringify({ ttlMs, cacheScope }));
        expect(read.ttlMs).toBeGreaterThanOrEqual(0);
        expect(read.cacheScope).toBe(cacheScope === 'public' ? 'public' : 'private');
      }),
    );
  });
});

describe('results across eras', () => {
  it('keep everything else on the way to modern clients and back', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), JSON_VALUE), (result) => {
        const modern = modernResult('tools/list', JSON.stringify(result), undefined);
        expect(JSON.parse(modern)).toMatchObject({ resultType: 'complete', ttlMs: 0, cacheScope: 'private' });
        expect(JSON.parse(legacyResult(modern))).toEqual(result);
      }),
    );
  });

  it('say how long they may be kept only where that is asked for', () => {
    expect(JSON.parse(modernResult('tools/call', '{"content":[]}', undefined))).toEqual({
      resultType: 'complete',
      content: [],
    });
  });

  it('ask with the same questions that were put in', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string().filter((name) => name !== '__proto__'),
          JSON_OBJECT,
        ),
        (params) => {
          const requests = new Map(
            Object.entries(params).map(([name, value]) => [name, JSON.stringify({ method: 'm', params: value })]),
          );
          const read = readInputRequired(inputRequiredText(requests, 'state'));
          expect(read?.requestState).toBe('"state"');
          expect(read?.requests.map(({ key, params: text }) => [key, text])).toEqual(
            Object.entries(params).map(([name, value]) => [name, JSON.stringify(value)]),
          );
        },
      ),
    );
  });
});

describe('questions to a client', () => {
  it.each([
    ['elicitation/create', { mode: 'url' }, { elicitation: {} }, { elicitation: { url: {} } }],
    ['elicitation/create', {}, { elicitation: {} }, undefined],
    ['elicitation/create', {}, { elicitation: { url: {} } }, { elicitation: { form: {} } }],
    ['elicitation/create', { mode: 'url' }, { elicitation: { url: {} } }, undefined],
    ['sampling/createMessage', {}, {}, { sampling: {} }],
    ['sampling/createMessage', { tools: [] }, { sampling: {} }, { sampling: { tools: {} } }],
    ['roots/list', undefined, { roots: {} }, undefined],
    ['something/else', {}, {}, {}],
  ])('%s %j to a client with %j lacks %j', (method, params, declared, missing) => {
    expect(missingCapabilities(method, params, declared)).toEqual(missing);
  });
});

describe('error codes', () => {
  it('of the gateway lie outside the reserved range for modern clients', () => {
    fc.assert(
      fc.property(fc.integer({ min: -32019, max: -32000 }), fc.integer({ min: 400, max: 599 }), (code, status) => {
        expect(modernGatewayCode(code, status)).toBeGreaterThan(-32000);
      }),
    );
    expect(modernGatewayCode(-32602, 400)).toBe(-32602);
    expect(modernGatewayCode(-32021, 400)).toBe(-32021);
  });

  it('say "not found" of resources in the way of the era', () => {
    expect(modernCode(-32002, 'resources/read')).toBe(-32602);
    expect(modernCode(-32002, 'tools/call')).toBe(-32002);
    expect([statusOfCode(-32601), statusOfCode(-32020), statusOfCode(-32602)]).toEqual([404, 400, 200]);
  });
});

describe('a result that passes while it comes', () => {
  const INFO = '{"name":"srv","version":"1"}';
  it.each([
    '{}',
    ' { } ',
    '{"content":[]}',
    '{"content":[],"resultType":"complete"}',
    '{"resultType":7,"_meta":{"a":1},"content":[{"resultType":"x"}]}',
    `{"_meta":{"${SERVER_INFO_KEY}":{"name":"own"}},"ttlMs":5}`,
    '{"_meta":{},"cacheScope":"public"}',
    '{"_meta":null,"contents":[]}',
    '{"_meta":"text"}',
    '{"content":[],"_meta":{"nested":{"a":{}}},"z":1 }',
  ])('has what one has that was read whole: %s', (result) => {
    for (const method of ['tools/call', 'resources/read'])
      for (const info of [INFO, undefined])
        for (const size of [1, 3, 7, 1_000]) {
          const edits = new PassingEdits({ members: new Map([['result', modernPlace(method, info)]]) });
          const bytes = Buffer.from(`{"id":1,"result":${result},"jsonrpc":"2.0"}`);
          const out: Buffer[] = [];
          for (let at = 0; at < bytes.length; at += size)
            out.push(...edits.push(Buffer.from(bytes.subarray(at, at + size))));
          const whole = `{"id":1,"result":${modernResult(method, result, info)},"jsonrpc":"2.0"}`;
          expect(JSON.parse(Buffer.concat(out).toString())).toEqual(JSON.parse(whole));
        }
  });

  it.each(['[1,{"a":2}]', '"text"', 'null'])('that is no object stays what it is: %s', (result) => {
    const edits = new PassingEdits({ members: new Map([['result', modernPlace('tools/call', INFO)]]) });
    const text = `{"result":${result}}`;
    expect(Buffer.concat([...edits.push(Buffer.from(text))]).toString()).toBe(text);
  });
});

describe('a modern result that passes to a legacy client', () => {
  const passed = (text: string, size: number): string => {
    const edits = new PassingEdits({ members: new Map([['result', legacyPlace()]]) });
    const bytes = Buffer.from(text);
    const out: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) out.push(...edits.push(Buffer.from(bytes.subarray(at, at + size))));
    return Buffer.concat(out).toString();
  };

  it.each([
    '{}',
    '{"resultType":"complete"}',
    '{"resultType":"complete","ttlMs":1,"cacheScope":"private"}',
    '{"resultType":"complete","content":[{"resultType":"x","ttlMs":[1,{}]}],"ttlMs":1.5e3}',
    '{"content":[1,2],"a":{"b":1},"ttlMs":0 , "z" : "," ,"cacheScope" : "private" }',
    ' { "a" : 1 , "resultType" : "complete" } ',
    String.raw`{"r\u0065sultType":"complete","\u0061":"\"}","ttlMs":{"a":[",","}"]},"b":"ttlMs"}`,
    `{"${'n'.repeat(1_000)}":1,"ttlMs":1,"${'m'.repeat(300)}":2}`,
  ])('is what one is that was read whole: %s', (result) => {
    for (const size of [1, 2, 3, 7, 1_000])
      expect(JSON.parse(passed(`{"id":1,"result":${result},"jsonrpc":"2.0"}`, size))).toEqual(
        JSON.parse(`{"id":1,"result":${legacyResult(result)},"jsonrpc":"2.0"}`),
      );
  });

  it('is, whatever it holds', () => {
    const names = fc.constantFrom('resultType', 'ttlMs', 'cacheScope', 'content', 'a');
    const space = fc.constantFrom('', ' ', '\n ');
    fc.assert(
      fc.property(fc.dictionary(names, JSON_VALUE), space, fc.integer({ min: 1, max: 20 }), (value, gap, size) => {
        const given = { ...value, ...(typeof value['resultType'] === 'string' && { resultType: 'complete' }) };
        const members = Object.entries(given).map(
          ([name, each]) => `${gap}${JSON.stringify(name)}${gap}:${gap}${JSON.stringify(each)}${gap}`,
        );
        const result = `{${members.join(',')}${gap}}`;
        expect(JSON.parse(passed(`{"result":${result}}`, size))).toEqual({
          result: JSON.parse(legacyResult(result)) as unknown,
        });
      }),
    );
  });

  it('is without what is taken out of it, however large that is', () => {
    const large = '9'.repeat(300_000);
    expect(passed(`{"result":{"a":1,"ttlMs":"${large}","b":2}}`, 10_000)).toBe('{"result":{"a":1,"b":2}}');
  });

  it('breaks off when its type is larger than any', () => {
    expect(() => passed(`{"result":{"content":[],"resultType":"${'x'.repeat(100_000)}"}}`, 10_000)).toThrow('too long');
  });

  it('breaks off when it turns out to be of another type', () => {
    expect(() => passed('{"result":{"content":[],"resultType":"input_required"}}', 5)).toThrow('type behind');
  });

  it.each([
    [true, '{"result":{"resultType":"complete","x":"'],
    [true, '{"jsonrpc":"2.0","id":1,"result":{"content":[{"text":"'],
    [true, '{"result":{"_meta":{},"structuredContent":{"a":"'],
    [false, '{"result":{"resultType":"input_required","content":["'],
    [false, '{"result":{"resultType":"task","x":"'],
    [false, '{"result":{"inputRequests":{"a":{"params":{"messages":["'],
    [false, '{"result":{"content":[],"inputRequests":{"a":"'],
    [false, '{"result":{"unknown":"'],
    [false, '{"result":["'],
    [false, '{"result":{"content":nonsense'],
  ])('%s: whether it passes shows in %s', (passes, beginning) => {
    expect(passesAsComplete(Buffer.from(beginning))).toBe(passes);
  });
});
