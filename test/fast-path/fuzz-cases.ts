/** Requests for fuzzing, good ones and such that parsers trip over; the same ones for the same seed. */

/** A number from 0 to `below` - 1. */
export type Random = (below: number) => number;

/** xorshift32: the same numbers for the same seed, on every machine. */
export function randomFrom(seed: number): Random {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const LINES = [
  'Host: localhost:3000',
  'host: 127.0.0.1',
  'Authorization: Bearer abc.def',
  'Content-Type: application/json',
  'Accept: application/json, text/event-stream',
  'Connection: keep-alive',
  'connection: close',
  'Mcp-Session-Id: abc',
  'MCP-Protocol-Version: 2026-07-28',
  'Mcp-Name: =?base64?w6k=?=',
  'Transfer-Encoding: chunked',
  'Expect: 100-continue',
  'Upgrade: websocket',
  'Origin: http://evil.example',
  'X: y',
  'Cookie: a=b; c=d',
  'Content-Length: 3',
  'Content-Length : 3',
  'Transfer-Encoding: identity',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding: gzip, chunked',
  'Connection: Keep-Alive',
  'Connection: keep-alive, upgrade',
  'Connection: content-length',
  'Proxy-Connection: close',
  'Keep-Alive: timeout=5',
  'TE: trailers',
  'Trailer: Content-Length',
  'Content-Encoding: gzip',
  'HTTP2-Settings: AAMAAABkAAQAAP__',
  'X: a\r\n b',
  'X:y',
  'X: y ',
  'X:',
  '__proto__: y',
];
const HARMLESS = [
  'Authorization: Bearer abc.def',
  'Content-Type: application/json',
  'Accept: application/json, text/event-stream',
  'Connection: keep-alive',
  'Mcp-Session-Id: abc',
  'Last-Event-ID: 1-0',
  'X: y',
];
const REQUEST_LINES = [
  'POST /mcp HTTP/1.1',
  'POST /mcp/github HTTP/1.1',
  'POST /mcp/a_b-C9 HTTP/1.1',
  'POST /servers/a_b-C9/mcp HTTP/1.1',
  'POST /servers/../mcp HTTP/1.1',
  'POST /mcp HTTP/1.0',
  'GET /mcp HTTP/1.1',
  'POST http://other/mcp HTTP/1.1',
  'POST /mcp/%2e HTTP/1.1',
  'PRI * HTTP/2.0',
];
const PATHS = ['/mcp', '/mcp/github', '/servers/a_b-C9/mcp', '/mcp?x', '/ready'];
const LENGTHS = [
  '3',
  '10',
  '200',
  '0',
  '03',
  '+3',
  '-3',
  '0x3',
  '3, 3',
  '3 3',
  '3 ',
  '99999999999999999999',
  '3.0',
  '',
  '１',
];
/** What parsers trip over, as bytes. */
const PIECES = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ': ',
  ',',
  ';',
  '+',
  '0',
  '\x7f',
  '\x80',
  '\xff',
  '\x0b',
  '"',
  '\\',
  'K',
];

function pick<T>(list: readonly T[], random: Random, fallback: T): T {
  return list[random(list.length)] ?? fallback;
}

export function wellFormed(random: Random): string {
  // Mostly what is strict: the disagreements that count lie close to it.
  const line = random(4) === 0 ? pick(REQUEST_LINES, random, '') : (REQUEST_LINES[random(3)] ?? '');
  const lines = ['Host: localhost'];
  for (let count = random(6); count > 0; count--) lines.splice(random(lines.length + 1), 0, pick(LINES, random, ''));
  const body = 'x'.repeat(random(3) === 0 ? random(400) : 3);
  const length = random(8) === 0 ? pick(LENGTHS, random, '') : String(body.length);
  // What opens a stream has no body.
  if (random(8) === 0) return `GET ${pick(PATHS, random, '')} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
  lines.splice(random(lines.length + 1), 0, `${pick(['Content-Length', 'content-length'], random, '')}: ${length}`);
  return `${line}\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** Requests that are Node's, and ends of others: what may stand before and behind strict ones. */
const FOREIGN = [
  'GET /ready HTTP/1.1\r\nHost: x\r\n\r\n',
  'POST /mcp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nxxx\r\n0\r\n\r\n',
  'POST /mcp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\n\r\n',
  'POST /mcp HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nxxx',
  'POST /mcp HTTP/1.1\nHost: x\nContent-Length: 3\n\nxxx',
  'DELETE /mcp HTTP/1.1\r\nHost: x\r\n\r\n',
  'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'GET /\r\n',
  '\r\n',
  '\n',
  '0\r\n\r\n',
  'xxx',
  '\x16\x03\x01\x02\0',
];

/** What a client may send on one connection: requests of all kinds one behind the other, some of them damaged. */
export function conversation(random: Random): string {
  let text = '';
  for (let count = 1 + random(4); count > 0; count--) {
    const next = random(6) === 0 ? pick(FOREIGN, random, '') : strict(random);
    text += random(5) === 0 ? mutated(next, random) : random(8) === 0 ? anotherLength(next, random) : next;
  }
  return text;
}

/** A request that the fast path takes, nearly always; now and then the last of its connection. */
function strict(random: Random): string {
  if (random(10) === 0) return wellFormed(random);
  const body = 'x'.repeat(1 + (random(4) === 0 ? random(700) : random(4)));
  const opensStream = random(5) === 0;
  const lines = ['Host: localhost', ...(opensStream ? [] : [`Content-Length: ${body.length}`])];
  for (let count = random(4); count > 0; count--) lines.splice(random(lines.length + 1), 0, pick(HARMLESS, random, ''));
  if (random(16) === 0) lines.push('Connection: close');
  const head = [...new Set(lines)].join('\r\n');
  if (opensStream) return `GET ${PATHS[random(3)] ?? ''} HTTP/1.1\r\n${head}\r\n\r\n`;
  return `${REQUEST_LINES[random(3)] ?? ''}\r\n${head}\r\n\r\n${body}`;
}

/** The same head with another length, as clients send it. */
export function anotherLength(text: string, random: Random): string {
  return text.replace(
    /(content-length: )[^\r]*/i,
    `$1${random(4) === 0 ? pick(LENGTHS, random, '') : String(random(2_000_000))}`,
  );
}

export function mutated(text: string, random: Random): string {
  let result = text;
  for (let count = 1 + random(3); count > 0; count--) {
    const at = random(result.length + 1);
    const end = Math.min(result.length, at + random(4));
    switch (random(6)) {
      case 0:
        result = result.slice(0, at) + pick(PIECES, random, '') + result.slice(at);
        break;
      case 1:
        result = result.slice(0, at) + result.slice(end);
        break;
      case 2:
        result = result.slice(0, at) + pick(PIECES, random, '') + result.slice(end);
        break;
      case 3:
        result = result.slice(0, at) + String.fromCharCode(random(256)) + result.slice(at + 1);
        break;
      case 4:
        result = `${result}${wellFormed(random)}`;
        break;
      default: {
        const lines = result.split('\r\n');
        const from = random(lines.length);
        lines.splice(random(lines.length), random(2), (lines[from] ?? '').replace(/^[a-z]/i, swapCase));
        result = lines.join('\r\n');
      }
    }
  }
  return result;
}

function swapCase(letter: string): string {
  return letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();
}
