import { describe, expect, it } from 'vitest';
import { parseByteSize } from './byte-size.ts';
import { parseDuration } from './duration.ts';
import { parseImageReference } from './image-reference.ts';

describe('parseDuration', () => {
  it.each([
    ['30m', 1_800_000],
    ['4h', 14_400_000],
    ['1h30m10s', 5_410_000],
    ['1.5s', 1500],
    ['.5s', 500],
    ['250ms', 250],
    ['1500us', 2],
    ['1500µs', 2],
    ['2000000ns', 2],
    ['0s', 0],
  ])('reads %s', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  it.each(['', '30', '-5s', '+5s', '5 s', '5d', 'h', '1h 30m', '5s ', 'Infinity', '1e3s', '５s'])(
    'refuses %j',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );
});

describe('parseByteSize', () => {
  it.each([
    ['64m', 67_108_864],
    ['1G', 1_073_741_824],
    ['1.5k', 1536],
    ['10b', 10],
  ])('reads %s', (text, bytes) => {
    expect(parseByteSize(text)).toBe(bytes);
  });

  it.each(['', '64', 'm', '-1m', '1mb', '1 m', '1e3k', '0x10m'])('refuses %j', (text) => {
    expect(parseByteSize(text)).toBeUndefined();
  });
});

describe('parseImageReference', () => {
  const digest = `sha256:${'0f'.repeat(32)}`;

  it.each([
    ['alpine', 'alpine', undefined, undefined],
    ['mcp/time:1.2', 'mcp/time', '1.2', undefined],
    ['localhost:5000/a/b:1', 'localhost:5000/a/b', '1', undefined],
    ['localhost/a', 'localhost/a', undefined, undefined],
    ['REGISTRY.example.com/a__b/c-d.e_f', 'REGISTRY.example.com/a__b/c-d.e_f', undefined, undefined],
    ['[::1]:5000/a', '[::1]:5000/a', undefined, undefined],
    [`ghcr.io/a/b@${digest}`, 'ghcr.io/a/b', undefined, digest],
    [`ghcr.io/a/b:v1@${digest}`, 'ghcr.io/a/b', 'v1', digest],
  ])('reads %s', (text, name, tag, expectedDigest) => {
    expect(parseImageReference(text)).toEqual({ name, tag, digest: expectedDigest });
  });

  it.each([
    '',
    'Upper',
    'a//b',
    '/a',
    'a/',
    'a:',
    'a:b:c',
    'a@b',
    'a@sha256:00',
    `a@${digest}@${digest}`,
    `a@${digest.toUpperCase()}`,
    '-a',
    'a b',
    ' a',
    'a\n',
    '.a',
    '_a',
    'a..b',
    'https://a/b',
    'a?b',
    `${'a/'.repeat(128)}a`,
    `a:${'t'.repeat(129)}`,
  ])('refuses %j', (text) => {
    expect(parseImageReference(text)).toBeUndefined();
  });
});
