import { describe, expect, test } from 'vitest';
import { giveBack } from '../../../shared/give-back.ts';
import { MalformedReplyError, ReplyHeadTooLargeError, ReplyParser } from './reply-parser.ts';

interface Read {
  readonly status: number;
  readonly keepAlive: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly ended: boolean;
}

/** What the parser makes of these pieces, with the connection ended after them when `close` is set. */
function read(pieces: readonly Buffer[], { close = false } = {}): Read {
  let head: { status: number; keepAlive: boolean; headers: Record<string, string> } | undefined;
  const body: Buffer[] = [];
  let ended = false;
  const parser = new ReplyParser({
    onHead: ({ status, keepAlive, headers }) => (head = { status, keepAlive, headers: Object.fromEntries(headers) }),
    onBody: (chunk) => body.push(Buffer.from(chunk)),
    onEnd: () => (ended = true),
  });
  parser.expect();
  for (const piece of pieces) parser.push(piece);
  if (close) parser.finish();
  if (head === undefined) throw new Error('there is no head');
  return { ...head, body: Buffer.concat(body).toString('latin1'), ended };
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const whole = (text: string, options?: { close: boolean }): Read => read([bytes(text)], options);

const GOOD: readonly [string, string, Partial<Read>][] = [
  ['a length', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello', { body: 'hello', ended: true, keepAlive: true }],
  ['an empty body', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', { body: '', ended: true }],
  ['no reason phrase', 'HTTP/1.1 200\r\ncontent-length: 1\r\n\r\nx', { body: 'x', ended: true }],
  [
    'chunks with an extension and a trailer',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n00\r\nx: y\r\n\r\n',
    { body: 'hello', ended: true, keepAlive: true },
  ],
  [
    'chunks that hold line ends',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n6\r\n\r\n0\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n',
    { body: '\r\n0\r\n\r\n', ended: true },
  ],
  ['204 without a body', 'HTTP/1.1 204 No Content\r\nx: y\r\n\r\n', { body: '', ended: true, keepAlive: true }],
  [
    'an interim reply before',
    'HTTP/1.1 103 Early\r\nx: y\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx',
    { status: 200, body: 'x' },
  ],
  [
    'the end of the connection',
    'HTTP/1.1 200 OK\r\n\r\nall of it',
    { body: 'all of it', keepAlive: false, ended: true },
  ],
  [
    'Connection: close',
    'HTTP/1.1 200 OK\r\nconnection: Close\r\ncontent-length: 1\r\n\r\nx',
    { keepAlive: false, ended: true },
  ],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx', { keepAlive: false, ended: true }],
  ['obs-text and spaces', 'HTTP/1.1 200 OK\r\nx:  \t\xe9 \r\ncontent-length: 1\r\n\r\nx', { headers: { x: '\xe9' } }],
];

const BAD: readonly [string, string][] = [
  ['another protocol', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ['another version', 'HTTP/2 200 OK\r\ncontent-length: 0\r\n\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n'],
  ['bare LF', 'HTTP/1.1 200 OK\ncontent-length: 0\r\n\r\n'],
  ['bare CR', 'HTTP/1.1 200 OK\r\nx: a\rb\r\ncontent-length: 0\r\n\r\n'],
  ['NUL', 'HTTP/1.1 200 OK\r\nx: a\0\r\ncontent-length: 0\r\n\r\n'],
  ['a folded line', 'HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 0\r\n\r\n'],
  ['space before the colon', 'HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx'],
  ['a list of lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\nx'],
  ['a length with a space of no HTTP', 'HTTP/1.1 200 OK\r\ncontent-length: 1\xa0\r\n\r\nx'],
  ['chunked with a space of no HTTP', 'HTTP/1.1 200 OK\r\ntransfer-encoding: \xa0chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n'],
  ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n'],
  ['interim replies without end', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(20)],
  ['a signed length', 'HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\nx'],
  ['a hexadecimal length', 'HTTP/1.1 200 OK\r\ncontent-length: 0x1\r\n\r\nx'],
  ['a length beyond all bounds', `HTTP/1.1 200 OK\r\ncontent-length: ${'9'.repeat(16)}\r\n\r\nx`],
  ['length and chunks', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['another coding', 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
  ['chunked twice', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a chunk size with a sign', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n'],
  ['a chunk size with a prefix', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n'],
  ['a chunk size beyond all bounds', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1ffffffff\r\nx'],
  ['an empty chunk size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\nx'],
  ['a chunk line that ends in bare LF', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n'],
  ['a chunk that is longer than it says', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n'],
  ['a trailer that is no header', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nxy\r\n\r\n'],
  ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n'],
  [
    'bytes after the reply',
    'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
  ],
];

describe('a reply', () => {
  test.each(GOOD)('with %s is read', (_name, text, expected) => {
    expect(whole(text, { close: true })).toMatchObject(expected);
  });

  test.each(GOOD)('with %s is read the same wherever the wire cuts it', (_name, text) => {
    const expected = whole(text, { close: true });
    const all = bytes(text);
    for (let cut = 1; cut < all.length; cut++)
      expect(read([all.subarray(0, cut), all.subarray(cut)], { close: true })).toEqual(expected);
    const single = Array.from(all, (_, index) => all.subarray(index, index + 1));
    expect(read(single, { close: true })).toEqual(expected);
  });

  test.each(BAD)('with %s is refused, wherever the wire cuts it', (_name, text) => {
    const all = bytes(text);
    expect(() => whole(text)).toThrow(MalformedReplyError);
    for (let cut = 1; cut < all.length; cut++)
      expect(() => read([all.subarray(0, cut), all.subarray(cut)])).toThrow(MalformedReplyError);
  });

  test('with an endless head is refused before it fills the memory', () => {
    expect(() => whole(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(20_000)}`)).toThrow(ReplyHeadTooLargeError);
    expect(() => whole(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)).toThrow(ReplyHeadTooLargeError);
  });

  test('with an endless chunk line or endless trailers is refused', () => {
    const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';
    expect(() => whole(`${head}1;${'a'.repeat(2_000)}`)).toThrow(MalformedReplyError);
    expect(() => whole(`${head}0\r\n${'x: y\r\n'.repeat(10_000)}`)).toThrow(MalformedReplyError);
  });

  test('that breaks off is not taken for a whole one', () => {
    expect(whole('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell', { close: true }).ended).toBe(false);
    const chunks = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n';
    expect(whole(chunks, { close: true }).ended).toBe(false);
  });

  test('with foreign bytes behind a body whose memory is given back at once is refused', () => {
    const body = 'x'.repeat(40_000);
    const chunk = Buffer.allocUnsafeSlow(body.length + 10);
    chunk.write(`${body}HTTP/1.1 2`, 'latin1');
    let left: number | undefined;
    const parser = new ReplyParser({
      onHead: () => undefined,
      onBody: (part) => {
        giveBack(part);
        left = part.length;
      },
      onEnd: () => undefined,
    });
    parser.expect();
    parser.push(bytes(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`));
    expect(() => parser.push(chunk)).toThrow(MalformedReplyError);
    expect(left).toBe(0);
  });

  test('is read after another one on the same connection', () => {
    const seen: number[] = [];
    const parser = new ReplyParser({
      onHead: ({ status }) => seen.push(status),
      onBody: () => undefined,
      onEnd: () => undefined,
    });
    for (const status of [200, 404]) {
      parser.expect();
      parser.push(bytes(`HTTP/1.1 ${status} X\r\ncontent-length: 1\r\n\r\nx`));
    }
    expect(seen).toEqual([200, 404]);
  });
});
