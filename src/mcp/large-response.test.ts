import { describe, expect, test } from 'vitest';
import { LargeResponse } from './large-response.ts';

const OPEN = '{"jsonrpc":"2.0","id":1,"result":{"a":1}';
const LONG = 'x'.repeat(70_000);

/** What comes out of a response under the id `"mine"`, all of which has come at once; undefined when it has to be read whole. */
function passed(text: string): string | undefined {
  const response = LargeResponse.begin(Buffer.from(text), '1');
  if (response === undefined) return undefined;
  const head = Buffer.concat(response.head('"mine"')).toString();
  return head + response.end();
}

describe('a response whose result has ended', () => {
  test.each(['}', ' } \n', ',"x":[1]}'])('is passed on when all of it is there, with %j behind the result', (end) => {
    const expected = { ...(JSON.parse(OPEN + end) as object), id: 'mine' };
    expect(JSON.parse(passed(OPEN + end) ?? 'null')).toEqual(expected);
  });

  test.each([
    { where: 'in the value of another member', end: `,"x":"${LONG}` },
    { where: 'in the name of another member', end: ',"x' },
    { where: 'behind the name of another member', end: ',"x":' },
    { where: 'behind a comma', end: ',' },
    { where: 'behind the result', end: '' },
    { where: 'at its end, with much behind the result', end: `,"x":"${LONG}"}` },
  ])('is read whole when what has come stops $where', ({ end }) => {
    expect(LargeResponse.begin(Buffer.from(OPEN + end), '1')).toBeUndefined();
  });
});
