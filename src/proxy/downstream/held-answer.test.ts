import { expect, it } from 'vitest';
import { HeldAnswer } from './held-answer.ts';

const CONTENT = `[{"type":"text","text":"${'é'.repeat(50_000)}"}]`;
const RESULT = `{"resultType":"complete","content":${CONTENT},"isError":true}`;

/** What comes of an answer in pieces of this size. */
function held(text: string, size: number): HeldAnswer {
  const answer = new HeldAnswer({ hold: (given) => given.sent() });
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) answer.write(bytes.subarray(at, at + size));
  answer.end('}');
  return answer;
}

it.each(['', ',"params":{}', ',"params":{"content":1,"isError":false}', ',"error":{"content":{}}'])(
  'it shows the members of the result, whatever stands behind it%s',
  (more) => {
    for (const size of [1, 1_000, 16 * 1024, 1_000_000]) {
      const { result } = held(`{"jsonrpc":"2.0","id":1,"result":${RESULT}${more}`, size);
      expect(result.bytes).toBe(Buffer.byteLength(RESULT));
      expect(Buffer.concat(result.pieces).toString() === RESULT).toBe(true);
      expect(result.isArray('content')).toBe(true);
      expect(result.member('isError')).toBe('true');
      expect(result.member('resultType')).toBe('"complete"');
    }
  },
);

it.each(['"error":{"content":[],"isError":true},"result":7', '"params":{"content":[]},"result":[1]'])(
  'what stands beside the result is no part of it: %s',
  (text) => {
    const { result } = held(`{${text}`, 5);
    expect(result.isArray('content')).toBe(false);
    expect(result.member('isError')).toBeUndefined();
  },
);

it('an answer that comes byte by byte is a few pieces', () => {
  const text = `{"jsonrpc":"2.0","id":1,"result":${RESULT}`;
  const answer = held(text, 1);
  expect(answer.pieces.length).toBeLessThan(20);
  expect(answer.result.pieces.length).toBeLessThan(20);
  expect(Buffer.concat(answer.pieces).toString() === `${text}}`).toBe(true);
});
