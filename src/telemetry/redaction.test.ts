import { describe, expect, it } from 'vitest';
import { GatewayError } from '../shared/errors.ts';
import { createRedactor, LINE_LIMITS } from './redaction.ts';
import { nameRule } from './secret-names.ts';

const SECRET = 's3cr3t-value/with+signs';

function redactor(...secrets: string[]): ReturnType<typeof createRedactor> {
  const made = createRedactor();
  made.addSecrets(secrets);
  return made;
}

describe('by field name', () => {
  it.each([
    'authorization',
    'Authorization',
    'Proxy-Authorization',
    'token',
    'accessToken',
    'access_token',
    'ACCESSTOKEN',
    'GITHUB_TOKEN',
    'password',
    'db_password',
    'clientSecret',
    'apiKey',
    'api_key',
    'X-Api-Key',
    'apikey',
    'cookie',
    'Set-Cookie',
    'privateKey',
    'ssh-key',
    'passphrase',
    'agentId',
    'agentIds',
    'agent_id',
    'credentials',
  ])('%s is a secret', (name) => {
    expect(createRedactor().value({ [name]: 'whatever' })).toEqual({ [name]: '[redacted]' });
  });

  it.each([
    'progressToken',
    'nextPageToken',
    'publicKey',
    'key',
    'server',
    'method',
    'tool',
    'requestId',
    'tokenizer',
    'monkey',
    'secretary',
  ])('%s is not', (name) => {
    expect(nameRule(name)).toBe('none');
  });

  it('redacts in nested objects, in arrays, and everything below a secret name', () => {
    expect(
      createRedactor().value({ a: [{ b: { token: 'abc' } }], credentials: { user: 'u', list: ['x', 1] } }),
    ).toEqual({
      a: [{ b: { token: '[redacted]' } }],
      credentials: { user: '[redacted]', list: ['[redacted]', '[redacted]'] },
    });
  });

  it('keeps counts of tokens and the schema of a parameter called token', () => {
    const value = {
      usage: { tokens: 512 },
      inputSchema: { properties: { token: { type: 'string', description: 'An access token' } } },
    };
    expect(createRedactor().value(value)).toEqual(value);
  });
});

describe('by known value', () => {
  it('finds it in messages, nested fields, names of fields, and longer texts', () => {
    const { text, value } = redactor(SECRET);
    expect(text(`before ${SECRET} after ${SECRET}`)).toBe('before [redacted] after [redacted]');
    expect(value({ a: { b: [`x${SECRET}y`] }, [SECRET]: 1 })).toEqual({ a: { b: ['x[redacted]y'] }, '[redacted]': 1 });
  });

  it('finds it URL-encoded, escaped inside JSON text, and without its scheme', () => {
    const quoted = 'pass"word\\x';
    const { text } = redactor(SECRET, quoted, 'Bearer abcdefghij');
    expect(text(`q=${encodeURIComponent(SECRET)}`)).not.toContain('s3cr3t');
    expect(text(JSON.stringify({ a: quoted }))).toBe('{"a":"[redacted]"}');
    expect(text('id abcdefghij')).toBe('id [redacted]');
  });

  it('replaces the longer of two secrets that begin alike', () => {
    expect(redactor('abcdef', 'abcdefgh').text('abcdefgh')).toBe('[redacted]');
  });

  it('finds the single lines of a secret with several', () => {
    expect(redactor('first line of the key\nsecond line of the key').text('got: second line of the key')).toBe(
      'got: [redacted]',
    );
  });

  it('takes characters that mean something in a pattern literally', () => {
    const { text } = redactor('a.c*e(f[');
    expect(text('a.c*e(f[ abcxexf')).toBe('[redacted] abcxexf');
  });

  it('leaves values alone that are too short or no secrets', () => {
    expect(redactor('abcde', 'application/json', '').text('abcde application/json')).toBe('abcde application/json');
  });
});

describe('by shape', () => {
  it.each([
    ['Authorization: Bearer abcdef0123456789', 'Authorization: Bearer [redacted]'],
    ['to https://user:pass@host/x', 'to https://[redacted]@host/x'],
    ['GET /x?access_token=abcdef&y=1', 'GET /x?access_token=[redacted]&y=1'],
    ['export GITHUB_TOKEN=abcdef', 'export GITHUB_TOKEN=[redacted]'],
    ['{"password":"hunter22","a":1}', '{"password":"[redacted]","a":1}'],
    ['{\\"token\\": \\"hunter22\\"}', '{\\"token\\": \\"[redacted]\\"}'],
    [`got ghp_${'a1'.repeat(18)}.`, 'got [redacted].'],
    ['jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl end', 'jwt [redacted] end'],
    [
      '-----BEGIN RSA PRIVATE KEY-----\nMIIEabc\n-----END RSA PRIVATE KEY-----',
      '-----BEGIN RSA PRIVATE KEY-----[redacted]-----END RSA PRIVATE KEY-----',
    ],
  ])('%s', (input, output) => {
    expect(createRedactor().text(input)).toBe(output);
  });

  it.each(['Unexpected token < in JSON', 'token: 512 used', 'basic tools', 'http://host:8080/path', 'a = b'])(
    'leaves "%s" alone',
    (input) => {
      expect(createRedactor().text(input)).toBe(input);
    },
  );

  it.each(['eyJ', 'eyJ-', 'ghp_', '://', ':', 'token="', 'bearer ', '-----BEGIN ', '"token"  '])(
    'gets through a megabyte of "%s"',
    (piece) => {
      expect(createRedactor().text(piece.repeat(1_000_000 / piece.length)).length).toBeGreaterThan(0);
    },
  );
});

describe('whatever is logged', () => {
  it('becomes something that JSON can hold', () => {
    const circle: Record<string, unknown> = { name: 'circle' };
    circle['self'] = circle;
    const value = createRedactor().value({
      circle,
      big: 12n,
      date: new Date(0),
      url: new URL('http://a/b'),
      map: new Map([['k', 1]]),
      set: new Set([1]),
      bytes: Buffer.from('abc'),
      throws: {
        toJSON: () => {
          throw new Error('no');
        },
      },
      nothing: undefined,
      fn: () => 1,
    });
    expect(JSON.parse(JSON.stringify(value))).toEqual({
      circle: { name: 'circle', self: '[circular]' },
      big: '12',
      date: '1970-01-01T00:00:00.000Z',
      url: 'http://a/b',
      map: { k: 1 },
      set: [1],
      bytes: '[3 bytes]',
      throws: '[cannot be shown]',
    });
  });

  it('is cut in depth, number and length, without leaving half a secret behind', () => {
    const { value } = redactor(SECRET);
    const limits = { depth: 2, entries: 2, text: 10 };
    expect(value({ a: { b: { c: 1 } } }, limits)).toEqual({ a: { b: '[too deep]' } });
    expect(value([1, 2, 3], limits)).toEqual([1, 2, '… (3 entries)']);
    expect(JSON.stringify(value(`12345${SECRET}12345`, limits))).not.toContain('s3cr');
    expect(LINE_LIMITS.text).toBeLessThan(100_000);
  });

  it('shows of an error its code, detail, stack and chain of causes', () => {
    const error = new GatewayError('server_timeout', `late ${SECRET}`, {
      server: 'github',
      detail: 'no answer',
      cause: Object.assign(new Error(`connect ${SECRET}`), {
        code: 'ECONNREFUSED',
        cause: new AggregateError([new Error('one')], 'all'),
      }),
    });
    const copy = redactor(SECRET).value({ err: error });
    expect(JSON.stringify(copy)).not.toContain(SECRET);
    expect(copy).toMatchObject({
      err: {
        type: 'GatewayError',
        message: 'late [redacted]',
        code: 'server_timeout',
        source: 'upstream',
        server: 'github',
        detail: 'no answer',
        stack: expect.stringContaining('redaction.test'),
        cause: {
          message: 'connect [redacted]',
          code: 'ECONNREFUSED',
          cause: { type: 'AggregateError', errors: [{ message: 'one' }] },
        },
      },
    });
  });

  it('ends a chain of causes that leads back to itself', () => {
    const error = new Error('a');
    error.cause = error;
    expect(JSON.stringify(createRedactor().value({ err: error }))).toContain('[more causes]');
  });
});
