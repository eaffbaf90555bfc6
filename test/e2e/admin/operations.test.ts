/** Status, configuration, certificates, metrics, reload and audit over the management API. */
import { expect, it } from 'vitest';
import { AGENT_ID } from '../../rig/gateway.ts';
import { startManaged } from '../../rig/managed-gateway.ts';
import { startHttpFixture } from '../../rig/servers.ts';
import { openTemporaryStore } from '../../rig/store.ts';
import { checkedCalls } from './checked-call.ts';

const HEADER = 'the-value-of-a-header';

it('shows state, versions and configuration, and never a secret', async () => {
  await using store = await openTemporaryStore();
  await using web = await startHttpFixture();
  await using gateway = await startManaged({
    store,
    config: {
      mcpServers: { filed: { type: 'http', url: `${web.url}?plain=${HEADER}`, headers: { 'X-Key': HEADER } } },
      gateway: { port: 3000, domain: 'localhost', agentId: AGENT_ID },
    },
  });
  const call = checkedCalls(gateway);
  await call('POST', '/gateways', { name: 'own', url: web.url, headers: { 'X-Key': `${HEADER}-2` } });
  await expect
    .poll(async () => (await call('GET', '/v1/status')).body)
    .toMatchObject({
      phase: 'ready',
      store: { engine: 'sqlite' },
      servers: [
        { name: 'filed', origin: 'file', health: { state: 'healthy' } },
        { name: 'own', origin: 'store', health: { state: 'healthy' } },
      ],
    });
  const status = await call('GET', '/v1/status');
  const version = await call('GET', '/version');
  expect(version.body).toMatchObject({ name: 'gatehouse', specification: '1.17.0', store: 'sqlite' });
  const config = await call('GET', '/config');
  expect(config.body).toMatchObject({
    gateway: { agentIds: ['*****'], mode: expect.any(String) as string },
    servers: [
      { name: 'filed', headers: { 'X-Key': '*****' } },
      { name: 'own', headers: { 'X-Key': '*****' } },
    ],
  });
  const certificates = await call('GET', '/v1/certs');
  expect(certificates.body).toMatchObject({ certificates: expect.any(Array) as unknown, problems: [] });
  const shown = JSON.stringify([status, config, certificates, (await call('GET', '/audit?limit=500')).body]);
  expect(shown).not.toContain(HEADER);
  expect(shown).not.toContain(AGENT_ID);

  const metrics = await fetch(`${gateway.origin}/v1/metrics`, {
    headers: { authorization: `Bearer ${gateway.token}` },
  });
  expect(metrics.headers.get('content-type')).toContain('text/plain');
  expect(await metrics.text()).toContain('# TYPE');
  expect((await call('PUT', '/v1/log-level', { level: 'debug', server: 'own' })).status).toBe(204);
  expect((await call('PUT', '/v1/log-level', { level: 'loud' })).body).toMatchObject({
    errors: [{ pointer: '/level' }],
  });
  expect((await call('POST', '/v1/reload')).body).toMatchObject({ ok: true });

  // Who does not see a server hears nothing of it here either.
  const viewer = checkedCalls(gateway, await gateway.tokenFor('viewer@example.com', 'viewer'));
  expect((await viewer('GET', '/v1/status')).body['servers']).toMatchObject([{ name: 'filed' }]);
  expect((await viewer('GET', '/config')).status).toBe(403);
  expect((await viewer('POST', '/v1/reload')).status).toBe(403);
});

it('every change is a line of the audit log, in a chain that can be checked', async () => {
  await using store = await openTemporaryStore();
  await using gateway = await startManaged({ store });
  const call = checkedCalls(gateway);
  for (const name of ['a', 'b', 'c']) await call('POST', '/servers', { name });
  await call('PUT', '/servers/a', { description: 'changed' });
  const first = await call('GET', '/audit?action=server.create&limit=2');
  const cursor = String(first.body['nextCursor']);
  // What is written meanwhile moves nothing.
  await call('POST', '/servers', { name: 'd' });
  const second = await call('GET', `/audit?action=server.create&limit=2&cursor=${cursor}`);
  const names = [first, second].flatMap(({ body }) =>
    (body['items'] as readonly { readonly object: { readonly name: string } }[]).map(({ object }) => object.name),
  );
  expect(names).toEqual(['c', 'b', 'a']);
  const [change] = (await call('GET', '/audit?action=server.update')).body['items'] as readonly object[];
  expect(change).toMatchObject({
    outcome: 'done',
    actor: { user: 'admin@example.com', address: '127.0.0.1' },
    before: { version: 1 },
    after: { description: 'changed', version: 2 },
  });
  expect((await call('GET', '/audit/verify')).body).toMatchObject({ ok: true });
});
