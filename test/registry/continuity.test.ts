/** What a registration withstands: being sent twice, a client that leaves, certificates that are renewed. */
import { copyFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { type Answered, type ManagedGateway, startManaged } from '../rig/managed-gateway.ts';
import { createPki, type Pki } from '../rig/pki.ts';
import { startHttpFixture } from '../rig/servers.ts';
import { type EmbeddedStore, openTemporaryStore } from '../rig/store.ts';
import { startStrictServer } from '../tls/strict-server.ts';

type Json = Readonly<Record<string, unknown>>;

let pki: Pki;
let store: EmbeddedStore;
let gateway: ManagedGateway;
let count = 0;
let name: string;
beforeAll(async () => {
  pki = createPki();
  store = await openTemporaryStore();
  gateway = await startManaged({ store, env: { MCP_GATEWAY_ALLOWED_MATERIAL_ROOTS: pki.folder } });
});
afterAll(async () => {
  await gateway.stop();
  await store[Symbol.asyncDispose]();
  pki[Symbol.dispose]();
});
beforeEach(() => {
  count += 1;
  name = `server-${count}`;
});

const register = (body: Json, headers: Readonly<Record<string, string>> = {}): Promise<Answered> =>
  gateway.call('POST', '/v1/gateways', { name, ...body }, headers);
const pathOf = ({ body }: Answered): string => `/v1/gateways/${String(body['id'])}`;

it('a registration that is sent twice with one key is made once', async () => {
  await using server = await startHttpFixture();
  const key = { 'idempotency-key': `once-${name}` };
  const first = await register({ url: server.url }, key);
  const second = await register({ url: server.url }, key);
  expect([first.status, second.status]).toEqual([201, 201]);
  expect(second.body['id']).toBe(first.body['id']);
  expect(second.headers.get('idempotency-replayed')).toBe('true');
  await gateway.call('DELETE', pathOf(first));
});

it('a client that leaves takes its reservation along', async () => {
  await using silent = await startHttpFixture({ silent: true });
  const leave = new AbortController();
  const left = fetch(`${gateway.origin}/gateways`, {
    method: 'POST',
    signal: leave.signal,
    headers: { authorization: `Bearer ${gateway.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name, url: silent.url }),
  });
  left.catch(() => undefined);
  await vi.waitFor(() => expect(silent.requests.length).toBeGreaterThan(0), { timeout: 10_000 });
  expect((await register({ url: silent.url })).status).toBe(409);
  leave.abort();
  await using good = await startHttpFixture();
  await vi.waitFor(async () => expect((await register({ url: good.url })).status).toBe(201), {
    timeout: 10_000,
    interval: 200,
  });
  await gateway.call('DELETE', `/v1/gateways/${name}`);
});

it('a renewed certificate is shown to the server without another request to the API', async () => {
  const own = pki.issue('localhost', { file: `strict-${name}`, san: 'DNS:localhost' });
  const client = pki.issue('Client', { file: `client-${name}` });
  await using strict = await startStrictServer({ ...own, ca: pki.ca.cert });
  const tls = { ca: pki.ca.cert, cert: client.cert, key: client.key };
  const created = await register({ url: `${strict.origin}/mcp`, tls });
  expect(created).toMatchObject({ status: 201 });
  const renewed = pki.issue('Client', { file: `renewed-${name}` });
  copyFileSync(renewed.key, client.key);
  copyFileSync(renewed.cert, client.cert);
  await vi.waitFor(
    async () => {
      await gateway.rpc(`/mcp/${name}`, 'tools/call', { name: 'echo', arguments: {} });
      const peers = [...strict.seen.values()].flatMap((seen) => [...seen.keys()]);
      expect(peers.some((peer) => peer.endsWith(renewed.serial))).toBe(true);
    },
    { timeout: 30_000, interval: 250 },
  );
  await gateway.call('DELETE', pathOf(created));
});
