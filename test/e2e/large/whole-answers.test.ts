/** Large messages on the ways on which nothing is passed on while it comes: every byte of them arrives, in its order, and hostile ones harm nobody else. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dockerMissing } from '../../rig/docker.ts';
import { startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { busyboxImage, fixtureImage } from '../../rig/images.ts';
import { startHttpFixture, type HttpFixture } from '../../rig/servers.ts';
import { modernClient } from '../modern-raw-client.ts';
import { rawClient } from '../raw-client.ts';
import { connectSocket } from '../websocket/client.ts';
import { startByteServer, type ByteServer } from './byte-server.ts';

const MIB = 1024 * 1024;
/** Characters of one to four bytes, escapes, lone surrogates, numbers and nesting. */
const LARGE = {
  text: 'a"é\\🏰\n\u{1f3f0}\ud800'.repeat(40_000),
  list: Array.from({ length: 10_000 }, (_, index) => ({ index, deep: [[index]] })),
  end: 1,
};
const AS_TEXT = JSON.stringify(LARGE);

const stack = new AsyncDisposableStack();
let legacy: HttpFixture;
let modern: ByteServer;
let gateway: RunningGateway;
let unified: RunningGateway;
const bodies: string[] = [];

beforeAll(async () => {
  legacy = stack.use(await startHttpFixture());
  modern = stack.use(
    await startByteServer(({ id, body, response }) => {
      bodies.push(body);
      const result = `{"cacheScope":"private","resultType":"complete","content":[],"structuredContent":{"arguments":${AS_TEXT}},"ttlMs":0}`;
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(`{"jsonrpc":"2.0","id":${id},"result":${result}}`);
    }),
  );
  const config = {
    mcpServers: { legacy: { type: 'http', url: legacy.url }, modern: { type: 'http', url: modern.url } },
    gateway: { maxBodyBytes: 16 * MIB },
  };
  gateway = stack.use(await startGateway({ config }));
  unified = stack.use(await startGateway({ config, args: ['--unified'] }));
});
afterAll(() => stack.disposeAsync());

/** What the tool `echo` was given; compared as text, because the difference of megabytes is nothing to read. */
function echoed(result: unknown): boolean {
  const { structuredContent } = result as { readonly structuredContent?: { readonly arguments?: unknown } };
  return JSON.stringify(structuredContent?.arguments) === AS_TEXT;
}

describe('a call with large arguments and a large answer', () => {
  it('of a WebSocket client', async () => {
    await using socket = await connectSocket(gateway.url('legacy'), gateway.authorization);
    const { result } = await socket.request('tools/call', { name: 'echo', arguments: LARGE });
    expect(echoed(result)).toBe(true);
  });

  it('of a WebSocket client on the endpoint of all servers', async () => {
    await using socket = await connectSocket(unified.url(), unified.authorization);
    const { result } = await socket.request('tools/call', { name: 'legacy___echo', arguments: LARGE });
    expect(echoed(result)).toBe(true);
  });

  it('of an HTTP+SSE client', async () => {
    const client = new Client({ name: 'large', version: '1' });
    const headers = { authorization: gateway.authorization };
    const url = new URL(`${gateway.url('legacy')}/sse`);
    await client.connect(
      new SSEClientTransport(url, {
        requestInit: { headers },
        eventSourceInit: {
          fetch: (input, init) => fetch(input, { ...init, headers: { ...headers, accept: 'text/event-stream' } }),
        },
      }),
    );
    try {
      expect(echoed(await client.callTool({ name: 'echo', arguments: LARGE }))).toBe(true);
    } finally {
      await client.close();
    }
  });

  it('of a modern client to a legacy server', async () => {
    const call = modernClient(gateway.url('legacy'), gateway.authorization);
    const { answer } = await call('tools/call', { name: 'echo', arguments: LARGE }, { id: 'mine' });
    expect(answer.id).toBe('mine');
    expect(echoed(answer.result)).toBe(true);
    expect(answer.result?.['resultType']).toBe('complete');
    // Its server, which shows what it was sent, saw nothing of the other era.
    expect(JSON.stringify(answer.result?.['_meta']).includes('io.modelcontextprotocol/protocolVersion')).toBe(false);
  });

  it.each(['modern', undefined])('of a legacy client to a modern server, on the endpoint of %s', async (server) => {
    const { origin, authorization } = server === undefined ? unified : gateway;
    const client = await rawClient(server === undefined ? `${origin}/mcp` : gateway.url(server), authorization);
    const name = server === undefined ? 'modern___tool' : 'tool';
    const { answer } = await client.request('tools/call', { name, arguments: LARGE }, 'mine');
    expect(bodies.at(-1)?.includes(`"arguments":${AS_TEXT}`)).toBe(true);
    expect(answer.id).toBe('mine');
    expect(echoed(answer.result)).toBe(true);
    expect(Object.keys(answer.result ?? {})).toEqual(['content', 'structuredContent']);
  });
});

it('an answer of more than 16 MiB reaches a WebSocket client that reads', async () => {
  await using socket = await connectSocket(gateway.url('legacy'), gateway.authorization);
  const { result } = await socket.request('tools/call', { name: 'big', arguments: { bytes: 17 * MIB } });
  const [block] = (result as { readonly content: readonly { readonly text: string }[] }).content;
  expect(block?.text.length).toBe(17 * MIB);
});

it.each([true, false])(
  'what a WebSocket client asked that left while it was scanned is not sent; session: %s',
  async (session) => {
    const { hostname, port } = new URL(gateway.origin);
    const raw = connect({ host: hostname, port: Number(port) });
    await using client = await connectSocket(gateway.url('legacy'), gateway.authorization, {
      session,
      client: { createConnection: () => raw },
    });
    const outcomes = (): unknown[] =>
      gateway.logs().flatMap(({ method, outcome }) => (method === 'tools/call' ? outcome : []));
    const [before, calls] = [outcomes().length, legacy.state.stats.calls];
    const params = {
      name: 'echo',
      arguments: { list: Array.from({ length: 90_000 }, (_, index) => index), pad: 'x'.repeat(8 * MIB) },
    };
    const text = JSON.stringify({ jsonrpc: '2.0', id: 'large', method: 'tools/call', params });
    client.socket.send(text.slice(0, -1), { fin: false });
    client.socket.ping();
    await once(client.socket, 'pong');
    // All but the end has been read: that comes with the farewell, so that both are seen at once.
    raw.cork();
    client.socket.send('}');
    client.socket.close();
    raw.uncork();
    await expect.poll(() => outcomes().slice(before)).toEqual(['cancelled']);
    expect(legacy.state.stats.calls).toBe(calls);
  },
);

it('what follows a large message on a WebSocket does not overtake it', async () => {
  await using socket = await connectSocket(gateway.url('legacy'), gateway.authorization);
  const params = { name: 'slow', arguments: { ms: 60_000, pad: 'x'.repeat(4 * MIB) } };
  socket.send({ id: 'large', method: 'tools/call', params });
  socket.send({ method: 'notifications/cancelled', params: { requestId: 'large' } });
  await expect
    .poll(() => gateway.logs().some((line) => line['method'] === 'tools/call' && line['outcome'] === 'cancelled'), {
      timeout: 20_000,
    })
    .toBe(true);
  expect(await socket.request('ping')).toMatchObject({ result: {} });
});

it.each([
  { shape: 'a depth of a million', args: `{"a":${'['.repeat(1_000_000)}`, code: -32_600 },
  { shape: 'a million keys', args: `[${'1,'.repeat(1_000_000)}1]`, code: -32_600 },
  { shape: 'a name of megabytes', args: '{}', code: -32_600, name: 'n'.repeat(2 * MIB) },
  { shape: 'an early end', args: `{"a":"${'x'.repeat(MIB)}`, code: -32_700 },
])('$shape from a WebSocket client is refused, and the connection goes on', async ({ args, code, name = 'echo' }) => {
  await using socket = await connectSocket(gateway.url('legacy'), gateway.authorization);
  socket.socket.send(`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"${name}","arguments":${args}}}`);
  const refused = await socket.until((message) => message.error !== undefined);
  expect(refused.error?.code).toBe(code);
  expect(await socket.request('ping')).toMatchObject({ result: {} });
});

describe.skipIf(dockerMissing())('a server in a container', () => {
  it('is sent and answers what is large, to clients of both eras', async () => {
    const config = {
      mcpServers: { box: { container: await fixtureImage() } },
      gateway: { maxBodyBytes: 16 * MIB },
    };
    await using contained = await startGateway({ config });
    const call = modernClient(contained.url('box'), contained.authorization);
    expect(echoed((await call('tools/call', { name: 'echo', arguments: LARGE })).answer.result)).toBe(true);
    const client = await rawClient(contained.url('box'), contained.authorization);
    const { answer } = await client.request('tools/call', { name: 'echo', arguments: LARGE }, 'mine');
    expect(answer.id).toBe('mine');
    expect(echoed(answer.result)).toBe(true);
  });

  it('that answers what nobody can read fails that call alone, at once', async () => {
    const script = `
      while read -r line; do
        id=$(echo "$line" | sed -n 's/.*"id":\\([0-9]*\\).*/\\1/p')
        begin='{"jsonrpc":"2.0","id":'$id',"result":'
        case "$line" in
          *'"initialize"'*) echo "$begin"'{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}}' ;;
          *'"notifications/'*) ;;
          *'"late"'*) echo '{"result":'"$(head -c 200000 /dev/zero | tr '\\0' '[')"',"jsonrpc":"2.0","id":'$id'}' ;;
          *'"hostile"'*) echo "$begin$(head -c 200000 /dev/zero | tr '\\0' '[')" ;;
          *) echo "$begin{}}" ;;
        esac
      done`;
    const config = {
      mcpServers: {
        box: {
          container: await busyboxImage(),
          entrypoint: 'sh',
          entrypointArgs: ['-c', script],
        },
      },
    };
    await using contained = await startGateway({ config });
    const client = await rawClient(contained.url('box'), contained.authorization);
    for (const name of ['hostile', 'late']) {
      const { answer } = await client.request('tools/call', { name });
      expect(answer.error?.data).toMatchObject({ error: 'server_protocol_error' });
    }
    expect((await client.request('tools/call', { name: 'usual' })).answer.error).toBeUndefined();
  });
});
