/** What changes while it passes is what would have changed in the whole text, however the pieces are cut. */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { PassingEdits } from './passing-edits.ts';
import { responsePlaces } from './response-places.ts';
import { renameResultUris } from './result-uris.ts';

const rename = (uri: string): string => `new:${uri}`;

function passed(method: string, text: string, size: number): string {
  const edits = new PassingEdits(
    responsePlaces(method, {
      uri: (raw) => JSON.stringify(rename(JSON.parse(raw) as string)),
      task: (raw) => `"sealed ${JSON.parse(raw) as string}"`,
      questions: (raw) => `[${raw}]`,
    }),
  );
  const bytes = Buffer.from(text);
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) out.push(...edits.push(Buffer.from(bytes.subarray(at, at + size))));
  return Buffer.concat(out).toString('utf8');
}

const RESULTS: readonly (readonly [string, string])[] = [
  ['tools/call', '{"content":[{"type":"text","text":"uri é \\"uri\\": \\\\"},{"type":"resource_link","uri":"a:é"}]}'],
  [
    'tools/call',
    '{ "content" : [ { "uri" : "a:1" , "type" : "resource_link", "uri2": [1, {"uri":"x"}] } ] , "n":1.5e3 }',
  ],
  ['tools/call', '{"content":[{"resource":{"text":"x","uri":"a:1","blob":""},"uri":"b","type":"resource"}],"z":[]}'],
  [
    'tools/call',
    '{"content":[{"type":"resource_link","resource":{"uri":"b"},"uri":"c"},{"uri":"d"},{"type":1,"uri":"e"}]}',
  ],
  ['tools/call', '{"content":{"type":"resource_link","uri":"no list"},"structuredContent":{"content":[{"uri":"x"}]}}'],
  [
    'tools/call',
    '{"content":[null,true,-1,"uri",[{"type":"resource_link","uri":"x"}],{"type":"resource_link","uri":7}]}',
  ],
  ['tools/call', '{"content":[],"contents":[{"uri":"x"}],"messages":[]}'],
  [
    'prompts/get',
    '{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"a:1"}}},{"content":"x"}]}',
  ],
  ['prompts/get', '{"messages":[{"content":[{"type":"resource_link","uri":"a:1"},{"uri":"b","type":"text"}]}]}'],
  ['resources/read', '{"contents":[{"uri":"a:1","text":"x"},{"text":"uri","uri":"a:2"}],"_meta":{"uri":"x"}}'],
  ['completion/complete', '{"content":[{"type":"resource_link","uri":"x"}],"contents":[{"uri":"x"}]}'],
];

it.each(RESULTS)('%s %s', (method, result) => {
  const expected = `{"a":[1],"result":${renameResultUris(method, result, rename)},"id":1}`;
  for (const size of [1, 2, 3, 5, 7, 16, 1_000])
    expect(passed(method, `{"a":[1],"result":${result},"id":1}`, size)).toBe(expected);
});

it('a name that is written with escapes is the same name', () => {
  const text = String.raw`{"r\u0065sult":{"c\u006fntent":[{"typ\u0065":"r\u0065source_link","\u0075ri":"a"}]}}`;
  for (const size of [1, 4, 100]) expect(passed('tools/call', text, size)).toBe(text.replace('"a"', '"new:a"'));
});

it.each([
  ['{"result":{"taskId":"a","resultType":"task"}}', '{"result":{"taskId":"sealed a","resultType":"task"}}'],
  ['{"result":{"taskId":{"a":1}},"taskId":"x"}', '{"result":{"taskId":{"a":1}},"taskId":"x"}'],
  [
    '{"result":{"inputRequests":{"k":{"x":[1]}},"pad":"x","resultType":"input_required"}}',
    '{"result":{"inputRequests":[{"k":{"x":[1]}}],"pad":"x","resultType":"input_required"}}',
  ],
  [
    '{"result":{"resultType":"input_required","inputRequests":{}}}',
    '{"result":{"resultType":"input_required","inputRequests":[{}]}}',
  ],
  [
    '{"result":{"inputRequests":{"k":1},"resultType":"complete"}}',
    '{"result":{"inputRequests":{"k":1},"resultType":"complete"}}',
  ],
  ['{"result":{"inputRequests":{"k":1}}}', '{"result":{"inputRequests":{"k":1}}}'],
  [
    '{"result":{"inputRequests":{},"content":[{"uri":"a","resource":{"uri":"b"},"type":"resource"},{"type":"resource_link","uri":"c"},{"uri":7}],"resultType":"input_required"},"z":1}',
    '{"result":{"inputRequests":[{}],"content":[{"uri":"a","resource":{"uri":"new:b"},"type":"resource"},{"type":"resource_link","uri":"new:c"},{"uri":7}],"resultType":"input_required"},"z":1}',
  ],
  [
    '{"result":{"content":[{"resource":{"uri":"a"},"uri":"b"}],"inputRequests":{},"taskId":"t"}}',
    '{"result":{"content":[{"resource":{"uri":"a"},"uri":"b"}],"inputRequests":{},"taskId":"sealed t"}}',
  ],
])('tasks and questions: %s', (text, expected) => {
  for (const size of [1, 3, 1_000]) expect(passed('tools/call', text, size)).toBe(expected);
});

it('a name that is looked at and stands twice is refused', () => {
  const text = '{"result":{"content":[{"type":"text","type":"resource_link","uri":"x"}]}}';
  expect(() => passed('tools/call', text, 4)).toThrow('stands twice');
});

it.each(['', ',"resultType":"input_required"'])(
  'what is decided only at the end, behind hundreds of thousands of decisions, is not gone through for each of them%s',
  async (kind) => {
    const block = Buffer.from('{"uri":1},'.repeat(1_000));
    const edits = new PassingEdits(
      responsePlaces('tools/call', { uri: (raw) => raw, task: undefined, questions: (raw) => `[${raw}]` }),
    );
    expect(Buffer.concat([...edits.push(Buffer.from('{"result":{"inputRequests":{},"content":['))]).toString()).toBe(
      '{"result":{"inputRequests":',
    );
    for (let sent = 0; sent < 600; sent++) {
      expect(edits.push(block)).toHaveLength(0);
      // The time limit of the test counts only where others have a turn.
      await turn();
    }
    const rest = Buffer.concat([...edits.push(Buffer.from(`0]${kind}}}`))]).toString();
    expect(rest === `${kind === '' ? '{}' : '[{}]'},"content":[${'{"uri":1},'.repeat(600_000)}0]${kind}}}`).toBe(true);
  },
);

it('a value that comes byte by byte is not kept as that many buffers', () => {
  const edits = new PassingEdits(
    responsePlaces('tools/call', { uri: undefined, task: (raw) => raw.toUpperCase(), questions: undefined }),
  );
  const text = `{"result":{"taskId":"${'x'.repeat(100_000)}"}}`;
  const first = '{"result":{"taskId":"';
  edits.push(Buffer.from(first));
  // One buffer for all that follows: whoever keeps it keeps the last byte many times.
  const byte = Buffer.alloc(1);
  let out = '';
  for (const character of text.slice(first.length)) {
    byte.write(character);
    out += Buffer.concat([...edits.push(byte)]).toString();
  }
  expect(out === `"${'X'.repeat(100_000)}"}}`).toBe(true);
});

it('nothing is held back that is decided', () => {
  const edits = new PassingEdits(
    responsePlaces('tools/call', { uri: (raw) => raw, task: undefined, questions: undefined }),
  );
  const begin = Buffer.from('{"result":{"content":[{"type":"text","text":"xxx');
  expect(edits.push(begin)).toEqual([begin]);
  expect(Buffer.concat([...edits.push(Buffer.from('yyy"},{"uri":"a","text":"zzz'))]).toString()).toBe('yyy"},{"uri":');
  expect(Buffer.concat([...edits.push(Buffer.from('","type":"text"'))]).toString()).toBe(
    '"a","text":"zzz","type":"text"',
  );
});
