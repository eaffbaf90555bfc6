/** Differential fuzzing: whatever the fast path takes for a request, the parser of node:http must take for the same one. */
import { StrictHeads, type StrictHead } from '../../src/proxy/fast/strict-head.ts';
import { readWithLlhttp } from './llhttp.ts';

export interface FuzzResult {
  readonly cases: number;
  /** How many the fast path took: a fuzzer that is refused everywhere proves nothing. */
  readonly taken: number;
  /** The first case in which the two disagree. */
  readonly disagreement: { readonly bytes: string; readonly reason: string } | undefined;
}

/** Runs `cases` cases that depend on `seed` alone. */
export function fuzz(seed: number, cases: number): FuzzResult {
  const random = randomFrom(seed);
  // One parser remembers from case to case, as it does on a connection.
  let heads = new StrictHeads();
  let taken = 0;
  let before = wellFormed(random);
  for (let count = 0; count < cases; count++) {
    const text = random(3) === 0 ? anotherLength(before, random) : wellFormed(random);
    const bytes = Buffer.from(random(3) === 0 ? text : mutated(text, random), 'latin1');
    if (random(50) === 0) heads = new StrictHeads();
    const head = heads.read(bytes);
    const fresh = new StrictHeads().read(bytes);
    const reason = differs(head, fresh) ?? (head && disagrees(head, bytes));
    if (reason !== undefined)
      return { cases: count + 1, taken, disagreement: { bytes: bytes.toString('latin1'), reason } };
    if (head === undefined) continue;
    taken++;
    before = text;
  }
  return { cases, taken, disagreement: undefined };
}

/** What is remembered must not change what is found. */
function differs(head: StrictHead | undefined, fresh: StrictHead | undefined): string | undefined {
  return JSON.stringify(head) === JSON.stringify(fresh) ? undefined : 'the parser that remembers finds something else';
}

function disagrees(head: StrictHead, bytes: Buffer): string | undefined {
  const end = head.length + head.bodyLength;
  // The rest of a body that was cut off.
  const whole =
    bytes.length < end ? Buffer.concat([bytes, Buffer.alloc(end - bytes.length, 0x78)]) : bytes.subarray(0, end);
  const { requests, refused } = readWithLlhttp(whole);
  const [request, another] = requests;
  if (refused || request === undefined) return 'llhttp refuses it';
  if (another !== undefined) return 'llhttp finds two requests';
  if (request.method !== 'POST' || request.url !== head.url) return 'llhttp finds another request line';
  if (request.upgrade || !request.keepAlive) return 'llhttp would not keep the connection';
  if (!request.body.equals(whole.subarray(head.length))) return 'llhttp finds another body';
  const kept: string[] = [];
  for (let index = 0; index < request.headers.length; index += 2) {
    const name = request.headers[index] ?? '';
    if (name.toLowerCase() !== 'content-length') kept.push(name, request.headers[index + 1] ?? '');
  }
  return JSON.stringify(kept) === JSON.stringify(head.rawHeaders) ? undefined : 'llhttp finds other headers';
}

type Random = (below: number) => number;

/** xorshift32: the same numbers for the same seed, on every machine. */
function randomFrom(seed: number): Random {
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
];
const REQUEST_LINES = [
  'POST /mcp HTTP/1.1',
  'POST /mcp/github HTTP/1.1',
  'POST /mcp/a_b-C9 HTTP/1.1',
  'POST /mcp HTTP/1.0',
  'GET /mcp HTTP/1.1',
  'POST http://other/mcp HTTP/1.1',
  'POST /mcp/%2e HTTP/1.1',
  'PRI * HTTP/2.0',
];
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

function wellFormed(random: Random): string {
  // Mostly what is strict: the disagreements that count lie close to it.
  const line = random(4) === 0 ? pick(REQUEST_LINES, random, '') : (REQUEST_LINES[random(3)] ?? '');
  const lines = ['Host: localhost'];
  for (let count = random(6); count > 0; count--) lines.splice(random(lines.length + 1), 0, pick(LINES, random, ''));
  const body = 'x'.repeat(random(3) === 0 ? random(400) : 3);
  const length = random(8) === 0 ? pick(LENGTHS, random, '') : String(body.length);
  lines.splice(random(lines.length + 1), 0, `${pick(['Content-Length', 'content-length'], random, '')}: ${length}`);
  return `${line}\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** The same head with another length, as clients send it. */
function anotherLength(text: string, random: Random): string {
  return text.replace(
    /(content-length: )[^\r]*/i,
    `$1${random(4) === 0 ? pick(LENGTHS, random, '') : String(random(2_000_000))}`,
  );
}

function mutated(text: string, random: Random): string {
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
