/** What operators say about single items: shown in listings, and held to in calls, on every endpoint and in both eras. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ItemKind, ItemOverride } from '../../../src/config/registration.ts';
import { startNeighbour } from '../../fixtures/servers/conformance/neighbour.ts';
import { connectV1, connectV2, type ConnectedV1, type ConnectedV2 } from '../../rig/clients.ts';
import { startInProcess, type InProcessGateway } from '../../rig/in-process.ts';
import { startHttpFixture, type HttpFixture } from '../../rig/servers.ts';
import { rawClient } from '../raw-client.ts';

function override(server: string, kind: ItemKind, key: string, fields: Partial<ItemOverride>): ItemOverride {
  return {
    server,
    kind,
    key,
    enabled: true,
    name: undefined,
    title: undefined,
    description: undefined,
    annotations: undefined,
    tags: [],
    ...fields,
  };
}

const OVERRIDES = [
  override('web', 'tool', 'echo', {
    name: 'repeat',
    title: 'Repeats',
    description: 'Says it again.',
    annotations: { readOnlyHint: false, destructiveHint: true },
    tags: ['demo', 'text'],
  }),
  // Takes the name that another tool of the same server has.
  override('web', 'tool', 'whoami', { name: 'stats' }),
  override('web', 'tool', 'slow', { enabled: false }),
  override('web', 'prompt', 'plan', { name: 'make_a_plan' }),
  override('web', 'prompt', 'review', { enabled: false }),
  override('web', 'resource', 'fixture://text/2', { enabled: false }),
  override('web', 'resource', 'fixture://text/1', { title: 'The first' }),
  override('web', 'resource-template', 'fixture://greeting/{name}', { enabled: false }),
  override('next', 'tool', 'neighbour_name', { name: 'ask_next_door' }),
];

async function either(
  url: string,
  authorization: string,
  era: 'legacy' | 'modern',
): Promise<ConnectedV1 | ConnectedV2> {
  if (era === 'legacy') return connectV1(url, { authorization });
  return connectV2(url, { authorization, clientOptions: { versionNegotiation: { mode: { pin: '2026-07-28' } } } });
}

describe('overrides', () => {
  const stack = new AsyncDisposableStack();
  let gateway: InProcessGateway;
  let web: HttpFixture;
  let mcpServers: Record<string, object>;

  beforeAll(async () => {
    web = stack.use(await startHttpFixture());
    const next = stack.use(await startNeighbour());
    mcpServers = { web: { type: 'http', url: web.url }, next: { type: 'http', url: next.url } };
    gateway = stack.use(
      await startInProcess({ mcpServers, gateway: { groups: { pair: ['web', 'next'] } }, overrides: OVERRIDES }),
    );
  });
  afterAll(() => stack.disposeAsync());

  const endpoints = [
    ['routed', 'web', ''],
    ['unified', undefined, 'web___'],
    ['group', 'pair', 'web___'],
  ] as const;

  describe.each(['legacy', 'modern'] as const)('for a %s client', (era) => {
    it.each(endpoints)('on the %s endpoint change how tools are listed', async (_, server, prefix) => {
      await using connected = await either(gateway.url(server), gateway.authorization, era);
      const { tools } = await connected.client.listTools();
      const names = tools.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(['repeat', 'stats', `${prefix}fail`]));
      expect(names).not.toEqual(expect.arrayContaining([`${prefix}echo`]));
      expect(names).not.toEqual(expect.arrayContaining([`${prefix}slow`]));
      expect(names.filter((name) => name === 'stats')).toHaveLength(1);
      expect(tools.find(({ name }) => name === 'repeat')).toMatchObject({
        title: 'Repeats',
        description: 'Says it again.',
        // What the operator does not mention stays as the server says.
        annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
        _meta: { 'io.gatehouse/tags': ['demo', 'text'], 'fixture.example/weight': 1.5 },
      });
    });

    it.each(endpoints)('on the %s endpoint lead calls to the right item', async (_, server, prefix) => {
      await using connected = await either(gateway.url(server), gateway.authorization, era);
      const { client } = connected;
      expect(await client.callTool({ name: 'repeat', arguments: { text: 'x' } })).toMatchObject({
        structuredContent: { arguments: { text: 'x' } },
      });
      const whoami = await client.callTool({ name: 'stats', arguments: {} });
      expect(JSON.stringify(whoami.content)).toContain('pid');
      expect(await client.getPrompt({ name: 'make_a_plan' })).toMatchObject({
        messages: [{ content: { text: 'Please plan.' } }],
      });
      const argument = { name: 'name', value: 'A' };
      expect(await client.complete({ ref: { type: 'ref/prompt', name: 'make_a_plan' }, argument })).toMatchObject({
        completion: { values: ['Ada', 'Alan'] },
      });
      const { calls } = web.state.stats;
      for (const name of ['echo', 'slow', 'whoami'])
        await expect(client.callTool({ name: `${prefix}${name}`, arguments: {} })).rejects.toThrow(/Unknown tool/);
      for (const name of ['plan', 'review'])
        await expect(client.getPrompt({ name: `${prefix}${name}` })).rejects.toThrow(/Unknown prompt/);
      expect(web.state.stats.calls).toBe(calls);
    });

    it.each(endpoints)('on the %s endpoint hide and retitle resources', async (_, server, prefix) => {
      await using connected = await either(gateway.url(server), gateway.authorization, era);
      const { client } = connected;
      const at = (uri: string): string => (prefix === '' ? uri : `mcp+web+${uri}`);
      const { resources } = await client.listResources();
      expect(resources.map(({ uri }) => uri)).not.toEqual(expect.arrayContaining([at('fixture://text/2')]));
      expect(resources.find(({ uri }) => uri === at('fixture://text/1'))).toMatchObject({ title: 'The first' });
      const { resourceTemplates } = await client.listResourceTemplates();
      expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).not.toEqual(
        expect.arrayContaining([at('fixture://greeting/{name}')]),
      );
      expect(await client.readResource({ uri: at('fixture://text/1') })).toMatchObject({
        contents: [{ text: 'Text 1.' }],
      });
      // Also under another spelling of its URI, and through a template that would lead there.
      for (const uri of ['fixture://text/2', 'fixture://text/%32', 'fixture://text/x/../2', 'fixture://greeting/Ada'])
        await expect(client.readResource({ uri: at(uri) })).rejects.toThrow(/Unknown resource/);
    });
  });

  it('reach the only other server of an endpoint under the given name, and not under its own', async () => {
    const raw = await rawClient(gateway.url(), gateway.authorization);
    expect(
      (await raw.request('tools/call', { name: 'next___neighbour_name', arguments: {} })).answer.error?.message,
    ).toBe('Unknown tool "next___neighbour_name".');
    const { answer } = await raw.request('tools/call', { name: 'ask_next_door', arguments: {} });
    // It was reached: it asks for what this client did not declare.
    expect(answer.error?.data).toMatchObject({ requiredCapabilities: { elicitation: {} } });
    await using modern = await either(gateway.url('next'), gateway.authorization, 'modern');
    expect((await modern.client.listTools()).tools.map(({ name }) => name)).toEqual(['ask_next_door']);
  });

  it('cannot be gone around by a reference that names two things, or one in two spellings', async () => {
    const hidden = '"uri":"fixture://greeting/{name}"';
    const argument = '"argument":{"name":"name","value":"A"}';
    for (const server of ['web', undefined]) {
      const raw = await rawClient(gateway.url(server), gateway.authorization);
      for (const ref of [
        `{"type":"ref/resource","name":"greet",${hidden}}`,
        `{"type":"ref/resource","uri":"fixture://first/{a}","URI":"fixture://greeting/{name}"}`,
        `{"type":"ref/resource",${hidden}}`,
      ]) {
        const { answer } = await raw.post(
          `{"jsonrpc":"2.0","id":7,"method":"completion/complete","params":{"ref":${ref},${argument}}}`,
        );
        expect(answer.error?.message).toMatch(/Unknown resource|either|two spellings/);
      }
    }
  });

  it('that give one name to items of two servers show neither where both are, and both on their own endpoints', async () => {
    const overrides = [
      override('web', 'tool', 'echo', { name: 'same' }),
      override('next', 'tool', 'neighbour_name', { name: 'same' }),
    ];
    await using both = await startInProcess({ mcpServers, overrides });
    await using unified = await connectV1(both.url(), { authorization: both.authorization });
    const { tools } = await unified.client.listTools();
    expect(tools.map(({ name }) => name)).not.toEqual(expect.arrayContaining(['same']));
    await expect(unified.client.callTool({ name: 'same', arguments: {} })).rejects.toThrow(
      /offered by several servers/,
    );
    await using routed = await connectV1(both.url('web'), { authorization: both.authorization });
    expect(await routed.client.callTool({ name: 'same', arguments: { text: 'x' } })).toMatchObject({
      structuredContent: { arguments: { text: 'x' } },
    });
  });

  it('that disable a resource end what its subscribers hear of it', async () => {
    await using both = await startInProcess({ mcpServers });
    const updated: string[] = [];
    await using modern = await connectV2(both.url('web'), {
      authorization: both.authorization,
      clientOptions: { versionNegotiation: { mode: { pin: '2026-07-28' } } },
      prepare: (client) =>
        client.setNotificationHandler('notifications/resources/updated', ({ params }) => void updated.push(params.uri)),
    });
    const uris = ['fixture://text/1', 'fixture://text/3'];
    await using _subscription = await modern.client
      .listen({ resourceSubscriptions: uris })
      .then((handle) => ({ [Symbol.asyncDispose]: () => handle.close() }));
    await both.change({ mcpServers, overrides: [override('web', 'resource', 'fixture://text/1', { enabled: false })] });
    await using other = await connectV1(both.url('web'), { authorization: both.authorization });
    for (const uri of uris) await other.client.callTool({ name: 'touch_resource', arguments: { uri } });
    await expect.poll(() => updated).toContain('fixture://text/3');
    expect(updated).not.toContain('fixture://text/1');
  });

  it('that come with a reload are told to sessions that they concern, and to no others', async () => {
    await using both = await startInProcess({ mcpServers });
    const told: string[] = [];
    const listener = (name: string) => ({
      authorization: both.authorization,
      clientOptions: { listChanged: { tools: { onChanged: () => void told.push(name), autoRefresh: false } } },
    });
    await using _web = await connectV1(both.url('web'), listener('web'));
    await using _next = await connectV1(both.url('next'), listener('next'));
    await using _unified = await connectV1(both.url(), listener('unified'));
    await both.change({ mcpServers, overrides: [override('web', 'tool', 'echo', { enabled: false })] });
    await expect.poll(() => told.toSorted()).toEqual(['unified', 'web']);
  });
});
