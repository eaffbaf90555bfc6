/** What does not exist for a caller has no name anywhere: not in metrics, listings, documents, events or failures. In the audit log it has. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AGENT_ID } from '../../rig/gateway.ts';
import { startInProcess, type InProcessConfig, type InProcessGateway } from '../../rig/in-process.ts';
import { startHttpFixture, type HttpFixture } from '../../rig/servers.ts';
import { describeOnBothStores, TEST_ACTOR, type TemporaryStore } from '../../rig/store.ts';
import { followEvents } from '../admin/event-client.ts';
import { ask, person, rpc } from './people.ts';

const OWNER = 'owner@example.com';
const ECHO = { name: 'echo', arguments: { text: 'x' } };

describeOnBothStores('names of what is hidden', (open) => {
  let store: TemporaryStore;
  let fixture: HttpFixture;
  let gateway: InProcessGateway;
  let config: InProcessConfig;
  const tokens: Record<string, string> = {};
  let virtualId: string;

  beforeAll(async () => {
    store = await open();
    fixture = await startHttpFixture();
    const server = { type: 'http', url: fixture.url };
    const hidden = { visibility: 'private', owner: OWNER, team: undefined } as const;
    config = {
      mcpServers: { shown: server, 'secret-one': server },
      gateway: { groups: { both: ['shown', 'secret-one'] } },
      access: { 'secret-one': hidden },
    };
    virtualId = await store.store.change({ actor: TEST_ACTOR, action: 'server.create' }, async (tx) => {
      const made = await tx.insertVirtualServer({
        name: 'selection',
        description: undefined,
        access: { visibility: 'public', owner: undefined, team: undefined },
        tags: [],
        items: ['shown', 'secret-one'].map((name) => ({ server: name, kind: 'tool' as const, key: 'echo' })),
        enabled: true,
      });
      const object = { kind: 'server', id: made.id, name: made.name };
      return { result: made.id, object, before: undefined, after: { ...made.access } };
    });
    gateway = await startInProcess(config, store.store);
    for (const role of ['viewer', 'developer', 'operator'])
      tokens[role] = (await person(store.store, `${role}@example.com`, [role])).token;
    tokens['owner'] = (await person(store.store, OWNER, ['developer'])).token;
    tokens['admin'] = (await person(store.store, 'admin@example.com', ['admin'])).token;
    tokens['agent'] = AGENT_ID;
    // So that there is something to be counted and listed.
    expect((await rpc(gateway.url('secret-one'), tokens['owner'], 'tools/call', ECHO)).status).toBe(200);
    expect((await rpc(gateway.url('shown'), tokens['owner'], 'tools/call', ECHO)).status).toBe(200);
    for (const name of ['shown', 'secret-one']) await rpc(gateway.url(name), tokens['owner'], 'tools/list');
    await vi.waitFor(async () => {
      const [, text] = await textOf('GET', '/v1/tools', 'admin');
      expect(text).toContain('"server":"secret-one"');
      expect(text).toContain('"server":"shown"');
    }, 20_000);
  });

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await fixture[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  });

  async function textOf(method: string, path: string, who: string, body?: unknown): Promise<[number, string]> {
    const response = await fetch(`${gateway.origin}${path}`, {
      method,
      headers: { authorization: `Bearer ${tokens[who]}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return [response.status, await response.text()];
  }

  const DOCUMENTS = [
    ['GET', '/metrics'],
    ['GET', '/status'],
    ['GET', '/certs'],
    ['GET', '/health'],
    ['POST', '/reload'],
    ['GET', '/v1/metrics'],
    ['GET', '/v1/status'],
    ['GET', '/v1/certs'],
    ['GET', '/v1/config'],
    ['GET', '/v1/gateways'],
    ['GET', '/v1/servers'],
    ['GET', '/v1/servers/selection'],
    ['GET', '/v1/tools'],
    ['GET', '/v1/export'],
    ['POST', '/v1/reload'],
    ['GET', '/v1/status'],
  ] as const;

  describe.each(['viewer', 'developer', 'operator', 'agent'])('%s', (who) => {
    it.each(DOCUMENTS)('reads none in %s %s', async (method, path) => {
      const [status, text] = await textOf(method, path, who);
      expect([200, 403]).toContain(status);
      expect(text).not.toContain('secret-one');
    });

    it('hears none in a failure: what is hidden and what is missing look the same', async () => {
      const attempts = [
        ['PUT', '/log-level', { level: 'info', server: 'NAME' }],
        ['PUT', '/v1/log-level', { level: 'info', server: 'NAME' }],
        ['GET', '/v1/gateways/NAME', undefined],
        ['DELETE', '/v1/gateways/NAME', undefined],
        ['POST', '/v1/gateways/NAME/refresh', undefined],
        ['GET', '/v1/tools?server=NAME', undefined],
        ['POST', '/mcp/NAME', { jsonrpc: '2.0', id: 1, method: 'tools/list' }],
        ['POST', '/mcp', { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { ...ECHO, name: 'NAME___echo' } }],
      ] as const;
      for (const [method, path, body] of attempts) {
        const as = async (name: string): Promise<unknown> => {
          const given = body === undefined ? undefined : JSON.parse(JSON.stringify(body).replaceAll('NAME', name));
          const [status, text] = await textOf(method, path.replaceAll('NAME', name), who, given);
          return [status, text.replaceAll(name, 'NAME').replaceAll(/"requestId":"[^"]+"/g, '')];
        };
        expect(await as('secret-one'), `${method} ${path}`).toEqual(await as('missing-x'));
      }
    });
  });

  it('who may see everything reads it in every document that names servers', async () => {
    for (const path of ['/metrics', '/status', '/v1/metrics', '/v1/status', '/v1/config', '/v1/gateways', '/v1/tools'])
      expect((await textOf('GET', path, 'admin'))[1], path).toContain('secret-one');
    expect((await textOf('GET', '/v1/servers/selection', 'admin'))[1]).toContain('secret-one');
  });

  it('a call for a tool, prompt or resource of a hidden server on a shared endpoint is a line of the audit log', async () => {
    const requests = [
      [gateway.url(), 'tools/call', { ...ECHO, name: 'secret-one___echo' }, 'tool'],
      [gateway.url(), 'prompts/get', { name: 'secret-one___greet' }, 'prompt'],
      [gateway.url(), 'resources/read', { uri: 'mcp+secret-one+test://text' }, 'resource'],
      [gateway.virtualUrl(virtualId), 'tools/call', { ...ECHO, name: 'secret-one___echo' }, 'tool'],
      [gateway.url('both'), 'tools/call', { ...ECHO, name: 'secret-one___echo' }, 'tool'],
    ] as const;
    for (const [url, method, params, kind] of requests) {
      const { body } = await rpc(url, tokens['developer'], method, params);
      expect(JSON.stringify(body)).toContain('invalid_params');
      const [line] = await store.store.audit({ limit: 1 });
      expect(line, url).toMatchObject({
        outcome: 'denied',
        action: method,
        actor: { user: 'developer@example.com' },
        object: { kind, id: expect.stringMatching(/^secret-one\//) as string },
        reason: 'It does not exist for this caller.',
      });
    }
    const before = (await store.store.audit({ limit: 1 }))[0]?.sequence;
    await rpc(gateway.url(), tokens['developer'], 'tools/call', { ...ECHO, name: 'missing___echo' });
    await rpc(gateway.url(), tokens['developer'], 'tools/call', { ...ECHO, name: 'shown___missing' });
    expect((await store.store.audit({ limit: 1 }))[0]?.sequence).toBe(before);
  });

  it('with plain names it is one too', async () => {
    await gateway.change({ ...config, gateway: { ...config.gateway, naming: 'plain' } });
    const owner = await rpc(gateway.url('secret-one'), tokens['owner'], 'tools/list');
    expect(owner.status).toBe(200);
    // Only the hidden server is left on this endpoint.
    await gateway.change({
      ...config,
      mcpServers: { 'secret-one': config.mcpServers['secret-one'] },
      gateway: { naming: 'plain' },
    });
    await rpc(gateway.url('secret-one'), tokens['owner'], 'tools/list');
    const { body } = await rpc(gateway.url(), tokens['developer'], 'tools/call', ECHO);
    expect(JSON.stringify(body)).toContain('Unknown tool');
    const [line] = await store.store.audit({ limit: 1 });
    expect(line).toMatchObject({ outcome: 'denied', action: 'tools/call', object: { id: 'secret-one/echo' } });
    await gateway.change(config);
  });

  it('asking the management API for what is hidden is a line of the audit log', async () => {
    const { body } = await ask('GET', `${gateway.origin}/v1/gateways/secret-one`, tokens['operator']);
    expect(body).toMatchObject({ code: 'no_such_object' });
    expect(JSON.stringify(body)).not.toContain('this caller');
    const [line] = await store.store.audit({ limit: 1 });
    expect(line).toMatchObject({
      outcome: 'denied',
      action: 'gateway.read',
      object: { kind: 'gateway', name: 'secret-one' },
      actor: { user: 'operator@example.com' },
    });
  });

  it('what the API refuses is counted', async () => {
    const count = async (): Promise<number> => {
      const [, text] = await textOf('GET', '/metrics', 'admin');
      return Number(/gatehouse_refused_total\{reason="no_such_object"\} (\d+)/.exec(text)?.[1] ?? 0);
    };
    const before = await count();
    await ask('GET', `${gateway.origin}/v1/gateways/missing`, tokens['operator']);
    expect(await count()).toBe(before + 1);
  });

  it('an event of the time when somebody could see something is not told to him later', async () => {
    const url = `${gateway.origin}/v1/events`;
    const first = await followEvents(url, tokens['viewer'] ?? '');
    await vi.waitFor(() => expect(first.events).toHaveLength(1), 20_000);
    const last = first.events[0]?.id ?? '';
    await first[Symbol.asyncDispose]();
    const access = (visibility: 'public' | 'private') =>
      ask('PUT', `${gateway.origin}/v1/servers/selection`, tokens['admin'], {
        visibility,
        owner: 'admin@example.com',
        description: visibility,
      });
    expect((await access('public')).status).toBe(200);
    expect((await access('private')).status).toBe(200);
    await using admin = await followEvents(url, tokens['admin'] ?? '', { 'last-event-id': last });
    await vi.waitFor(
      () => expect(admin.events.filter(({ event }) => event === 'server.update')).toHaveLength(2),
      20_000,
    );
    await using again = await followEvents(url, tokens['viewer'] ?? '', { 'last-event-id': last });
    expect((await ask('POST', `${gateway.origin}/v1/reload`, tokens['admin'])).status).toBe(200);
    await vi.waitFor(() => expect(again.events.some(({ event }) => event === 'reload')).toBe(true), 20_000);
    expect(JSON.stringify(again.events)).not.toContain('selection');
  });
});
