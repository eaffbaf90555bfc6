/** Listings are as fresh as the server lets them be, bounded, and every name in them leads to one tool. */
import { expect, it } from 'vitest';
import { startGateway } from '../../rig/gateway.ts';
import { rawClient, type RawClient } from '../raw-client.ts';
import { content, startFakeServer, tool, type FakeServer } from './fake-server.ts';
import { deadUrl } from '../../rig/dead-url.ts';

async function toolsOf(
  client: RawClient,
): Promise<readonly { readonly name: string; readonly description?: string }[]> {
  const { answer } = await client.request('tools/list');
  return (answer.result?.['tools'] ?? []) as { name: string; description?: string }[];
}

const namesOf = async (client: RawClient): Promise<string[]> => (await toolsOf(client)).map(({ name }) => name);

it('the tools of a server that announces no changes are asked for again after a while', async () => {
  let tools = [tool('old')];
  await using server = await startFakeServer({
    capabilities: { tools: {} },
    keepsSessions: false,
    standsStream: false,
    tools: () => tools,
  });
  await using gateway = await startGateway({
    args: ['--unified'],
    config: { mcpServers: { web: { type: 'http', url: server.url } } },
  });
  const client = await rawClient(gateway.url(), gateway.authorization);
  expect(await namesOf(client)).toEqual(['web___old']);
  tools = [tool('new')];
  await expect.poll(() => namesOf(client), { interval: 500 }).toEqual(['web___new']);
  const { answer } = await client.request('tools/call', { name: 'web___new' });
  expect(answer.result).toEqual(content('ok new'));
});

it('a listing that grows without end is given up, and the server is named as the cause', async () => {
  const description = 'd'.repeat(6 << 20);
  await using server = await startFakeServer({
    on: ({ message, result }) => {
      if (message.method !== 'tools/list') return false;
      const page = Number(message.params?.['cursor'] ?? 0);
      result({ tools: [tool(`t${page}`, { description })], nextCursor: String(page + 1) });
      return true;
    },
  });
  await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: server.url } } } });
  const client = await rawClient(gateway.url('web'), gateway.authorization);
  const { answer } = await client.request('tools/list');
  expect(answer.error).toMatchObject({ data: { server: 'web', error: 'server_protocol_error' } });
  expect((await server.got('tools/list')).length).toBeLessThan(10);
});

it('a tool that names a member twice is the fault of the server, not of the client', async () => {
  await using server = await startFakeServer({
    on: ({ message, body }) => {
      if (message.method !== 'tools/list') return false;
      const odd = '{"name":"odd","description":"a","description":"b","inputSchema":{}}';
      body(`{"jsonrpc":"2.0","id":${String(message.id)},"result":{"tools":[${odd}]}}`);
      return true;
    },
  });
  await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: server.url } } } });
  const client = await rawClient(gateway.url('web'), gateway.authorization);
  const { answer } = await client.request('tools/list');
  expect(answer.error).toMatchObject({ data: { server: 'web', error: 'server_protocol_error' } });
});

/** Its one tool says which server and which tool were called. */
async function tellingServer(server: string, name: string): Promise<FakeServer> {
  return startFakeServer({
    tools: () => [tool(name, { description: server })],
    on: ({ message, tool: called, result }) => {
      if (message.method !== 'tools/call') return false;
      result(content(`${server}: ${String(called)}`));
      return true;
    },
  });
}

it('names stay unique on the unified endpoint when servers and tools hold the separator', async () => {
  await using short = await tellingServer('a', 'b___c');
  await using long = await tellingServer('a___b', 'c');
  await using gateway = await startGateway({
    args: ['--unified'],
    config: { mcpServers: { a: { type: 'http', url: short.url }, a___b: { type: 'http', url: long.url } } },
  });
  const client = await rawClient(gateway.url(), gateway.authorization);
  const tools = await toolsOf(client);
  expect(tools).toHaveLength(2);
  expect(new Set(tools.map(({ name }) => name)).size).toBe(2);
  for (const { name, description } of tools) {
    const called = description === 'a' ? 'b___c' : 'c';
    const { answer } = await client.request('tools/call', { name });
    expect(answer.result).toEqual(content(`${description}: ${called}`));
  }
});

it('the unified endpoint declares what it can deliver also while its servers are down', async () => {
  await using gateway = await startGateway({
    args: ['--unified'],
    config: { mcpServers: { web: { type: 'http', url: await deadUrl() } }, gateway: { startup: 'resilient' } },
  });
  const client = await rawClient(gateway.url(), gateway.authorization, { session: false });
  const { answer } = await client.request('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'x', version: '1' },
  });
  expect(answer.result?.['capabilities']).toMatchObject({
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { listChanged: true },
    logging: {},
  });
});
