/** Servers that are registered over the management API of a real gateway process, on both stores. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type ManagedGateway, startManaged } from '../rig/managed-gateway.ts';
import { startHttpFixture } from '../rig/servers.ts';
import { describeOnBothStores, type TemporaryStore } from '../rig/store.ts';

describeOnBothStores('registering servers', (open) => {
  let store: TemporaryStore;
  let gateway: ManagedGateway;
  beforeEach(async () => {
    store = await open();
    gateway = await startManaged({ store });
  });
  afterEach(async () => {
    await gateway.stop();
    await store[Symbol.asyncDispose]();
  });

  it('answers when all pages are read, and the tools can be called at once', async () => {
    await using server = await startHttpFixture({ pageSize: 2 });
    const created = await gateway.call('POST', '/gateways', { name: 'web', url: server.url, description: 'A server' });
    expect(created).toMatchObject({
      status: 201,
      body: {
        name: 'web',
        type: 'http',
        description: 'A server',
        visibility: 'private',
        owner: 'admin@example.com',
        source: { kind: 'store' },
        status: { state: 'active', reachable: true, health: 'healthy', transport: 'streamable-http' },
      },
    });
    const { counts } = created.body['status'] as { counts: { tools: number; prompts: number } };
    expect(counts.tools).toBeGreaterThan(20);
    expect(counts.prompts).toBe(5);
    expect(created.headers.get('location')).toBe(`/v1/gateways/${String(created.body['id'])}`);
    const answer = await gateway.rpc('/mcp/web', 'tools/call', { name: 'echo', arguments: { text: 'hello' } });
    expect(JSON.stringify(answer)).toContain('hello');
    // The connection of the registration is the one that serves: nobody was greeted twice.
    expect(server.requests.filter(({ method }) => method === 'GET').length).toBeLessThanOrEqual(2);
  });

  it('lets one of 100 parallel registrations of a name through and answers 409 to the others', async () => {
    await using server = await startHttpFixture();
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => gateway.call('POST', '/gateways', { name: 'one', url: server.url })),
    );
    const withStatus = (wanted: number): number => answers.filter(({ status }) => status === wanted).length;
    expect({ created: withStatus(201), refused: withStatus(409) }).toEqual({ created: 1, refused: 99 });
    const { body } = await gateway.call('GET', '/gateways');
    expect(body['items']).toHaveLength(1);
  });
});
