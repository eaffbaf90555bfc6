/** Virtual servers: selections of items of several servers, on endpoints of their own, for clients of both eras. */
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ItemKind, ItemReference, VirtualServer } from '../../../src/config/registration.ts';
import { startNeighbour } from '../../fixtures/servers/conformance/neighbour.ts';
import { connectV1, connectV2, type ConnectedV1, type ConnectedV2 } from '../../rig/clients.ts';
import { dockerMissing } from '../../rig/docker.ts';
import { fixtureImage } from '../../rig/images.ts';
import { startInProcess, type InProcessGateway } from '../../rig/in-process.ts';
import { startHttpFixture, type HttpFixture } from '../../rig/servers.ts';
import { rawClient } from '../raw-client.ts';

const EVERYBODY = { visibility: 'public', owner: undefined, team: undefined } as const;

function item(server: string, kind: ItemKind, key: string): ItemReference {
  return { server, kind, key };
}

function virtual(name: string, items: readonly ItemReference[]): VirtualServer {
  return { id: `${name}-id`, name, description: `What ${name} is for.`, access: EVERYBODY, tags: [], items };
}

const DESK = virtual('desk', [
  item('web', 'tool', 'echo'),
  item('web', 'tool', 'not_there'),
  item('web', 'resource', 'fixture://text/1'),
  item('web', 'resource-template', 'fixture://greeting/{name}'),
  item('web', 'prompt', 'greet'),
  item('next', 'tool', 'neighbour_name'),
  item('next', 'resource', 'neighbour://fence'),
]);
const TOOLS_ONLY = virtual('tools only', [item('web', 'tool', 'echo')]);
const OF_NOTHING = virtual('empty', []);

async function either(
  url: string,
  authorization: string,
  era: 'legacy' | 'modern',
): Promise<ConnectedV1 | ConnectedV2> {
  if (era === 'legacy') return connectV1(url, { authorization });
  return connectV2(url, { authorization, clientOptions: { versionNegotiation: { mode: { pin: '2026-07-28' } } } });
}

describe('a virtual server', () => {
  const stack = new AsyncDisposableStack();
  let gateway: InProcessGateway;
  let web: HttpFixture;

  beforeAll(async () => {
    web = stack.use(await startHttpFixture());
    const next = stack.use(await startNeighbour());
    gateway = stack.use(
      await startInProcess({
        mcpServers: { web: { type: 'http', url: web.url }, next: { type: 'http', url: next.url } },
        virtualServers: [DESK, TOOLS_ONLY, OF_NOTHING],
      }),
    );
  });
  afterAll(() => stack.disposeAsync());

  describe.each(['legacy', 'modern'] as const)('for a %s client', (era) => {
    it('lists what it selects of each server, and nothing else', async () => {
      await using connected = await either(gateway.virtualUrl('desk'), gateway.authorization, era);
      const { client } = connected;
      expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['web___echo', 'next___neighbour_name']);
      expect((await client.listPrompts()).prompts.map(({ name }) => name)).toEqual(['web___greet']);
      expect((await client.listResources()).resources.map(({ uri }) => uri)).toEqual([
        'mcp+web+fixture://text/1',
        'mcp+next+neighbour://fence',
      ]);
      expect((await client.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual([
        'mcp+web+fixture://greeting/{name}',
      ]);
    });

    it('calls, gets, reads and completes what it selects', async () => {
      await using connected = await either(gateway.virtualUrl('desk-id'), gateway.authorization, era);
      const { client } = connected;
      expect(await client.callTool({ name: 'web___echo', arguments: { text: 'hi' } })).toMatchObject({
        structuredContent: { arguments: { text: 'hi' } },
      });
      expect(await client.getPrompt({ name: 'web___greet', arguments: { name: 'Ada' } })).toMatchObject({
        messages: [{ content: { text: 'Greet Ada.' } }],
      });
      expect(await client.readResource({ uri: 'mcp+next+neighbour://fence' })).toMatchObject({
        contents: [{ uri: 'mcp+next+neighbour://fence', text: 'A fence.' }],
      });
      expect(await client.readResource({ uri: 'mcp+web+fixture://greeting/Ada' })).toMatchObject({
        contents: [{ text: 'Hello, Ada!' }],
      });
      const argument = { name: 'name', value: 'A' };
      expect(await client.complete({ ref: { type: 'ref/prompt', name: 'web___greet' }, argument })).toMatchObject({
        completion: { values: ['Ada', 'Alan'] },
      });
      const ref = { type: 'ref/resource', uri: 'mcp+web+fixture://greeting/{name}' } as const;
      expect(await client.complete({ ref, argument })).toMatchObject({ completion: { values: ['Ada', 'Alan'] } });
    });

    it('knows nothing else of its servers', async () => {
      await using connected = await either(gateway.virtualUrl('desk'), gateway.authorization, era);
      const { client } = connected;
      const calls = web.state.stats.calls;
      await expect(client.callTool({ name: 'web___whoami', arguments: {} })).rejects.toThrow(/Unknown tool/);
      await expect(client.callTool({ name: 'web___not_there', arguments: {} })).rejects.toThrow(/Unknown tool/);
      await expect(client.getPrompt({ name: 'web___plan' })).rejects.toThrow(/Unknown prompt/);
      for (const uri of ['mcp+web+fixture://text/2', 'mcp+web+fixture://bytes', 'mcp+gone+x:y'])
        await expect(client.readResource({ uri })).rejects.toThrow(/Unknown resource/);
      const ref = { type: 'ref/resource', uri: 'mcp+web+fixture://text/{number}' } as const;
      await expect(client.complete({ ref, argument: { name: 'number', value: '' } })).rejects.toThrow(/Unknown/);
      expect(web.state.stats.calls).toBe(calls);
    });

    it('says what it is for, and declares only kinds that it has', async () => {
      await using desk = await either(gateway.virtualUrl('desk'), gateway.authorization, era);
      expect(desk.client.getInstructions()).toContain('What desk is for.');
      expect(desk.client.getServerCapabilities()).toMatchObject({ tools: {}, prompts: {}, resources: {} });
      await using tools = await either(gateway.virtualUrl('tools only'), gateway.authorization, era);
      expect(Object.keys(tools.client.getServerCapabilities() ?? {}).toSorted()).toEqual(['logging', 'tools']);
      expect(tools.client.getServerVersion()).toMatchObject({ name: 'tools only' });
      await using empty = await either(gateway.virtualUrl('empty'), gateway.authorization, era);
      expect(empty.client.getServerCapabilities()?.tools).toBeUndefined();
    });
  });

  it('passes no method on that it cannot judge, although it has one server only', async () => {
    const raw = await rawClient(gateway.virtualUrl('tools only'), gateway.authorization);
    const { answer } = await raw.request('fixture/anything', { name: 'whoami' });
    expect(answer.error?.code).toBe(-32_601);
  });

  it('is reached over HTTP+SSE, too, also below /v1', async () => {
    for (const path of ['/servers/desk/sse', '/v1/servers/desk-id/sse']) {
      const headers = { authorization: gateway.authorization };
      const transport = new SSEClientTransport(new URL(`${gateway.origin}${path}`), { requestInit: { headers } });
      const client = new Client({ name: 'old', version: '1' });
      await client.connect(transport);
      expect((await client.listTools()).tools.map(({ name }) => name)).toContain('web___echo');
      await client.close();
    }
  });

  it('that does not exist is unknown, in the same words whatever is asked', async () => {
    const headers = { authorization: gateway.authorization, 'content-type': 'application/json' };
    const response = await fetch(gateway.virtualUrl('nobody'), { method: 'POST', headers, body: '{}' });
    expect(response.status).toBe(404);
    expect(await response.text()).toContain('No virtual server');
  });
});

describe('a virtual server that is changed', () => {
  it('tells its sessions and subscriptions, which see the new selection at once', async () => {
    await using web = await startHttpFixture();
    const mcpServers = { web: { type: 'http', url: web.url } };
    await using gateway = await startInProcess({ mcpServers, virtualServers: [TOOLS_ONLY] });
    const url = gateway.virtualUrl('tools only');
    const told = { legacy: Promise.withResolvers<void>(), modern: Promise.withResolvers<void>() };
    await using old = await connectV1(url, {
      authorization: gateway.authorization,
      clientOptions: { listChanged: { tools: { onChanged: () => told.legacy.resolve(), autoRefresh: false } } },
    });
    await using modern = await connectV2(url, {
      authorization: gateway.authorization,
      clientOptions: {
        versionNegotiation: { mode: { pin: '2026-07-28' } },
        listChanged: { tools: { onChanged: () => told.modern.resolve(), autoRefresh: false } },
      },
    });
    expect((await old.client.listTools()).tools.map(({ name }) => name)).toEqual(['web___echo']);
    const select = async (tool: string): Promise<void> =>
      gateway.change({ mcpServers, virtualServers: [{ ...TOOLS_ONLY, items: [item('web', 'tool', tool)] }] });
    let heard = false;
    void Promise.all([told.legacy.promise, told.modern.promise]).then(() => (heard = true));
    // Again for whoever was not listening yet.
    await expect
      .poll(
        async () => {
          await select('echo');
          await select('whoami');
          return heard;
        },
        { interval: 500 },
      )
      .toBe(true);
    for (const { client } of [old, modern]) {
      expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['web___whoami']);
      await expect(client.callTool({ name: 'web___echo', arguments: {} })).rejects.toThrow(/Unknown tool/);
    }
    await gateway.change({ mcpServers });
    await expect(old.client.listTools()).rejects.toThrow(/404|session|virtual/i);
    await expect(modern.client.listTools()).rejects.toThrow(/virtual server/);
  });
});

describe.skipIf(dockerMissing())('a virtual server over a container', () => {
  it('selects, calls and hides as it does over HTTP', async () => {
    await using gateway = await startInProcess({
      mcpServers: { box: { container: await fixtureImage() } },
      gateway: { naming: 'plain' },
      virtualServers: [virtual('plain', [item('box', 'tool', 'echo'), item('box', 'resource', 'fixture://text/1')])],
    });
    for (const era of ['legacy', 'modern'] as const) {
      await using connected = await either(gateway.virtualUrl('plain'), gateway.authorization, era);
      const { client } = connected;
      expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['echo']);
      expect(await client.callTool({ name: 'echo', arguments: { text: 'x' } })).toMatchObject({
        structuredContent: { arguments: { text: 'x' } },
      });
      expect(await client.readResource({ uri: 'fixture://text/1' })).toMatchObject({ contents: [{ text: 'Text 1.' }] });
      await expect(client.callTool({ name: 'whoami', arguments: {} })).rejects.toThrow(/Unknown tool/);
      await expect(client.readResource({ uri: 'fixture://text/2' })).rejects.toThrow(/Unknown resource/);
    }
  });
});
