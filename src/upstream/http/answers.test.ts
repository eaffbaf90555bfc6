import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answers, errorAnswer, splitBatch } from './answers.ts';

describe('answers', () => {
  it.each([
    ['{"jsonrpc":"2.0","id":1,"result":{}}', '1', true],
    ['{"result":{"error":"x"},"jsonrpc":"2.0","id":1}', '1', true],
    ['{"jsonrpc":"2.0","id":"a\\u0062","result":null}', '"ab"', true],
    ['{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}', '1', true],
    ['{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}', '1', true],
    ['{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"}}', '1', true],
    ['{"jsonrpc":"2.0","id":"1","result":{}}', '1', false],
    ['{"jsonrpc":"2.0","id":2,"result":{}}', '1', false],
    ['{"jsonrpc":"2.0","id":null,"result":{}}', '1', false],
    ['{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"result":1}}', '1', false],
    ['{"jsonrpc":"2.0","method":"notifications/message","params":{"id":1,"result":{}}}', '1', false],
    ['{"jsonrpc":"2.0","id":1,"id":1,"result":{}}', '1', false],
    ['{"id":1,"result":', '1', true],
    ['{"jsonrpc":"2.0","method":"x","id":1,"result":{}}', '1', false],
    ['"result"', '1', false],
    ['', '1', false],
  ])('%s to request %s: %s', (text, requestId, expected) => {
    expect(answers(text, requestId)).toBe(expected);
  });

  it('never throws, whatever a server sends', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => {
        const text = `${before}"result"${after}`;
        expect(typeof answers(text, '1')).toBe('boolean');
        expect(Array.isArray(splitBatch(`[${text}`))).toBe(true);
        errorAnswer(text, '1');
      }),
    );
  });
});

describe('splitBatch', () => {
  it('gives every message of an array as it was written, and a single message alone', () => {
    expect(splitBatch(' [ {"a": [1,2]} ,{"b":"]"} ] ')).toEqual(['{"a": [1,2]}', '{"b":"]"}']);
    expect(splitBatch(' {"a": 1}\n')).toEqual(['{"a": 1}']);
    expect(splitBatch('[]')).toEqual([]);
    expect(splitBatch('  ')).toEqual([]);
  });

  it('puts together again what JSON.stringify took apart', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), (values) => {
        expect(splitBatch(JSON.stringify(values)).map((text) => JSON.parse(text) as unknown)).toEqual(
          JSON.parse(JSON.stringify(values)),
        );
      }),
    );
  });
});

describe('errorAnswer', () => {
  it('makes an error about the whole HTTP request the response to that request', () => {
    const error = { code: -32000, message: 'bad', data: [1] };
    for (const id of [null, 'server-error', undefined]) {
      const answer = errorAnswer(JSON.stringify({ jsonrpc: '2.0', id, error }), '"r1"');
      expect(answer).toMatchObject({ code: -32000, ownId: false });
      expect(JSON.parse(answer?.text ?? '')).toEqual({ jsonrpc: '2.0', id: 'r1', error });
    }
    expect(errorAnswer(JSON.stringify({ jsonrpc: '2.0', id: 'r1', error }), '"r1"')).toMatchObject({ ownId: true });
  });

  it.each([
    '',
    'Not Found',
    '{"error":"x"}',
    '{"jsonrpc":"2.0","id":1,"result":{}}',
    '{"jsonrpc":"2.0","error":"x"}',
    '[]',
  ])('is undefined for %s', (body) => {
    expect(errorAnswer(body, '1')).toBeUndefined();
  });
});
