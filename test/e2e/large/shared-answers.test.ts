/** Large answers stream also where several servers share an endpoint, and where payload storage takes them out. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { modernClient, type ModernClient } from '../modern-raw-client.ts';
import { startByteServer, type ByteCall, type ByteServer } from './byte-server.ts';

const LINK = '{"type":"resource_link","uri":"file:///a","name":"a"}';
const LINKED = '{"type":"resource_link","uri":"mcp+web+file:///a","name":"a"}';
const TEXT = `{"type":"text","text":"${String.raw`é\n\"🏰\u00e9 `.repeat(50_000)}"}`;
const resultOf = (link: string, more = ''): string =>
  `{"resultType":"complete",${more}"content":[${link},${TEXT},${link}],"n":12345678901234567890}`;

let answer: (call: ByteCall) => void = () => undefined;
const stack = new AsyncDisposableStack();
let server: ByteServer;
beforeAll(async () => {
  server = stack.use(await startByteServer((call) => answer(call)));
});
afterAll(() => stack.disposeAsync());

/** Answers in pieces, as `{"jsonrpc":"2.0","id":…,"result":…}`. */
function answering(result: string): void {
  answer = ({ id, response }) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(`{"jsonrpc":"2.0","id":${id},"result":${result}}`);
  };
}

async function gatewayWith(part: Readonly<Record<string, unknown>>): Promise<RunningGateway> {
  const mcpServers = { web: { type: 'http', url: server.url }, other: { type: 'http', url: server.url } };
  return stack.use(await startGateway({ config: { mcpServers, gateway: part } }));
}

function clientOf(gateway: RunningGateway, route: string): ModernClient {
  return modernClient(
    route === 'web' ? gateway.url('web') : gateway.url('web').replace(/\/web$/, ''),
    gateway.authorization,
  );
}

describe('on the unified endpoint', () => {
  let client: ModernClient;
  beforeAll(async () => {
    client = clientOf(await gatewayWith({}), '');
  });

  it('a large answer is passed on with its URIs renamed, and every other byte as it was', async () => {
    answering(resultOf(LINK));
    const { headers, body } = await client('tools/call', { name: 'web___tool' }, { id: 'mine' });
    expect(headers.get('transfer-encoding')).toBe('chunked');
    expect(body === `{"jsonrpc":"2.0","id":"mine","result":${resultOf(LINKED)}}`).toBe(true);
  });

  it('it has begun to reach its client before it has come', async () => {
    const [beginning, end] = [resultOf(LINK).slice(0, 200_000), resultOf(LINK).slice(200_000)];
    let seen = '';
    let finish = (): void => undefined;
    answer = ({ id, response }) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(`{"jsonrpc":"2.0","id":${id},"result":${beginning}`);
      finish = () => void response.end(`${end}}`);
    };
    const given = client('tools/call', { name: 'web___tool' }, { onText: (text) => (seen = text) });
    await expect.poll(() => seen.length).toBeGreaterThan(100_000);
    finish();
    expect((await given).body).toContain(LINKED);
  });

  it('the ids of tasks in it are sealed', async () => {
    answering(resultOf(LINK, '"taskId":"secret",'));
    const { answer: given, body } = await client('tools/call', { name: 'web___tool' });
    expect(body).not.toContain('"secret"');
    expect(given.result).toMatchObject({ taskId: expect.any(String) as string });
  });
});

describe.each(['web', ''])('with payload storage, on /mcp/%s', (route) => {
  const directory = mkdtempSync(join(tmpdir(), 'gatehouse-large-'));
  let client: ModernClient;
  beforeAll(async () => {
    client = clientOf(await gatewayWith({ payloadDir: directory }), route);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const name = route === 'web' ? 'tool' : 'web___tool';

  it('a large result is in its file byte for byte, and the answer says where', async () => {
    const result = resultOf(LINK);
    answering(result);
    const { answer: given } = await client('tools/call', { name });
    const [block] = (given.result as { readonly content: readonly { readonly text: string }[] }).content;
    const told = JSON.parse(block?.text ?? '') as Record<string, unknown>;
    expect(readFileSync(String(told['payloadPath']), 'utf8') === result).toBe(true);
    expect(told).toMatchObject({
      originalSize: Buffer.byteLength(result),
      payloadPreview: `${result.slice(0, 500)}...`,
      payloadSchema: {
        resultType: 'string',
        content: [{ type: 'string', uri: 'string', name: 'string' }],
        n: 'number',
      },
    });
    expect(given.result).toMatchObject({ resultType: 'complete' });
  });

  it('a large error of a tool reaches its client inline, as it is', async () => {
    answering(resultOf(LINK, '"isError":true,'));
    const { body } = await client('tools/call', { name }, { id: 7 });
    const shown = route === 'web' ? LINK : LINKED;
    expect(body === `{"jsonrpc":"2.0","id":7,"result":${resultOf(shown, '"isError":true,')}}`).toBe(true);
  });

  it.each(['"params":{}', '"params":{"content":1,"isError":true}', '"x":{"result":{}}'])(
    'a large result is in its file although %s stands behind it',
    async (more) => {
      const result = resultOf(LINK);
      answering(`${result},${more}`);
      const { answer: given, body } = await client('tools/call', { name });
      expect(body.length).toBeLessThan(10_000);
      const [block] = (given.result as { readonly content: readonly { readonly text: string }[] }).content;
      const { payloadPath } = JSON.parse(block?.text ?? '') as { readonly payloadPath: string };
      expect(readFileSync(payloadPath, 'utf8') === result).toBe(true);
    },
  );

  it('what is not JSON behind its beginning is told as what it is', async () => {
    answering(`${resultOf(LINK)}nonsense`);
    const { answer: given } = await client('tools/call', { name });
    expect(given.error).toMatchObject({ data: { error: 'server_protocol_error' } });
  });

  it('an event of a refused shape is told as what it is, and nobody asks for it again', async () => {
    const deep = `${'['.repeat(200)}${']'.repeat(200)}`;
    answer = ({ id, response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('id: 1\nretry: 1\n\n');
      response.end(`data: {"jsonrpc":"2.0","id":${id},"result":${resultOf(LINK, `"deep":${deep},`)}}\n\n`);
    };
    const before = server.others();
    const { answer: given } = await client('tools/call', { name });
    expect(given.error).toMatchObject({ data: { error: 'server_protocol_error' } });
    expect(server.others()).toBe(before);
  });
});

describe('what payload storage has let pass and is then found to be wrong', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gatehouse-large-'));
  let gateway: RunningGateway;
  beforeAll(async () => {
    gateway = await gatewayWith({ payloadDir: directory });
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const outcomes = (): unknown[] =>
    gateway.logs().flatMap(({ method, outcome }) => (method === 'tools/call' && outcome !== undefined ? outcome : []));

  it.each([
    {
      place: 'a block',
      result: `{"isError":true,"content":[{"type":"text","uri":1,"uri":2},${TEXT}]}`,
      outcome: 'server_protocol_error',
    },
    {
      place: 'the questions',
      result: `{"resultType":"input_required","text":${TEXT},"inputRequests":{"a":{},"a":{}}}`,
      outcome: 'invalid_request',
    },
  ])('is cut off: a name that stands twice in $place', async ({ result, outcome }) => {
    answering(result);
    const before = outcomes().length;
    await expect(clientOf(gateway, '')('tools/call', { name: 'web___tool' })).rejects.toThrow();
    await expect.poll(() => outcomes().slice(before)).toEqual([outcome]);
  });
});
