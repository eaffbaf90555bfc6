import fc from 'fast-check';
/** The envelope: stamped, read and taken out again without touching anything else. */
import { describe, expect, it } from 'vitest';
import { isObject, paramsOf, parseMessage } from '../message.ts';
import { readEnvelope, stampEnvelope, stripEnvelope } from './envelope.ts';

/** As JSON has it: without -0. */
const JSON_VALUE = fc.jsonValue().map((value): unknown => JSON.parse(JSON.stringify(value)));

const SENDER = { clientInfo: '{"name":"c","version":"1"}', clientCapabilities: '{"elicitation":{}}', logLevel: 'info' };
const key = fc
  .string({ minLength: 1 })
  .filter((name) => name !== '__proto__' && !name.startsWith('io.modelcontextprotocol/'));
const params = fc.dictionary(
  key.filter((name) => !['_meta', 'inputResponses', 'requestState'].includes(name)),
  JSON_VALUE,
);
const meta = fc.dictionary(key, JSON_VALUE);

describe('envelope', () => {
  it('goes in and comes out, and nothing else changes', () => {
    fc.assert(
      fc.property(params, meta, (rest, own) => {
        const message = parseMessage(
          JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'x', params: { ...rest, _meta: own } }),
        );
        const stamped = stampEnvelope(message, SENDER);
        const reading = readEnvelope(stamped);
        expect(reading).toMatchObject({ kind: 'valid', envelope: { ...SENDER, protocolVersion: '2026-07-28' } });
        expect(stripEnvelope(stamped).value).toEqual(message.value);
      }),
    );
  });

  it('is added to a request without params', () => {
    const message = parseMessage('{"jsonrpc":"2.0","id":1,"method":"x"}');
    const stamped = stampEnvelope(message, SENDER);
    expect(isObject(paramsOf(stamped)['_meta'])).toBe(true);
  });

  it('is missing, not invalid, where the version is not named', () => {
    expect(readEnvelope(parseMessage('{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"a":1}}}')).kind).toBe(
      'none',
    );
  });

  it.each([
    '{"io.modelcontextprotocol/protocolVersion":7}',
    '{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}',
    '{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":[]}',
  ])('is invalid as %s', (text) => {
    const message = parseMessage(`{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":${text}}}`);
    expect(readEnvelope(message).kind).toBe('invalid');
  });

  it('takes the answers of a retry out with it', () => {
    const message = parseMessage(
      '{"jsonrpc":"2.0","id":1,"method":"x","params":{"name":"t","inputResponses":{"a":{}},"requestState":"s"}}',
    );
    expect(stripEnvelope(message).value['params']).toEqual({ name: 't' });
  });
});
