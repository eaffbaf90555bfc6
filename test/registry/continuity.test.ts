/** What a registration withstands: being sent twice, a client that leaves, certificates that are renewed. */
import { copyFileSync } from 'node:fs';
import { expect, it, vi } from 'vitest';
import { startHttpFixture } from '../rig/servers.ts';
import { startStrictServer } from '../tls/strict-server.ts';
import { pathOf, type Registry, useRegistry } from './use-registry.ts';

const registry = useRegistry();
const register: Registry['register'] = async (body, headers) => registry.register(body, headers);

it('a registration that is sent twice with one key is made once', async () => {
  await using server = await startHttpFixture();
  const key = { 'idempotency-key': `once-${registry.name}` };
  const first = await register({ url: server.url }, key);
  const second = await register({ url: server.url }, key);
  expect([first.status, second.status]).toEqual([201, 201]);
  expect(second.body['id']).toBe(first.body['id']);
  expect(second.headers.get('idempotency-replayed')).toBe('true');
  await registry.gateway.call('DELETE', pathOf(first));
});

it('a client that leaves takes its reservation along', async () => {
  await using silent = await startHttpFixture({ silent: true });
  const leave = new AbortController();
  const left = fetch(`${registry.gateway.origin}/gateways`, {
    method: 'POST',
    signal: leave.signal,
    headers: { authorization: `Bearer ${registry.gateway.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: registry.name, url: silent.url }),
  });
  left.catch(() => undefined);
  await vi.waitFor(() => expect(silent.requests.length).toBeGreaterThan(0), { timeout: 20_000 });
  expect((await register({ url: silent.url })).status).toBe(409);
  leave.abort();
  await using good = await startHttpFixture();
  await vi.waitFor(async () => expect((await register({ url: good.url })).status).toBe(201), {
    timeout: 20_000,
    interval: 200,
  });
  await registry.gateway.call('DELETE', `/v1/gateways/${registry.name}`);
});

it('a renewed certificate is shown to the server without another request to the API', async () => {
  const own = registry.pki.issue('localhost', { file: `strict-${registry.name}`, san: 'DNS:localhost' });
  const client = registry.pki.issue('Client', { file: `client-${registry.name}` });
  await using strict = await startStrictServer({ ...own, ca: registry.pki.ca.cert });
  const tls = { ca: registry.pki.ca.cert, cert: client.cert, key: client.key };
  const created = await register({ url: `${strict.origin}/mcp`, tls });
  expect(created).toMatchObject({ status: 201 });
  const renewed = registry.pki.issue('Client', { file: `renewed-${registry.name}` });
  copyFileSync(renewed.key, client.key);
  copyFileSync(renewed.cert, client.cert);
  await vi.waitFor(
    async () => {
      await registry.gateway.rpc(`/mcp/${registry.name}`, 'tools/call', { name: 'echo', arguments: {} });
      const peers = [...strict.seen.values()].flatMap((seen) => [...seen.keys()]);
      expect(peers.some((peer) => peer.endsWith(renewed.serial))).toBe(true);
    },
    { timeout: 30_000, interval: 250 },
  );
  await registry.gateway.call('DELETE', pathOf(created));
});
