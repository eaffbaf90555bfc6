/** `/events`: everybody hears of what he could read, as it happens, and misses nothing. */
import { expect, it, vi } from 'vitest';
import { startManaged } from '../../rig/managed-gateway.ts';
import { spawnHttpFixture } from '../../rig/servers.ts';
import { openTemporaryStore } from '../../rig/store.ts';
import { checkedCalls } from './checked-call.ts';
import { followEvents, type EventClient } from './event-client.ts';

function namesOf({ events }: EventClient): readonly string[] {
  return events.map(({ event, data }) => {
    const object = data['object'] as { readonly name: string } | undefined;
    return `${event} ${object?.name ?? ''}`.trim();
  });
}

it('changes are told to those who may read what has changed, and to nobody else', async () => {
  await using store = await openTemporaryStore();
  await using gateway = await startManaged({ store });
  const call = checkedCalls(gateway);
  const viewer = await gateway.tokenFor('viewer@example.com', 'viewer');
  await using all = await followEvents(`${gateway.origin}/events`, gateway.token);
  await using some = await followEvents(`${gateway.origin}/v1/events`, viewer);
  await using few = await followEvents(`${gateway.origin}/v1/events?types=user.`, gateway.token);
  expect(all.status).toBe(200);
  await call('POST', '/servers', { name: 'private one' });
  await call('POST', '/servers', { name: 'public one', visibility: 'public' });
  await call('POST', '/users', { email: 'new@example.com' });
  await call('POST', '/v1/reload');
  await vi.waitFor(() => {
    expect(namesOf(all)).toEqual(
      expect.arrayContaining([
        'hello',
        'server.create private one',
        'server.create public one',
        'user.create new@example.com',
        'reload',
      ]),
    );
    expect(namesOf(some)).toEqual(['hello', 'server.create public one', 'reload']);
    expect(namesOf(few)).toEqual(['hello', 'user.create new@example.com']);
  }, 20_000);
  const shown = { type: 'server.create', object: { kind: 'server', name: 'public one' } };
  expect(some.events[1]?.data).toMatchObject(shown);
  // Who it was is in the audit log, and for those who may read that.
  expect(some.events[1]?.data['data']).toEqual({ audit: expect.any(Number) as number });
  const told = all.events.find(({ data }) => (data['object'] as { name?: string } | null)?.name === 'public one');
  expect(told?.data).toMatchObject({ ...shown, data: { by: expect.any(String) as string } });
});

it('who comes back hears what he has missed, and is told when that cannot be known', async () => {
  await using store = await openTemporaryStore();
  await using gateway = await startManaged({ store });
  const call = checkedCalls(gateway);
  const first = await followEvents(`${gateway.origin}/events`, gateway.token);
  await vi.waitFor(() => expect(first.events).toHaveLength(1), 20_000);
  const last = first.events[0]?.id ?? '';
  await first[Symbol.asyncDispose]();
  await call('POST', '/teams', { name: 'meanwhile' });
  await vi.waitFor(async () => {
    await using again = await followEvents(`${gateway.origin}/events`, gateway.token, { 'last-event-id': last });
    await vi.waitFor(() => expect(namesOf(again)).toEqual(['team.create meanwhile']), 20_000);
  }, 60_000);
  await using stranger = await followEvents(`${gateway.origin}/events`, gateway.token, { 'last-event-id': 'other-1' });
  await vi.waitFor(() => expect(namesOf(stranger)).toEqual(['reset']), 20_000);
});

it('what an import changes is told object by object', async () => {
  await using store = await openTemporaryStore();
  await using gateway = await startManaged({ store });
  const call = checkedCalls(gateway);
  const viewer = await gateway.tokenFor('viewer@example.com', 'viewer');
  await using some = await followEvents(`${gateway.origin}/events`, viewer);
  const server = { description: null, owner: null, team: null, tags: [], enabled: true, items: [] };
  const servers = [
    { ...server, name: 'seen', visibility: 'public' },
    { ...server, name: 'hidden', visibility: 'private', owner: 'admin@example.com' },
  ];
  const done = await call('POST', '/import', { format: 'gatehouse', formatVersion: 1, servers });
  expect(done.status, JSON.stringify(done.body)).toBe(200);
  await call('POST', '/servers', { name: 'last', visibility: 'public' });
  await vi.waitFor(() => expect(namesOf(some)).toEqual(['hello', 'server.create seen', 'server.create last']), 20_000);
});

it('HEAD shows how the stream would begin, and ends', async () => {
  await using store = await openTemporaryStore();
  await using gateway = await startManaged({ store });
  const headers = { authorization: `Bearer ${gateway.token}` };
  const response = await fetch(`${gateway.origin}/v1/events`, { method: 'HEAD', headers });
  expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
    200,
    'text/event-stream',
    '',
  ]);
});

it('nobody takes the streams of all others', async () => {
  await using store = await openTemporaryStore();
  await using gateway = await startManaged({ store });
  await using stack = new AsyncDisposableStack();
  const url = `${gateway.origin}/events`;
  const streams = await Promise.all(Array.from({ length: 50 }, () => followEvents(url, gateway.token)));
  for (const stream of streams) stack.use(stream);
  expect(new Set(streams.map(({ status }) => status))).toEqual(new Set([200]));
  expect(await checkedCalls(gateway)('GET', '/events')).toMatchObject({ status: 503 });
  const other = stack.use(await followEvents(url, await gateway.tokenFor('viewer@example.com', 'viewer')));
  expect(other.status).toBe(200);
});

it('the stream of a revoked token ends', async () => {
  await using store = await openTemporaryStore();
  await using gateway = await startManaged({ store });
  const call = checkedCalls(gateway);
  const made = await call('POST', '/tokens', { name: 'short' });
  await using stream = await followEvents(`${gateway.origin}/events`, String(made.body['token']));
  await call('DELETE', `/tokens/${String(made.body['id'])}`);
  // Sooner than the next heartbeat.
  await vi.waitFor(() => expect(stream.ended).toBe(true), 10_000);
});

it('the health of servers is told when it changes, and streams end with the gateway', async () => {
  await using store = await openTemporaryStore();
  await using web = await spawnHttpFixture();
  await using gateway = await startManaged({ store });
  const call = checkedCalls(gateway);
  expect((await call('POST', '/gateways', { name: 'web', url: web.url })).status).toBe(201);
  await using stream = await followEvents(`${gateway.origin}/events?types=health`, gateway.token);
  web.kill('SIGKILL');
  // Whoever calls finds out.
  await vi.waitFor(
    async () => {
      await gateway.rpc('/mcp', 'tools/list');
      expect(namesOf(stream)).toContain('health web');
    },
    { timeout: 60_000, interval: 500 },
  );
  await gateway.stop();
  await vi.waitFor(() => expect(stream.ended).toBe(true), 20_000);
});
