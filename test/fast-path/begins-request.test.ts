import { METHODS } from 'node:http';
import { expect, test } from 'vitest';
import { mayBeginRequest } from '../../src/proxy/fast/begins-request.ts';
import { readWithLlhttp } from './llhttp.ts';

const may = (text: string): boolean => mayBeginRequest(Buffer.from(text, 'latin1'));

test('B2 whatever may become a request is waited for', () => {
  for (const method of METHODS) {
    const line = `${method} /mcp HTTP/1.1\r\n`;
    for (let end = 1; end <= line.length; end++) expect(may(line.slice(0, end))).toBe(true);
  }
  expect(may('')).toBe(true);
  expect(may('\r\n\r\nPOST /')).toBe(true);
});

test('B2 what is called nonsense, llhttp refuses', () => {
  for (const text of [
    'NOT HTTP',
    'G ET / HTTP/1.1',
    'get / HTTP/1.1',
    '\0',
    'POSTS /',
    ' POST /',
    '{"a":1}',
    '\x16\x03\x01',
    'HTTP/1.1 200 OK',
  ]) {
    expect(may(text)).toBe(false);
    expect(readWithLlhttp(Buffer.from(`${text}\r\n\r\n`, 'latin1')).refused).toBe(true);
  }
});
