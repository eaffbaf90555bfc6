/** Differential fuzzing of heads: whatever the fast path takes for a request, the parser of node:http must take for the same one. */
import { StrictHeads, type StrictHead } from '../../src/proxy/fast/strict-head.ts';
import { anotherLength, mutated, randomFrom, wellFormed } from './fuzz-cases.ts';
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
  if (request.method !== head.method || request.url !== head.url) return 'llhttp finds another request line';
  if (request.upgrade) return 'llhttp finds another protocol';
  if (request.keepAlive === head.close) return 'llhttp disagrees on whether the connection is kept';
  if (!request.body.equals(whole.subarray(head.length))) return 'llhttp finds another body';
  const kept: string[] = [];
  for (let index = 0; index < request.headers.length; index += 2) {
    const name = request.headers[index] ?? '';
    if (name.toLowerCase() !== 'content-length') kept.push(name, request.headers[index + 1] ?? '');
  }
  return JSON.stringify(kept) === JSON.stringify(head.rawHeaders) ? undefined : 'llhttp finds other headers';
}
