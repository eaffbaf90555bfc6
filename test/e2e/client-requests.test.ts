/** What servers ask and tell their clients reaches the right one: sampling, elicitation, roots, progress, logs, changes. */
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { connectV1 } from '../rig/clients.ts';
import { startGateway, type RunningGateway } from '../rig/gateway.ts';
import { fixtureImage } from '../rig/images.ts';
import { startHttpFixture, type HttpFixture } from '../rig/servers.ts';

/** A client that answers every question with its own name. */
async function answeringClient(gateway: RunningGateway, server: string | undefined, name: string) {
  const connected = await connectV1(gateway.url(server), {
    authorization: gateway.authorization,
    clientOptions: { capabilities: { sampling: {}, elicitation: {}, roots: { listChanged: true } } },
    prepare: (client) => {
      client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept' as const, content: { name } }));
      client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: `file:///${name}`, name }] }));
      client.setRequestHandler(CreateMessageRequestSchema, () => ({
        model: 'test',
        role: 'assistant' as const,
        content: { type: 'text' as const, text: `sampled by ${name}` },
      }));
    },
  });
  return connected;
}

describe.each(['web', 'box', undefined])('questions of servers to clients on %s', (server) => {
  let web: HttpFixture;
  let gateway: RunningGateway;
  const tool = (name: string): string => (server === undefined ? `box___${name}` : name);

  beforeAll(async () => {
    web = await startHttpFixture();
    gateway = await startGateway({
      config: { mcpServers: { web: { type: 'http', url: web.url }, box: { container: await fixtureImage() } } },
    });
  });
  afterAll(async () => {
    await gateway.stop();
    await web[Symbol.asyncDispose]();
  });

  it.each([true, false])(
    'reach the client whose call they belong to, among several (on the stream of the call: %s)',
    async (related) => {
      await using ada = await answeringClient(gateway, server, 'ada');
      await using bob = await answeringClient(gateway, server, 'bob');
      const asked = await Promise.all(
        [ada, bob, ada, bob].flatMap(({ client }) =>
          ['elicit', 'sample', 'list_roots'].map(async (name) =>
            JSON.stringify(await client.callTool({ name: tool(name), arguments: { related } })),
          ),
        ),
      );
      asked.forEach((answer, index) => {
        const [own, other] = Math.floor(index / 3) % 2 === 0 ? ['ada', 'bob'] : ['bob', 'ada'];
        expect(answer).toContain(own);
        expect(answer).not.toContain(other);
      });
    },
  );

  it('progress and log messages reach the caller', async () => {
    await using ada = await answeringClient(gateway, server, 'ada');
    await using bob = await answeringClient(gateway, server, 'bob');
    const logs = { ada: [] as unknown[], bob: [] as unknown[] };
    ada.client.setNotificationHandler(
      LoggingMessageNotificationSchema,
      ({ params }) => void logs.ada.push(params.data),
    );
    bob.client.setNotificationHandler(
      LoggingMessageNotificationSchema,
      ({ params }) => void logs.bob.push(params.data),
    );
    const steps: number[] = [];
    await ada.client.callTool({ name: tool('progress'), arguments: { steps: 4 } }, undefined, {
      onprogress: ({ progress }) => void steps.push(progress),
    });
    expect(steps).toHaveLength(4);
    await ada.client.callTool({ name: tool('log'), arguments: { level: 'error', message: 'for ada', count: 2 } });
    await vi.waitFor(() => expect(JSON.stringify(logs.ada)).toContain('for ada'), 20_000);
    expect(JSON.stringify(logs.bob)).not.toContain('for ada');
  });

  it('the log level of a client is its own', async () => {
    await using ada = await answeringClient(gateway, server, 'ada');
    const seen: string[] = [];
    ada.client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void seen.push(params.level));
    await ada.client.setLoggingLevel('error');
    await ada.client.callTool({ name: tool('log'), arguments: { level: 'info', message: 'quiet', count: 1 } });
    await ada.client.callTool({ name: tool('log'), arguments: { level: 'critical', message: 'loud', count: 1 } });
    await vi.waitFor(() => expect(seen).toContain('critical'), 20_000);
    expect(seen).not.toContain('info');
  });

  it('MCP-AGG-004 changed lists are announced, and listed anew', async () => {
    await using ada = await answeringClient(gateway, server, 'ada');
    const changed = vi.fn<() => void>();
    ada.client.setNotificationHandler(ToolListChangedNotificationSchema, () => changed());
    await ada.client.listTools();
    const name = `added_${Math.random().toString(36).slice(2, 8)}`;
    await ada.client.callTool({ name: tool('change_tools'), arguments: { name } });
    await vi.waitFor(() => expect(changed).toHaveBeenCalled(), 20_000);
    const { tools } = await ada.client.listTools();
    expect(tools.map((entry) => entry.name)).toContain(tool(name));
  });

  it('MCP-AGG-008 updates of a resource reach its subscribers under the URI that they know', async () => {
    await using ada = await answeringClient(gateway, server, 'ada');
    await using bob = await answeringClient(gateway, server, 'bob');
    const updates = { ada: [] as string[], bob: [] as string[] };
    ada.client.setNotificationHandler(
      ResourceUpdatedNotificationSchema,
      ({ params }) => void updates.ada.push(params.uri),
    );
    bob.client.setNotificationHandler(
      ResourceUpdatedNotificationSchema,
      ({ params }) => void updates.bob.push(params.uri),
    );
    const { resources } = await ada.client.listResources();
    const uri = resources.find(
      (resource) => resource.uri.endsWith('fixture://text/1') && (server !== undefined || resource.uri.includes('box')),
    )?.uri;
    await ada.client.subscribeResource({ uri: uri ?? '' });
    await ada.client.callTool({ name: tool('touch_resource'), arguments: { uri: 'fixture://text/1' } });
    await vi.waitFor(() => expect(updates.ada).toEqual([uri]), 20_000);
    expect(updates.bob).toEqual([]);
  });
});
