/** Large answers that change on their way are what a small one would be: stored, read as text by their client, or refused. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { modernClient } from '../modern-raw-client.ts';
import { rawClient, type RawMessage } from '../raw-client.ts';
import { connectSocket } from '../websocket/client.ts';
import { startByteServer, type ByteCall } from './byte-server.ts';

const TEXT = `{"type":"text","text":"${'é'.repeat(400_000)}"}`;
const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';

let result: string | Buffer = '';
const stack = new AsyncDisposableStack();
const directory = mkdtempSync(join(tmpdir(), 'gatehouse-large-'));
let gateway: RunningGateway;
let storing: RunningGateway;
beforeAll(async () => {
  const answer = ({ id, response }: ByteCall): void => {
    response.writeHead(200, { 'content-type': 'application/json' }).write(`{"jsonrpc":"2.0","id":${id},"result":`);
    response.write(result);
    response.end('}');
  };
  const modern = stack.use(await startByteServer(answer));
  const legacy = stack.use(await startByteServer(answer, 'legacy'));
  const mcpServers = { modern: { type: 'http', url: modern.url }, legacy: { type: 'http', url: legacy.url } };
  gateway = stack.use(await startGateway({ config: { mcpServers } }));
  storing = stack.use(await startGateway({ config: { mcpServers, gateway: { payloadDir: directory } } }));
});
afterAll(async () => {
  await stack.disposeAsync();
  rmSync(directory, { recursive: true, force: true });
});

/** What the file holds to which the answer points. */
function stored({ result: given }: RawMessage): Record<string, unknown> {
  const [block] = (given as { readonly content: readonly { readonly text: string }[] }).content;
  const { payloadPath, originalSize } = JSON.parse(block?.text ?? '') as Record<string, unknown>;
  const file = readFileSync(String(payloadPath));
  expect(file.length).toBe(originalSize);
  return JSON.parse(file.toString()) as Record<string, unknown>;
}

describe('payload storage between the eras', () => {
  it('gives a modern client a result of its era, and stores one', async () => {
    result = `{"content":[${TEXT}]}`;
    const call = modernClient(storing.url('legacy'), storing.authorization);
    const { answer } = await call('tools/call', { name: 'tool' });
    expect(answer.result).toMatchObject({ resultType: 'complete' });
    expect(stored(answer)).toEqual({
      resultType: 'complete',
      content: [JSON.parse(TEXT)],
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'bytes', version: '1' } },
    });
  });

  it('gives a legacy client one of its own, and stores one', async () => {
    result = `{"resultType":"complete","content":[${TEXT}],"ttlMs":0}`;
    const client = await rawClient(storing.url('modern'), storing.authorization);
    const { answer } = await client.request('tools/call', { name: 'tool' });
    expect(Object.keys(answer.result ?? {})).toEqual(['content']);
    expect(stored(answer)).toEqual({ content: [JSON.parse(TEXT)] });
  });

  it('leaves an error of a tool as it is, but for the era', async () => {
    result = `{"resultType":"complete","isError":true,"content":[${TEXT}]}`;
    const client = await rawClient(storing.url('modern'), storing.authorization);
    const { body } = await client.request('tools/call', { name: 'tool' }, 7);
    expect(body).toContain(`{"jsonrpc":"2.0","id":7,"result":{"isError":true,"content":[${TEXT}]}}`);
  });
});

it('what payload storage has let pass and is not UTF-8 is refused before a WebSocket client hangs up on it', async () => {
  const [begin, end] = ['{"isError":true,"content":[{"type":"text","text":"', `${'x'.repeat(100_000)}"}]}`];
  result = Buffer.concat([Buffer.from(begin), Buffer.from([0xff, 0xfe]), Buffer.from(end)]);
  await using socket = await connectSocket(storing.url('legacy'), storing.authorization);
  const { error } = await socket.request('tools/call', { name: 'tool' });
  expect(error?.data).toMatchObject({ error: 'server_protocol_error', server: 'legacy' });
  expect(await socket.request('ping')).toMatchObject({ result: {} });
});

describe('a name that stands twice in a block is the fault of its server', () => {
  const fault = (server: string): object => ({ data: { error: 'server_protocol_error', server } });
  const content = `"content":[{"type":"resource_link","uri":"a","uri":"b"},${TEXT}]`;
  // Payload storage has to see the whole of it, and lets the error of a tool pass.
  beforeAll(() => void (result = `{"isError":true,${content}}`));

  it('for a modern client of a legacy one', async () => {
    const call = modernClient(`${storing.origin}/mcp`, storing.authorization);
    const { answer } = await call('tools/call', { name: 'legacy___tool' });
    expect(answer.error).toMatchObject(fault('legacy'));
  });

  it('for a legacy client of a modern one', async () => {
    const client = await rawClient(`${storing.origin}/mcp`, storing.authorization);
    const { answer } = await client.request('tools/call', { name: 'modern___tool' });
    expect(answer.error).toMatchObject(fault('modern'));
  });

  it.each(['legacy', 'modern'])(
    'where nobody has to see the whole, for a client of the other era than a %s one',
    async (server) => {
      const client = await rawClient(`${gateway.origin}/mcp`, gateway.authorization);
      const modern = modernClient(`${gateway.origin}/mcp`, gateway.authorization);
      const params = { name: `${server}___tool` };
      const call = server === 'legacy' ? modern('tools/call', params) : client.request('tools/call', params);
      // It is on its way when the fault is found: it breaks off.
      await expect(call).rejects.toThrow(/terminated|fetch failed/);
      const outcomes = (): unknown[] =>
        gateway
          .logs()
          .flatMap((line) => (line['server'] === server && line['method'] === 'tools/call' ? line['outcome'] : []));
      await expect.poll(outcomes).toContain('server_protocol_error');
    },
  );
});

it('the final answer of a subscription names it by the id of the client, however large it is', async () => {
  result = `{"resultType":"complete","_meta":{"${SUBSCRIPTION}":1,"pad":"${'x'.repeat(100_000)}"}}`;
  const call = modernClient(gateway.url('modern'), gateway.authorization);
  const { answer } = await call('subscriptions/listen', { notifications: {} }, { id: 'mine' });
  expect(answer.id).toBe('mine');
  expect(answer.result?.['_meta']).toMatchObject({ [SUBSCRIPTION]: 'mine' });
});
