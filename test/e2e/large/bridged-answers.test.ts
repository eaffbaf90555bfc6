/** Large answers are passed on between the eras while they come, with what the client expects in a result and without what it does not know. */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { modernClient, type ModernClient } from '../modern-raw-client.ts';
import { rawClient, type RawClient } from '../raw-client.ts';
import { startByteServer, type ByteCall, type ByteServer } from './byte-server.ts';
import { slowClient } from './slow-client.ts';

const MIB = 1024 * 1024;
const INFO = 'io.modelcontextprotocol/serverInfo';
const SERVER = { name: 'bytes', version: '1' };
const TEXT = `{"type":"text","text":"${String.raw`é\n\"🏰\u00e9 `.repeat(50_000)}"}`;
const LINK = '{"type":"resource_link","uri":"file:///a","name":"a"}';
const CONTENT = `[${LINK},${TEXT}]`;

const stack = new AsyncDisposableStack();
let answer: (call: ByteCall) => void = () => undefined;
let server: ByteServer;
let gateway: RunningGateway;
let client: ModernClient;
beforeAll(async () => {
  server = stack.use(await startByteServer((call) => answer(call), 'legacy'));
  const web = { type: 'http', url: server.url };
  gateway = stack.use(await startGateway({ config: { mcpServers: { web, other: web } } }));
  client = modernClient(gateway.url('web'), gateway.authorization);
});
afterAll(() => stack.disposeAsync());

const FORMS: readonly { form: string; write: (call: ByteCall, result: string) => void }[] = [
  {
    form: 'JSON',
    write({ id, response }, result) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(`{"jsonrpc":"2.0","id":${id},"result":${result}}`);
    },
  },
  {
    form: 'an event',
    write({ id, response }, result) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(`data: {"jsonrpc":"2.0","id":${id},"result":${result}}\n\n`);
    },
  },
];

it.each(
  FORMS.flatMap(({ form, write }) => [
    { form, write, what: 'nothing', result: `{"content":${CONTENT}}`, meta: { [INFO]: SERVER } },
    { form, write, what: 'a type', result: `{"resultType":"complete","content":${CONTENT}}`, meta: { [INFO]: SERVER } },
    { form, write, what: '_meta', result: `{"_meta":{"a":1},"content":${CONTENT}}`, meta: { a: 1, [INFO]: SERVER } },
    { form, write, what: 'who it is', result: `{"content":${CONTENT},"_meta":{"${INFO}":1}}`, meta: { [INFO]: 1 } },
  ]),
)('an answer as $form whose result says $what is passed on', async ({ write, result, meta }) => {
  answer = (call) => write(call, result);
  const { headers, body, answer: given } = await client('tools/call', { name: 'tool' }, { id: 'mine' });
  expect(headers.get('transfer-encoding')).toBe('chunked');
  expect(given.id).toBe('mine');
  expect(given.result).toMatchObject({ resultType: 'complete', _meta: meta });
  expect(body.includes(`"content":${CONTENT}`)).toBe(true);
});

it('it has begun to reach its client before it has come, and ends as it should', async () => {
  let seen = '';
  let finish = (): void => undefined;
  answer = ({ id, response }) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write(`{"jsonrpc":"2.0","id":${id},"result":{"content":${CONTENT.slice(0, 200_000)}`);
    finish = () => void response.end(`${CONTENT.slice(200_000)}}}`);
  };
  const given = client('tools/call', { name: 'tool' }, { onText: (text) => (seen = text) });
  await expect.poll(() => seen.length).toBeGreaterThan(100_000);
  finish();
  expect((await given).answer.result).toMatchObject({ resultType: 'complete' });
});

it('one that breaks off is never complete for its client', async () => {
  answer = ({ id, response }) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write(`{"jsonrpc":"2.0","id":${id},"result":{"content":${CONTENT.slice(0, 200_000)}`);
    setTimeout(() => response.destroy(), 100);
  };
  await expect(client('tools/call', { name: 'tool' })).rejects.toThrow('terminated');
});

it('a large error is read whole, and its code is that of the era', async () => {
  answer = ({ id, response }) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(`{"jsonrpc":"2.0","id":${id},"error":{"code":-32002,"message":"no","data":${CONTENT}}}`);
  };
  const { answer: given } = await client('tools/call', { name: 'tool' }, { id: 7 });
  expect(given.id).toBe(7);
  expect(given.error?.message).toBe('no');
});

it('on the endpoint of several servers its URIs are renamed', async () => {
  await using unified = await startGateway({
    config: { mcpServers: { web: { type: 'http', url: server.url }, other: { type: 'http', url: server.url } } },
    args: ['--unified'],
  });
  answer = (call) => FORMS[0]?.write(call, `{"content":${CONTENT}}`);
  const call = modernClient(unified.url(), unified.authorization);
  const { headers, answer: given } = await call('tools/call', { name: 'web___tool' });
  expect(headers.get('transfer-encoding')).toBe('chunked');
  expect(given.result).toMatchObject({
    resultType: 'complete',
    content: [{ uri: 'mcp+web+file:///a' }, { type: 'text' }],
  });
});

describe('of a modern server to a legacy client', () => {
  let modern: ByteServer;
  let own: RunningGateway;
  let legacy: RawClient;
  beforeAll(async () => {
    modern = stack.use(await startByteServer((call) => answer(call)));
    own = stack.use(await startGateway({ config: { mcpServers: { web: { type: 'http', url: modern.url } } } }));
    legacy = await rawClient(own.url('web'), own.authorization);
  });

  it.each(
    FORMS.flatMap(({ form, write }) => [
      { form, write, where: 'in front', result: `{"resultType":"complete","ttlMs":1,"content":${CONTENT},"z":1}` },
      {
        form,
        write,
        where: 'behind',
        result: `{"content":${CONTENT},"z":1,"cacheScope":"private","resultType":"complete"}`,
      },
    ]),
  )('an answer as $form that says $where what is new is passed on without that', async ({ write, result }) => {
    answer = (call) => write(call, result);
    const { headers, body, answer: given } = await legacy.request('tools/call', { name: 'tool' }, 'mine');
    expect(headers.get('content-length')).toBeNull();
    expect(given.id).toBe('mine');
    expect(Object.keys(given.result ?? {})).toEqual(['content', 'z']);
    expect(body.includes(`"content":${CONTENT}`)).toBe(true);
  });

  it('it has begun to reach its client before it has come', async () => {
    let finish = (): void => undefined;
    answer = ({ id, response }) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(`{"jsonrpc":"2.0","id":${id},"result":{"content":${CONTENT.slice(0, 200_000)}`);
      finish = () => void response.end(`${CONTENT.slice(200_000)},"resultType":"complete"}}`);
    };
    const reader = slowClient(own, 'legacy');
    expect((await reader.read(100_000)).received).toBeGreaterThanOrEqual(100_000);
    finish();
  });

  it('one that asks for input behind what looked like content is never complete for its client', async () => {
    answer = ({ id, response }) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(
        `{"jsonrpc":"2.0","id":${id},"result":{"content":${CONTENT},"resultType":"input_required","inputRequests":{}}}`,
      );
    };
    await expect(legacy.request('tools/call', { name: 'tool' })).rejects.toThrow('terminated');
  });

  it('large questions are put to the client, and the answer comes after them', async () => {
    const message = `please ${'x'.repeat(100_000)}`;
    const schema = { type: 'object', properties: {} };
    let asked = 0;
    answer = ({ id, body, response }) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      if (body.includes('"inputResponses"'))
        return response.end(`{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","content":${CONTENT}}}`);
      asked++;
      const params = { message, requestedSchema: schema };
      const questions = { a: { method: 'elicitation/create', params } };
      return response.end(
        `{"jsonrpc":"2.0","id":${id},"result":{"inputRequests":${JSON.stringify(questions)},"resultType":"input_required"}}`,
      );
    };
    const person = new Client({ name: 'asked', version: '1' }, { capabilities: { elicitation: {} } });
    const heard: string[] = [];
    person.setRequestHandler(ElicitRequestSchema, ({ params }) => {
      heard.push(params.message);
      return { action: 'accept', content: {} };
    });
    const requestInit = { headers: { authorization: own.authorization } };
    await person.connect(new StreamableHTTPClientTransport(new URL(own.url('web')), { requestInit }));
    try {
      const { content } = await person.callTool({ name: 'tool' });
      expect(content).toEqual(JSON.parse(CONTENT));
      expect(heard).toEqual([message]);
      expect(asked).toBe(1);
    } finally {
      await person.close();
    }
  });
});

it.each([
  { from: 'legacy', to: 'modern' },
  { from: 'modern', to: 'legacy' },
] as const)(
  '64 of 16 MiB from $from to $to take little memory while nobody reads them, and arrive when somebody does',
  async ({ from, to }) => {
    const size = 16 * MIB;
    const piece = Buffer.alloc(64 * 1024, 'x');
    let sent = 0;
    await using slow = await startByteServer(({ id, response }) => {
      let left = size / piece.length;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"result":{"content":[{"type":"text","text":"');
      const more = (): void => {
        for (; left > 0; left--) {
          sent += piece.length;
          if (response.write(piece)) continue;
          left--;
          response.once('drain', more);
          return;
        }
        response.end(`"}]},"jsonrpc":"2.0","id":${id}}`);
      };
      more();
    }, from);
    await using own = await startGateway({ config: { mcpServers: { web: { type: 'http', url: slow.url } } } });
    const peak = (): number =>
      Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${own.pid}/status`, 'utf8'))?.[1]) * 1024;
    const before = peak();
    const clients = Array.from({ length: 64 }, () => slowClient(own, to));
    await expect.poll(() => sent, { timeout: 20_000 }).toBeGreaterThan(size);
    for (let last = -1; sent !== last;) {
      last = sent;
      await pause(1_000);
    }
    expect(peak() - before).toBeLessThan(150 * MIB);
    const readers = clients.splice(0, 3);
    for (const { socket } of clients) socket.destroy();
    const read = await Promise.all(readers.map((reader) => reader.read(size)));
    expect(read.filter(({ received }) => received < size)).toEqual([]);
    expect(peak() - before).toBeLessThan(150 * MIB);
  },
);
