/** If-Match and If-None-Match with changes: nobody overwrites what he has not seen, also when there was nothing to see. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startInProcess, type InProcessGateway } from '../../rig/in-process.ts';
import { startHttpFixture, type HttpFixture } from '../../rig/servers.ts';
import { describeOnBothStores, type TemporaryStore } from '../../rig/store.ts';
import { ask, person, type Told } from '../auth/people.ts';

describeOnBothStores('preconditions', (open) => {
  let store: TemporaryStore;
  let fixture: HttpFixture;
  let gateway: InProcessGateway;
  let token: string;

  beforeAll(async () => {
    store = await open();
    fixture = await startHttpFixture();
    gateway = await startInProcess({ mcpServers: { web: { type: 'http', url: fixture.url } } }, store.store);
    ({ token } = await person(store.store, 'admin@example.com', ['admin']));
  });

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await fixture[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  });

  const call = (method: string, path: string, body?: unknown, headers = {}): Promise<Told> =>
    ask(method, `${gateway.origin}/v1${path}`, token, body, headers);

  it('of many who say something of an item for the first time one succeeds, and the others hear that he did', async () => {
    const echo = await vi.waitFor(async () => {
      const { items } = (await call('GET', '/tools?search=echo')).body as { items: { id: string; name: string }[] };
      const found = items.find(({ name }) => name === 'echo' || name.endsWith('___echo'));
      if (found === undefined) throw new Error('it is not there yet');
      return found;
    }, 20_000);
    const read = await fetch(`${gateway.origin}/v1/tools/${echo.id}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    await read.text();
    const ifMatch = { 'if-match': read.headers.get('etag') ?? '' };
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => call('PUT', `/tools/${echo.id}`, { title: `title ${index}` }, ifMatch)),
    );
    const [winner, ...more] = answers.filter(({ status }) => status === 200);
    expect(more).toEqual([]);
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(19);
    expect((await call('GET', `/tools/${echo.id}`)).body['title']).toBe(winner?.body['title']);
    // The same for taking it back.
    const again = await Promise.all(
      Array.from({ length: 10 }, () => call('PUT', `/tools/${echo.id}`, { title: null }, ifMatch)),
    );
    expect(new Set(again.map(({ status }) => status))).toEqual(new Set([412]));
  });

  it('If-None-Match: * creates and never changes', async () => {
    const ifNew = { 'if-none-match': '*' };
    expect((await call('POST', '/servers', { name: 'one' }, ifNew)).status).toBe(201);
    expect((await call('POST', '/users', { email: 'new@example.com' }, ifNew)).status).toBe(201);
    const { body: team } = await call('POST', '/teams', { name: 'blue' });
    const member = `/teams/${String(team['id'])}/members/new@example.com`;
    for (const path of ['/users/new@example.com/roles/viewer', member]) {
      expect((await call('PUT', path, undefined, ifNew)).status, path).toBeLessThan(300);
      expect(await call('PUT', path, undefined, ifNew), path).toMatchObject({
        status: 412,
        body: { code: 'stale_version' },
      });
      expect((await call('PUT', path)).status, path).toBeLessThan(300);
    }
    for (const [method, path, body] of [
      ['PUT', '/servers/one', { description: 'x' }],
      ['POST', '/servers/one/state', { enabled: false }],
      ['DELETE', '/servers/one', undefined],
      ['PUT', '/users/new@example.com', { fullName: 'x' }],
    ] as const) {
      expect((await call(method, path, body, ifNew)).status, `${method} ${path}`).toBe(412);
    }
    expect(await call('PUT', '/servers/one', { description: 'x' }, { 'if-none-match': '"7"' })).toMatchObject({
      status: 422,
      body: { errors: [{ header: 'If-None-Match' }] },
    });
    expect((await call('GET', '/servers/one')).body).toMatchObject({ description: null, enabled: true });
  });
});
