import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../shared/errors.ts';
import {
  cancelledId,
  checkSpelling,
  parseMessage,
  progressTokenOf,
  resultText,
  stringParam,
  withId,
} from './message.ts';

function codeOf(text: string): string {
  try {
    parseMessage(text);
  } catch (error) {
    return error instanceof GatewayError ? error.code : String(error);
  }
  return 'accepted';
}

describe('parseMessage', () => {
  it('tells requests, notifications and responses apart', () => {
    expect(parseMessage('{"jsonrpc":"2.0","id":"a","method":"ping"}')).toMatchObject({
      kind: 'request',
      id: '"a"',
      method: 'ping',
    });
    expect(parseMessage('{"jsonrpc":"2.0","method":"m"}')).toMatchObject({ kind: 'notification', id: undefined });
    expect(parseMessage('{"jsonrpc":"2.0","id":1,"result":{}}')).toMatchObject({ kind: 'response', failed: false });
    expect(parseMessage('{"jsonrpc":"2.0","id":null,"error":{}}')).toMatchObject({
      kind: 'response',
      id: undefined,
      failed: true,
    });
  });

  it.each([
    ['not json', 'parse_error'],
    ['{"jsonrpc":"2.0","id":1,"method":"m"', 'parse_error'],
    ['[{"jsonrpc":"2.0","id":1,"method":"m"}]', 'invalid_request'],
    ['"text"', 'invalid_request'],
    ['null', 'invalid_request'],
    ['{"id":1,"method":"m"}', 'invalid_request'],
    ['{"jsonrpc":"1.0","id":1,"method":"m"}', 'invalid_request'],
    ['{"jsonrpc":"2.0","id":{},"method":"m"}', 'invalid_request'],
    ['{"jsonrpc":"2.0","id":null,"method":"m"}', 'invalid_request'],
    ['{"jsonrpc":"2.0","id":1,"method":7}', 'invalid_request'],
    ['{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}', 'invalid_request'],
    ['{"jsonrpc":"2.0","id":1}', 'invalid_request'],
    ['{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', 'invalid_request'],
    ['{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}', 'invalid_request'],
    ['{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","n\\u0061me":"other"}}', 'invalid_request'],
  ])('T-ERR-003 answers %s with %s', (text, code) => {
    expect(codeOf(text)).toBe(code);
  });

  it('never throws anything but a GatewayError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) =>
        /^(accepted|parse_error|invalid_request)$/.test(codeOf(text)),
      ),
    );
  });
});

describe('checkSpelling', () => {
  it.each([
    '{"jsonrpc":"2.0","id":1,"method":"x/y","Method":"tools/call"}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"allowed","Name":"forbidden"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"param\u017f":{"name":"b"}}',
    '{"jsonrpc":"2.0","id":1,"method":"x","params":{"key":1,"\u212aey":2}}',
  ])('refuses two spellings of one member: %s', (text) => {
    expect(() => checkSpelling(parseMessage(text))).toThrow('in two spellings');
  });

  it('leaves arguments alone', () => {
    const text = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"id":1,"ID":2}}}';
    expect(() => checkSpelling(parseMessage(text))).not.toThrow();
  });
});

describe('withId', () => {
  it('keeps every byte but the id', () => {
    const message = parseMessage('{ "jsonrpc":"2.0", "result":{"n":12345678901234567890,"id":9}, "id": 7 }');
    expect(withId(message, '"mine"')).toBe(
      '{ "jsonrpc":"2.0", "result":{"n":12345678901234567890,"id":9}, "id": "mine" }',
    );
  });
});

describe('reading parameters', () => {
  it('gives tokens and ids as raw text, so that 1 and "1" stay different', () => {
    const call = (token: string) =>
      parseMessage(`{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"progressToken":${token}}}}`);
    expect(progressTokenOf(call('1'))?.raw).toBe('1');
    expect(progressTokenOf(call('"1"'))?.raw).toBe('"1"');
    expect(
      cancelledId(parseMessage('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"1"}}')),
    ).toBe('"1"');
  });

  it('names the string parameter that is missing', () => {
    expect(() => stringParam(parseMessage('{"jsonrpc":"2.0","id":1,"method":"tools/call"}'), 'name')).toThrow(
      'tools/call needs the string parameter "name"',
    );
  });

  it('gives the raw result', () => {
    expect(resultText(parseMessage('{"jsonrpc":"2.0","id":1,"result":{"big":1e400}}'))).toBe('{"big":1e400}');
    expect(resultText(parseMessage('{"jsonrpc":"2.0","id":1,"error":{}}'))).toBeUndefined();
  });
});
