import { describe, expect, test } from 'vitest';
import { refuseLookalikes, scanObject, sliceSpan, type Span } from './json-text.ts';
import { isObject, parseMessage, type JsonObject, type Message } from './message.ts';
import { readSmall } from './small-message.ts';

const USUAL = [
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"a \\"b\\" \\u00e9 \\n"}}}',
  '{"jsonrpc":"2.0","id":"a-1","method":"tools/call","params":{"_meta":{"progressToken":7,"x/y":{}},"name":"echo","arguments":{}}}',
  '{"jsonrpc": "2.0", "id": -7, "method": "resources/read", "params": {"uri": "file:///a b", "_meta": {}}}',
  '{"method":"ping","id":0,"jsonrpc":"2.0"}',
  '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":[1,2.5e-3,{"a":[]},null,true]}}',
  '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":4,"reason":"late"}}\n',
  '{"jsonrpc":"2.0","id":12,"result":{"content":[{"type":"text","text":"done"}],"isError":false}}',
  '{ "id" : 12.0 , "result" : null , "jsonrpc" : "2.0" }',
  '{"jsonrpc":"2.0","id":12,"error":{"code":-32601,"message":"no \\\\ way"}}',
  '{"jsonrpc":"2.0","error":{"code":1,"message":""}}',
  `{"jsonrpc":"2.0","id":1,"result":{"text":"${'a long one '.repeat(50)}\\n${'b'.repeat(300)}"}}`,
];

/** Whatever somebody else must decide. */
const LEFT = [
  '',
  '[]',
  ' {"jsonrpc":"2.0","id":1,"method":"ping"}',
  '{"jsonrpc":"2.0","id":null,"method":"ping"}',
  '{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}',
  '{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"ping"}',
  '{"jsonrpc":"2.0","id":1,"method":"ping","method":"ping"}',
  '{"jsonrpc":"2.0","id":1,"\\u006dethod":"ping"}',
  '{"jsonrpc":"2.0","id":1,"method":"tools\\/call","params":{}}',
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}',
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","na\\u006de":"b"}}',
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{},"params":{}}',
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}',
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","result":{}}',
  '{"jsonrpc":"2.0","id":1,"result":{},"error":{}}',
  '{"jsonrpc":"2.0","id":1,"result":{},"result":{}}',
  '{"jsonrpc":"2.0","id":1,"params":{},"result":{}}',
  '{"jsonrpc":"1.0","id":1,"method":"ping"}',
  '{"id":1,"method":"ping"}',
  '{"jsonrpc":"2.0","id":1}',
  '{"jsonrpc":"2.0","id":1,"method":"ping"}x',
  '{"jsonrpc":"2.0","id":1,"method":"ping",}',
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a",}}',
  '{"jsonrpc":"2.0","id":01,"method":"ping"}',
  '{"jsonrpc":"2.0","id":1,"result":{"a":tru}}',
  '{"jsonrpc":"2.0","id":1,"result":{"a":"\u0001"}}',
  '{"jsonrpc":"2.0","id":1,"result":{"a":"\\x"}}',
  '{"jsonrpc":"2.0","id":1,"result":{"a":"\\u12g4"}}',
  '{"jsonrpc":"2.0","id":1,"result":{"a":1.}}',
  '{"jsonrpc":"2.0","id":1,"result":[1}}',
  '{"jsonrpc":"2.0","id":1,"result":"',
];

const CASES = 200_000;
const INSERTED = [
  ...'{}[]",:\\/ \n\t0123456789.eE+-truefalsn'.split(''),
  '\u0000',
  'é',
  '\u2028',
  '"id":2,',
  '"params":{},',
  '"_meta":{},',
  '"name":"x",',
  '"Name":1,',
  '\\u0041',
  '\\u00',
  'null',
  '"extra":[1],',
];

test('takes what nearly everybody writes', () => {
  for (const text of USUAL) expect(readSmall(text), text).toBeDefined();
});

test('leaves to a parser what is wrong, or could be read in two ways', () => {
  for (const text of LEFT) expect(readSmall(text), text).toBeUndefined();
  expect(readSmall('{"jsonrpc":"2.0","id":1,"result":"é"}')).toBeUndefined();
});

test.each([
  ['of 4,096 characters', (more: number) => `{"jsonrpc":"2.0","id":1,"result":"${'a'.repeat(4_096 - 36 + more)}"}`],
  ['with 8 params', (more: number) => `{"jsonrpc":"2.0","method":"x","params":{${namedMembers(8 + more)}}}`],
  // The outermost object is one of them.
  [
    'of 64 levels',
    (more: number) => `{"jsonrpc":"2.0","id":1,"result":${'['.repeat(63 + more)}${']'.repeat(63 + more)}}`,
  ],
])('takes what is %s, and nothing beyond', (_what, text) => {
  expect(readSmall(text(0))).toBeDefined();
  expect(readSmall(text(1))).toBeUndefined();
  expect(parseMessage(text(1)).value).toEqual(JSON.parse(text(1)));
});

test('a `_meta` is its own, whoever sent the one before', () => {
  const meta = (token: number): string =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progressToken":${token}},"name":"a"}}`;
  const tokens = [1, 1, 2, 1].map((token) => readSmall(meta(token))?.parameter('_meta'));
  expect(tokens).toEqual([1, 1, 2, 1].map((progressToken) => ({ progressToken })));
});

function namedMembers(count: number): string {
  return Array.from({ length: count }, (_, index) => `"p${String.fromCharCode(97 + index)}":${index}`).join(',');
}

test('gives what parsing would give, for every damage done to a message', () => {
  const random = mulberry(20_261_121);
  let taken = 0;
  for (let index = 0; index < CASES; index++) {
    const text = damaged(USUAL[random(USUAL.length)] ?? '', random);
    const message = readSmall(text);
    if (message === undefined) continue;
    taken++;
    expectSame(message, text);
  }
  expect(taken).toBeGreaterThan(CASES / 20);
});

describe('of its params', () => {
  const message = readSmall(USUAL[1] ?? '');

  test('one is given by its name', () => {
    expect(message?.parameter('name')).toBe('echo');
    expect(message?.parameter('_meta')).toEqual({ progressToken: 7, 'x/y': {} });
    expect(message?.parameter('arguments')).toEqual({});
    expect(message?.parameter('uri')).toBeUndefined();
  });
});

/** Asserts with plain comparisons: an expectation for each of so many would take minutes. */
function expectSame(message: Message, text: string): void {
  const value = JSON.parse(text) as JsonObject;
  const members = scanObject(text);
  const paramsAt = members.get('params');
  const params = paramsAt === undefined ? new Map<string, Span>() : scanObject(text, paramsAt.start);
  const id = members.get('id');
  const isCall = typeof value['method'] === 'string';
  const kind = isCall ? (id === undefined ? 'notification' : 'request') : 'response';
  const same =
    message.text === text &&
    value['jsonrpc'] === '2.0' &&
    value['id'] !== null &&
    message.kind === kind &&
    message.id === (id && sliceSpan(text, id)) &&
    message.method === value['method'] &&
    message.failed === (!isCall && members.has('error')) &&
    isCall !== (members.has('result') || members.has('error')) &&
    (paramsAt === undefined || isObject(value['params'])) &&
    [...members].every(([name, span]) => equal(message.member(name), span)) &&
    [...params].every(([name, span]) => equal(message.param(name), span)) &&
    ['id', 'params', 'result', 'error', 'extra'].every(
      (name) => members.has(name) || message.member(name) === undefined,
    ) &&
    ['_meta', 'name', 'uri'].every((name) => params.has(name) || message.param(name) === undefined) &&
    Object.entries(isObject(value['params']) ? value['params'] : {}).every(([name, each]) =>
      equal(message.parameter(name), each),
    ) &&
    equal(message.value, value) &&
    (message.isPlain !== true || isUnlike(members, params));
  if (!same) expect.fail(`it is read wrongly: ${JSON.stringify(text)}`);
}

function isUnlike(...objects: readonly ReadonlyMap<string, Span>[]): boolean {
  try {
    objects.forEach((each) => refuseLookalikes(each));
    return true;
  } catch {
    return false;
  }
}

function equal(one: unknown, two: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(two);
}

function damaged(text: string, random: (below: number) => number): string {
  let result = text;
  for (let times = random(4); times > 0; times--) {
    const at = random(result.length + 1);
    const until = Math.min(result.length, at + random(3) * random(12));
    const inserted = random(3) === 0 ? '' : (INSERTED[random(INSERTED.length)] ?? '');
    result = result.slice(0, at) + inserted + result.slice(random(2) === 0 ? at : until);
  }
  return result;
}

/** Numbers below a limit, the same ones each time. */
function mulberry(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
