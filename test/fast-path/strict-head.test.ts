import { describe, expect, test } from 'vitest';
import { MAX_BODY_BYTES, StrictHeads } from '../../src/proxy/fast/strict-head.ts';
import { fuzzConnections } from './fuzz-connection.ts';
import { fuzz } from './fuzz.ts';

const head = (...lines: readonly string[]): Buffer => Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
const read = (bytes: Buffer) => new StrictHeads().read(bytes);
const PLAIN = ['POST /mcp/github HTTP/1.1', 'Host: localhost:3000', 'Content-Length: 12'];

test('the strict form is read', () => {
  expect(read(head(...PLAIN, 'Accept: application/json, text/event-stream'))).toEqual({
    method: 'POST',
    url: '/mcp/github',
    headers: { host: 'localhost:3000', accept: 'application/json, text/event-stream' },
    rawHeaders: ['Host', 'localhost:3000', 'Accept', 'application/json, text/event-stream'],
    length: head(...PLAIN, 'Accept: application/json, text/event-stream').length,
    bodyLength: 12,
    close: false,
  });
});

test('a GET has no body, and is read only where it is wanted', () => {
  const bytes = head('GET /mcp/github HTTP/1.1', 'Host: x', 'Last-Event-ID: 1-7', 'Connection: close');
  expect(read(bytes)).toEqual({
    method: 'GET',
    url: '/mcp/github',
    headers: { host: 'x', 'last-event-id': '1-7', connection: 'close' },
    rawHeaders: ['Host', 'x', 'Last-Event-ID', '1-7', 'Connection', 'close'],
    length: bytes.length,
    bodyLength: 0,
    close: true,
  });
  expect(new StrictHeads(['POST']).read(bytes)).toBeUndefined();
  expect(read(head('GET /mcp HTTP/1.1', 'Host: x', 'Content-Length: 3'))).toBeUndefined();
  expect(read(head('GET /mcp HTTP/1.1', 'Host: x', 'Content-Length: 0'))).toBeUndefined();
  expect(read(head('GET /mcp HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked'))).toBeUndefined();
});

test.each(['/mcp', '/mcp/a_c-1', '/servers/github/mcp'])('%s is an endpoint', (path) => {
  expect(read(head(`POST ${path} HTTP/1.1`, ...PLAIN.slice(1)))).toMatchObject({ url: path });
});

describe('B2 B5 what has any other form is left to Node:', () => {
  const [line = '', ...rest] = PLAIN;
  test.each<[string, readonly string[]]>([
    ['another method', ['PUT /mcp HTTP/1.1', ...rest]],
    ['another path', ['POST /status HTTP/1.1', ...rest]],
    ['a query', ['POST /mcp?x HTTP/1.1', ...rest]],
    ['an encoded path', ['POST /mcp/a%2fb HTTP/1.1', ...rest]],
    ['an encoded virtual server', ['POST /servers/a%2fb/mcp HTTP/1.1', ...rest]],
    ['a virtual server by its old transport', ['POST /servers/a/messages HTTP/1.1', ...rest]],
    ['the absolute form', ['POST http://other/mcp HTTP/1.1', ...rest]],
    ['HTTP/1.0', ['POST /mcp HTTP/1.0', ...rest]],
    ['HTTP/2.0', ['POST /mcp HTTP/2.0', ...rest]],
    ['two spaces in the request line', ['POST  /mcp HTTP/1.1', ...rest]],
    ['an empty line before', ['', ...PLAIN]],
    ['no Host', [line, 'Content-Length: 12']],
    ['two Hosts', [...PLAIN, 'host: other']],
    ['two Authorizations', [...PLAIN, 'Authorization: a', 'authorization: b']],
    ['no length', [line, 'Host: x']],
    ['two lengths', [...PLAIN, 'content-length: 12']],
    ['a length of nothing', [line, 'Host: x', 'Content-Length: 0']],
    ['a signed length', [line, 'Host: x', 'Content-Length: +12']],
    ['a hexadecimal length', [line, 'Host: x', 'Content-Length: 0xc']],
    ['an octal length', [line, 'Host: x', 'Content-Length: 012']],
    ['a list of lengths', [line, 'Host: x', 'Content-Length: 12, 12']],
    ['a length with a space', [line, 'Host: x', 'Content-Length: 1 2']],
    ['a large body', [line, 'Host: x', `Content-Length: ${MAX_BODY_BYTES + 1}`]],
    ['Transfer-Encoding', [...PLAIN, 'Transfer-Encoding: chunked']],
    ['Transfer-Encoding in disguise', [...PLAIN, 'Transfer-Encoding : chunked']],
    ['Transfer-Encoding after a line feed', [...PLAIN, 'X: y\nTransfer-Encoding: chunked']],
    ['Expect', [...PLAIN, 'Expect: 100-continue']],
    ['Upgrade', [...PLAIN, 'Connection: upgrade', 'Upgrade: websocket']],
    ['Connection that says two things', [...PLAIN, 'Connection: close, keep-alive']],
    ['Connection that names a header', [...PLAIN, 'Connection: keep-alive, authorization']],
    ['a browser', [...PLAIN, 'Origin: http://localhost']],
    ['an encoded body', [...PLAIN, 'Content-Encoding: gzip']],
    ['a folded line', [...PLAIN, 'X: a', ' b']],
    ['a space before the colon', [...PLAIN, 'X : a']],
    ['no space after the colon', [...PLAIN, 'X:a']],
    ['a tab', [...PLAIN, 'X:\ta']],
    ['an empty value', [...PLAIN, 'X: ']],
    ['a value that ends in a space', [...PLAIN, 'X: a ']],
    ['NUL', [...PLAIN, 'X: a\0b']],
    ['a bare CR', [...PLAIN, 'X: a\rb']],
    ['a byte above ASCII', [...PLAIN, 'X: \xe9']],
    ['the Kelvin sign as bytes', [...PLAIN, 'Connection\xe2\x84\xaa: a']],
    ['an underscore in a name', [...PLAIN, 'Content_Length: 3']],
    ['many headers', [...PLAIN, ...Array.from({ length: 70 }, (_, index) => `X${index}: a`)]],
    ['a long head', [...PLAIN, `X: ${'a'.repeat(9_000)}`]],
  ])('%s', (_name, lines) => {
    expect(read(head(...lines))).toBeUndefined();
  });

  test('a head that is not complete', () => {
    const whole = head(...PLAIN);
    for (let end = 0; end < whole.length; end++) expect(read(whole.subarray(0, end))).toBeUndefined();
  });
});

test('a head that comes again with another length is known again, and only then', () => {
  const heads = new StrictHeads();
  const first = heads.read(head(...PLAIN, 'X: y'));
  const longer = heads.read(head(...PLAIN.with(2, 'Content-Length: 123456'), 'X: y'));
  expect(longer).toMatchObject({ bodyLength: 123_456, length: (first?.length ?? 0) + 4 });
  // The same objects: what was found out about the head before holds again.
  expect(longer?.headers).toBe(first?.headers);
  expect(heads.read(head(...PLAIN.with(2, 'Content-Length: 0'), 'X: y'))).toBeUndefined();
  expect(heads.read(head(...PLAIN.with(2, 'Content-Length: 012'), 'X: y'))).toBeUndefined();
  expect(heads.read(head(...PLAIN, 'X: z'))?.headers).toEqual({ host: 'localhost:3000', x: 'z' });
});

test('what the fast path takes for a request, the parser of node:http takes for the same one', () => {
  const result = fuzz(20_260_728, 60_000);
  expect(result.disagreement).toBeUndefined();
  expect(result.taken).toBeGreaterThan(5_000);
});

test('B2 on a connection, however its bytes are cut, no request is lost, found twice or found where llhttp finds none', async () => {
  const result = await fuzzConnections(20_260_728, 10_000);
  expect(result.disagreement).toBeUndefined();
  expect(result.taken).toBeGreaterThan(3_000);
});
