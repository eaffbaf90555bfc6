/** `/servers`, `/tools`, `/resources` and `/prompts` over a running gateway, and what MCP clients see of them. */
import { describe, expect, it } from 'vitest';
import { startManaged, type ManagedGateway } from '../../rig/managed-gateway.ts';
import { startHttpFixture } from '../../rig/servers.ts';
import { openTemporaryStore } from '../../rig/store.ts';

type Json = Readonly<Record<string, unknown>>;
type Items = { readonly items: readonly (Json & { readonly id: string; readonly name: string })[] } & Json;

interface Scene extends AsyncDisposable {
  readonly gateway: ManagedGateway;
}

/** A gateway with one registered server, `web`, that everybody sees. */
async function openScene(): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const store = stack.use(await openTemporaryStore());
  const web = stack.use(await startHttpFixture());
  const gateway = stack.use(await startManaged({ store }));
  const made = await gateway.call('POST', '/gateways', { name: 'web', url: web.url, visibility: 'public' });
  expect(made.body).toMatchObject({ name: 'web' });
  const owned = stack.move();
  return { gateway, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function itemNamed(gateway: ManagedGateway, path: string, name: string): Promise<Items['items'][number]> {
  const { body } = await gateway.call('GET', `${path}${path.includes('?') ? '&' : '?'}limit=500`);
  const item = (body as Items).items.find((one) => one['originalName'] === name || one['uri'] === name);
  if (item === undefined) throw new Error(`${path} has no ${name}: ${JSON.stringify(body)}`);
  return item;
}

async function toolNames(gateway: ManagedGateway, path: string, token?: string): Promise<readonly string[]> {
  const answer = await gateway.rpc(path, 'tools/list', {}, token);
  const result = answer['result'] as { readonly tools: readonly { readonly name: string }[] } | undefined;
  if (result === undefined) throw new Error(JSON.stringify(answer));
  return result.tools.map(({ name }) => name);
}

describe('virtual servers', () => {
  it('are created from ids and names, serve exactly what was selected, and are gone when they are removed', async () => {
    await using scene = await openScene();
    const { gateway } = scene;
    const echo = await itemNamed(gateway, '/v1/tools', 'echo');
    const created = await gateway.call('POST', '/servers', {
      name: 'small',
      description: 'two tools',
      visibility: 'public',
      tags: ['a', 'a', 'b'],
      tools: [echo.id, { server: 'web', name: 'whoami' }],
      resources: [{ server: 'web', uri: 'fixture://text/1' }],
    });
    expect(created.status).toBe(201);
    expect(created.headers.get('location')).toBe(`/v1/servers/${String(created.body['id'])}`);
    expect(created.headers.get('etag')).toBe('"1"');
    expect(created.body).toMatchObject({
      name: 'small',
      visibility: 'public',
      owner: 'admin@example.com',
      tags: ['a', 'b'],
      enabled: true,
      inUse: true,
      tools: [
        { id: echo.id, server: 'web', name: 'echo' },
        { server: 'web', name: 'whoami' },
      ],
      resources: [{ server: 'web', uri: 'fixture://text/1' }],
      prompts: [],
    });
    const { streamableHttp } = created.body['endpoints'] as { readonly streamableHttp: string };
    expect(await toolNames(gateway, streamableHttp)).toHaveLength(2);
    expect(await toolNames(gateway, '/servers/small/mcp')).toHaveLength(2);

    const changed = await gateway.call('PUT', '/v1/servers/small', { tools: [echo.id] }, { 'if-match': '"1"' });
    expect(changed.body).toMatchObject({ description: 'two tools', tools: [{ name: 'echo' }] });
    expect(changed.body['resources']).toHaveLength(1);
    expect(await toolNames(gateway, streamableHttp)).toHaveLength(1);

    const off = await gateway.call('POST', '/servers/small/state?activate=false');
    expect(off.body).toMatchObject({ enabled: false, inUse: false });
    expect(await gateway.rpc(streamableHttp, 'tools/list')).toHaveProperty('error');

    expect((await gateway.call('DELETE', '/servers/small')).status).toBe(204);
    expect((await gateway.call('GET', '/servers/small')).body).toMatchObject({ code: 'no_such_object' });
  });

  it('take the body of ContextForge, and refuse items that are not there with the place of each', async () => {
    await using scene = await openScene();
    const { gateway } = scene;
    const echo = await itemNamed(gateway, '/tools', 'echo');
    const created = await gateway.call('POST', '/servers', {
      server: { name: 'theirs', associated_tools: [echo.id], visibility: 'public' },
    });
    expect(created.body).toMatchObject({ tools: [{ id: echo.id }] });
    const refused = await gateway.call('POST', '/servers', {
      name: 'wrong',
      tools: [echo.id, 'nothing', { server: 'web', name: 'no-such-tool' }, { server: 'nobody', name: 'echo' }],
    });
    expect(refused.status).toBe(422);
    expect(refused.headers.get('content-type')).toBe('application/problem+json');
    const pointers = (refused.body['errors'] as readonly { readonly pointer: string }[]).map(({ pointer }) => pointer);
    expect(pointers).toEqual(['/tools/1', '/tools/2', '/tools/3']);
  });

  it('are changed only by who has seen their state', async () => {
    await using scene = await openScene();
    const { gateway } = scene;
    await gateway.call('POST', '/servers', { name: 'shared', visibility: 'public' });
    const one = await gateway.call('PUT', '/servers/shared', { description: 'first' }, { 'if-match': '"1"' });
    expect(one.headers.get('etag')).toBe('"2"');
    const late = await gateway.call('PUT', '/servers/shared', { description: 'second' }, { 'if-match': '"1"' });
    expect(late).toMatchObject({ status: 412, body: { code: 'stale_version' } });
    const same = await gateway.call('GET', '/servers/shared', undefined, { 'if-none-match': '"2"' });
    expect(same.status).toBe(304);
    const malformed = await gateway.call('PUT', '/servers/shared', { description: 'x' }, { 'if-match': 'W/"2"' });
    expect(malformed).toMatchObject({ status: 422, body: { errors: [{ header: 'If-Match' }] } });
  });

  it('show of their items only those that the reader sees, and keep the others through what he changes', async () => {
    await using scene = await openScene();
    const { gateway } = scene;
    await using own = await startHttpFixture();
    const mine = await gateway.call('POST', '/gateways', { name: 'mine', url: own.url });
    expect(mine.status, JSON.stringify(mine.body)).toBe(201);
    const tools = [
      { server: 'mine', name: 'echo' },
      { server: 'web', name: 'echo' },
    ];
    await gateway.call('POST', '/servers', { name: 'mixed', visibility: 'public', tools });
    const other = { authorization: `Bearer ${await gateway.tokenFor('op@example.com', 'operator')}` };
    const shown = async (headers = {}): Promise<unknown> => {
      const one = await gateway.call('GET', '/servers/mixed', undefined, headers);
      const list = await gateway.call('GET', '/servers', undefined, headers);
      const [same] = (list.body as Items).items;
      expect(same?.['tools']).toEqual(one.body['tools']);
      return (one.body['tools'] as readonly Json[]).map((tool) => `${String(tool['server'])} ${String(tool['name'])}`);
    };
    expect(await shown()).toEqual(['mine echo', 'web echo']);
    expect(await shown(other)).toEqual(['web echo']);
    const changed = await gateway.call('PUT', '/servers/mixed', { tools: [{ server: 'web', name: 'whoami' }] }, other);
    expect(changed.status, JSON.stringify(changed.body)).toBe(200);
    expect(JSON.stringify(changed.body)).not.toContain('mine');
    expect(await shown(other)).toEqual(['web whoami']);
    expect(await shown()).toEqual(['web whoami', 'mine echo']);
    // Nor can he select by an id what he does not see.
    const hidden = await itemNamed(gateway, '/tools?server=mine', 'echo');
    const refused = await gateway.call('POST', '/servers', { name: 'no', tools: [hidden.id] }, other);
    expect(refused).toMatchObject({ status: 422, body: { errors: [{ pointer: '/tools/0' }] } });
    // On the endpoint it is the same.
    expect(await toolNames(gateway, '/servers/mixed/mcp', other.authorization.slice('Bearer '.length))).toHaveLength(1);
    expect(await toolNames(gateway, '/servers/mixed/mcp')).toHaveLength(2);
  });

  it('exist only for those who may see them', async () => {
    await using scene = await openScene();
    const { gateway } = scene;
    await gateway.call('POST', '/servers', { name: 'mine' });
    const other = { authorization: `Bearer ${await gateway.tokenFor('op@example.com', 'operator')}` };
    expect((await gateway.call('GET', '/servers', undefined, other)).body).toEqual({ items: [] });
    expect((await gateway.call('GET', '/servers/mine', undefined, other)).status).toBe(404);
    expect((await gateway.call('DELETE', '/servers/mine', undefined, other)).status).toBe(404);
    const viewer = { authorization: `Bearer ${await gateway.tokenFor('view@example.com', 'viewer')}` };
    const denied = await gateway.call('POST', '/servers', { name: 'no' }, viewer);
    expect(denied).toMatchObject({ status: 403, body: { code: 'forbidden', permission: 'servers.write' } });
    const audit = await gateway.call('GET', '/v1/audit?action=server.create&limit=1');
    expect((audit.body as Items).items[0]).toMatchObject({ outcome: 'denied', actor: { user: 'view@example.com' } });
  });
});

describe('items', () => {
  it('are renamed, described, annotated, tagged and disabled, and MCP clients see just that', async () => {
    await using scene = await openScene();
    const { gateway } = scene;
    const echo = await itemNamed(gateway, '/tools', 'echo');
    expect(echo).toMatchObject({
      server: 'web',
      name: 'echo',
      unifiedName: 'web___echo',
      enabled: true,
      reachable: true,
    });
    const before = await gateway.call('GET', `/tools/${echo.id}`);
    const changed = await gateway.call(
      'PUT',
      `/tools/${echo.id}`,
      { name: 'say', title: 'Say it', description: 'Says it again', annotations: { readOnlyHint: true }, tags: ['t'] },
      { 'if-match': before.headers.get('etag') ?? '' },
    );
    expect(changed).toMatchObject({
      status: 200,
      body: {
        name: 'say',
        unifiedName: 'say',
        originalName: 'echo',
        changed: ['name', 'title', 'description', 'annotations'],
      },
    });
    expect(await toolNames(gateway, '/mcp')).toContain('say');
    const said = await gateway.rpc('/mcp', 'tools/call', { name: 'say', arguments: { text: 'hello' } });
    expect(JSON.stringify(said)).toContain('hello');
    expect((await gateway.call('GET', '/tools?tag=t')).body).toMatchObject({ items: [{ id: echo.id }] });

    const stale = { 'if-match': before.headers.get('etag') ?? '' };
    expect((await gateway.call('PUT', `/tools/${echo.id}`, { title: 'x' }, stale)).status).toBe(412);
    const whoami = await itemNamed(gateway, '/tools', 'whoami');
    const taken = await gateway.call('PUT', `/tools/${whoami.id}`, { name: 'say' });
    expect(taken).toMatchObject({ status: 409, body: { code: 'already_exists' } });

    await gateway.call('POST', `/tools/${echo.id}/state`, { enabled: false });
    expect(await toolNames(gateway, '/mcp')).not.toContain('say');
    expect(await gateway.rpc('/mcp', 'tools/call', { name: 'say', arguments: {} })).toHaveProperty('error');

    const back = await gateway.call('PUT', `/tools/${echo.id}`, {
      name: null,
      title: null,
      description: null,
      annotations: null,
      tags: [],
      enabled: true,
    });
    expect(back.body).toMatchObject({ name: 'echo', changed: [], enabled: true });
    expect(await toolNames(gateway, '/mcp')).toContain('web___echo');
  });

  it('are listed in pages that neither lose nor repeat anything while others write', async () => {
    await using scene = await openScene();
    const { gateway } = scene;
    const all = ((await gateway.call('GET', '/tools?limit=500')).body as Items).items.map(({ id }) => id);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const more = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const { body } = await gateway.call('GET', `/tools?limit=4${more}`);
      seen.push(...(body as Items).items.map(({ id }) => id));
      cursor = body['nextCursor'] as string | undefined;
      await gateway.call('PUT', `/tools/${String(seen.at(-1))}`, { tags: [`page-${seen.length}`] });
    } while (cursor !== undefined);
    expect(seen).toEqual(all);
    const wrong = await gateway.call('GET', '/tools?cursor=nonsense&limit=0');
    expect(wrong).toMatchObject({ status: 422, body: { errors: [{ parameter: 'limit' }] } });
  });

  it('resources and prompts are found, searched and changed in the same way', async () => {
    await using scene = await openScene();
    const { gateway } = scene;
    const text = await itemNamed(gateway, '/resources', 'fixture://text/1');
    const named = await gateway.call('PUT', `/resources/${text.id}`, { title: 'The first' });
    expect(named.body).toMatchObject({ title: 'The first', uri: 'fixture://text/1' });
    const listed = await gateway.rpc('/mcp', 'resources/list');
    expect(JSON.stringify(listed)).toContain('The first');
    const templates = (await gateway.call('GET', '/resources?search=%7B')).body as Items;
    expect(templates.items.some((item) => typeof item['uriTemplate'] === 'string')).toBe(true);
    const { items } = (await gateway.call('GET', '/prompts?server=web')).body as Items;
    expect(items.length).toBeGreaterThan(0);
    expect((await gateway.call('GET', `/tools/${text.id}`)).status).toBe(404);
  });
});
