/** The routed endpoint: everything reaches the client as the server gave it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectV1, connectV2 } from '../rig/clients.ts';
import { startGateway, type RunningGateway } from '../rig/gateway.ts';
import { fixtureImage } from '../rig/images.ts';
import { startHttpFixture, startSseFixture, type HttpFixture } from '../rig/servers.ts';
import { rawClient, type RawMessage } from './raw-client.ts';

describe('routed endpoint', () => {
  let web: HttpFixture;
  let old: HttpFixture;
  let gateway: RunningGateway;

  beforeAll(async () => {
    const image = await fixtureImage();
    web = await startHttpFixture({ pageSize: 2 });
    old = await startSseFixture();
    gateway = await startGateway({
      config: {
        mcpServers: {
          web: { type: 'http', url: web.url },
          old: { type: 'http', url: old.url },
          box: { container: image, env: { FIXTURE_PAGE_SIZE: '2' } },
          few: { type: 'http', url: web.url, tools: ['echo', 'whoami'] },
        },
      },
    });
  });
  afterAll(async () => {
    await gateway.stop();
    await Promise.all([web[Symbol.asyncDispose](), old[Symbol.asyncDispose]()]);
  });

  it.each(['web', 'old', 'box'])(
    'T-PTL-001 T-PTL-002 serves %s to the official clients, 1.x and 2.x',
    async (server) => {
      for (const connect of [connectV1, connectV2]) {
        await using connected = await connect(gateway.url(server), { authorization: gateway.authorization });
        const { tools } = await connected.client.listTools();
        expect(tools.map(({ name }) => name)).toContain('echo');
        const result = await connected.client.callTool({ name: 'echo', arguments: { text: 'hello' } });
        expect(result.structuredContent).toMatchObject({ arguments: { text: 'hello' } });
      }
    },
  );

  it('T-PTL-003 lists every page, and every field of every item, as the server does', async () => {
    const direct = await rawClient(web.url, 'none');
    const through = await rawClient(gateway.url('web'), gateway.authorization);
    for (const [method, list] of [
      ['tools/list', 'tools'],
      ['prompts/list', 'prompts'],
      ['resources/list', 'resources'],
      ['resources/templates/list', 'resourceTemplates'],
    ] as const) {
      const items: unknown[] = [];
      let cursor: unknown;
      do {
        const page: Record<string, unknown> =
          (await direct.request(method, cursor === undefined ? {} : { cursor })).answer.result ?? {};
        items.push(...(page[list] as unknown[]));
        cursor = page['nextCursor'];
      } while (cursor !== undefined);
      const { answer } = await through.request(method);
      expect(answer.result?.[list], method).toEqual(items);
      expect(answer.result?.['nextCursor'], method).toBeUndefined();
    }
  });

  it('T-PTL-003 MCP-IDS-005 passes numbers, unknown fields and _meta through unharmed, both ways', async () => {
    const client = await rawClient(gateway.url('box'), gateway.authorization);
    const { body, answer } = await client.post(
      '{"jsonrpc":"2.0","id":"große-zahl","method":"fixture/anything","params":{"n":12345678901234567890,"f":1.0,"x":{"y":null},"_meta":{"vendor/key":"v"}}}',
    );
    expect(body).toContain('"id":"große-zahl"');
    expect(answer).toMatchObject({ result: { params: { x: { y: null }, _meta: { 'vendor/key': 'v' } } } });
    const echoed = await client.request('tools/call', {
      name: 'echo',
      arguments: { a: [1, { b: 'c' }] },
      unknownField: 7,
    });
    expect(echoed.answer.result).toMatchObject({ structuredContent: { arguments: { a: [1, { b: 'c' }] } } });
  });

  it('answers initialize with what the server said of itself', async () => {
    await using direct = await connectV1(web.url);
    await using through = await connectV1(gateway.url('web'), { authorization: gateway.authorization });
    expect(through.client.getServerVersion()).toEqual(direct.client.getServerVersion());
    expect(through.client.getServerCapabilities()).toEqual(direct.client.getServerCapabilities());
    expect(through.client.getInstructions()).toEqual(direct.client.getInstructions());
  });

  it.each(['web', 'box'])('reads resources and prompts and completes arguments (%s)', async (server) => {
    await using connected = await connectV1(gateway.url(server), { authorization: gateway.authorization });
    const { client } = connected;
    const read = await client.readResource({ uri: 'fixture://text/1' });
    expect(read.contents[0]?.uri).toBe('fixture://text/1');
    const { prompts } = await client.listPrompts();
    expect(prompts).toHaveLength(5);
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resourceTemplates).toHaveLength(4);
    const prompt = await client.getPrompt({ name: prompts[0]?.name ?? '', arguments: { name: 'Ada' } });
    expect(prompt.messages.length).toBeGreaterThan(0);
  });

  it('hides and blocks tools that the configuration does not list', async () => {
    const client = await rawClient(gateway.url('few'), gateway.authorization);
    const { answer } = await client.request('tools/list');
    expect(toolNames(answer)).toEqual(['echo', 'whoami']);
    const { calls } = web.state.stats;
    const blocked = await client.request('tools/call', { name: 'stats', arguments: {} });
    expect(blocked.answer.error).toMatchObject({
      code: -32602,
      message: 'tool "stats" is not in the allowed-tools list for this server',
      data: { server: 'few' },
    });
    expect(web.state.stats.calls).toBe(calls);
    expect((await client.request('tools/call', { name: 'whoami', arguments: {} })).answer.error).toBeUndefined();
  });

  it('answers a request without a session, as plain curl sends it', async () => {
    for (const server of ['web', 'box', 'old']) {
      const client = await rawClient(gateway.url(server), gateway.authorization, { session: false });
      const { status, answer } = await client.request('tools/list', {});
      expect(status).toBe(200);
      expect(toolNames(answer).length).toBeGreaterThan(5);
      const call = await client.request('tools/call', { name: 'echo', arguments: { text: 'curl' } });
      expect(call.answer.result).toMatchObject({ structuredContent: { arguments: { text: 'curl' } } });
    }
  });

  it('hands on errors of the server as they are', async () => {
    const client = await rawClient(gateway.url('box'), gateway.authorization);
    const { status, answer } = await client.request('tools/call', {
      name: 'error',
      arguments: { code: -31999, message: 'as the server said', data: { why: 1 } },
    });
    expect(status).toBe(200);
    expect(answer.error).toEqual({ code: -31999, message: 'MCP error -31999: as the server said', data: { why: 1 } });
  });
});

function toolNames(answer: RawMessage): string[] {
  const tools = answer.result?.['tools'];
  return Array.isArray(tools) ? tools.map(({ name }: { name: string }) => name).toSorted() : [];
}
