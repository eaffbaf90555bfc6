/** Client certificates that log in as somebody: as a user of the store with what he may do now, or with roles, and as nobody else. */
import { readFileSync } from 'node:fs';
import { Agent, fetch } from 'undici';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { startInProcess, type InProcessConfig, type InProcessGateway } from '../../rig/in-process.ts';
import { createPki, type Issued, type Pki } from '../../rig/pki.ts';
import { startHttpFixture, type HttpFixture } from '../../rig/servers.ts';
import { describeOnBothStores, TEST_ACTOR, type TemporaryStore } from '../../rig/store.ts';
import { person } from './people.ts';

const CI = 'spiffe://corp.example/ci/build';
const ANN = 'ann@example.com';

let pki: Pki;
let server: Issued;
let certificates: Readonly<Record<'ci' | 'watcher' | 'stranger' | 'gone', Issued>>;
beforeAll(() => {
  pki = createPki();
  server = pki.issue('localhost', { san: 'DNS:localhost,IP:127.0.0.1' });
  certificates = {
    ci: pki.issue('ci', { san: `URI:${CI}` }),
    watcher: pki.issue('watcher'),
    stranger: pki.issue('stranger'),
    gone: pki.issue('gone'),
  };
});
afterAll(() => pki[Symbol.dispose]());

describeOnBothStores('client certificates', (open) => {
  let store: TemporaryStore;
  let fixture: HttpFixture;
  let gateway: InProcessGateway;
  let config: InProcessConfig;
  const agents: Agent[] = [];

  const withUsers = (users: readonly object[] | undefined): InProcessConfig => ({
    mcpServers: { public: { type: 'http', url: fixture.url }, private: { type: 'http', url: fixture.url } },
    gateway: {
      tls: {
        cert: server.cert,
        key: server.key,
        ca: pki.ca.cert,
        clientAuth: 'optional',
        certificateLogin: true,
        ...(users && { certificateUsers: users }),
      },
    },
    access: { private: { visibility: 'private', owner: ANN, team: undefined } },
  });

  beforeAll(async () => {
    store = await open();
    fixture = await startHttpFixture();
    config = withUsers([
      { name: 'spiffe://corp.example/ci/*', user: 'Ann@Example.com' },
      { name: 'CN=watcher', roles: ['viewer'] },
      { name: 'CN=gone', user: 'gone@example.com', roles: ['admin'] },
    ]);
    gateway = await startInProcess(config, store.store);
    await person(store.store, ANN, ['developer']);
  });

  afterAll(async () => {
    await Promise.all(agents.map(async (agent) => agent.destroy()));
    await gateway[Symbol.asyncDispose]();
    await fixture[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  });

  /** Requests over connections that show this certificate. */
  function connectionsWith({ cert, key }: Issued) {
    const agent = new Agent({
      connect: { ca: readFileSync(pki.ca.cert), cert: readFileSync(cert), key: readFileSync(key) },
    });
    agents.push(agent);
    const origin = gateway.origin.replace('http:', 'https:');
    const request = async (method: string, path: string, body?: unknown) => {
      const response = await fetch(`${origin}${path}`, {
        method,
        dispatcher: agent,
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: (await response.json()) as Readonly<Record<string, unknown>> };
    };
    return {
      agent,
      request,
      me: async () => (await request('GET', '/v1/me')).body,
      call: async (name: string) => {
        const params = { name: 'echo', arguments: { text: 'x' } };
        return (await request('POST', `/mcp/${name}`, { jsonrpc: '2.0', id: 1, method: 'tools/call', params })).status;
      },
    };
  }

  const change = (action: string, work: Parameters<TemporaryStore['store']['change']>[1]): Promise<unknown> =>
    store.store.change({ actor: TEST_ACTOR, action }, work);

  const unchanged = {
    result: undefined,
    object: { kind: 'user', id: ANN, name: ANN },
    before: undefined,
    after: undefined,
  };

  it('log in as the user of their name, who sees what is his, and does what his roles allow', async () => {
    const ci = connectionsWith(certificates.ci);
    expect(await ci.me()).toMatchObject({ subject: `mtls:${CI}`, issuer: 'mtls', user: ANN });
    expect([await ci.call('public'), await ci.call('private')]).toEqual([200, 200]);
    expect((await ci.request('GET', '/v1/users')).status).toBe(403);
    const [line] = await store.store.audit({ limit: 1 });
    expect(line).toMatchObject({ outcome: 'denied', actor: { subject: `mtls:${CI}`, user: ANN } });
  });

  it('with roles of their own are nobody in particular', async () => {
    const watcher = connectionsWith(certificates.watcher);
    expect(await watcher.me()).toMatchObject({ user: null, teams: [] });
    expect([await watcher.call('public'), await watcher.call('private')]).toEqual([403, 404]);
    expect((await watcher.request('GET', '/status')).status).toBe(200);
  });

  it('do not log in where nothing is said of them, or where their user does not exist', async () => {
    for (const certificate of [certificates.stranger, certificates.gone]) {
      expect((await connectionsWith(certificate).request('GET', '/v1/me')).status).toBe(401);
    }
  });

  it('follow their user at once: on the connection that is open, and with what is open on it', async () => {
    const ci = connectionsWith(certificates.ci);
    expect(await ci.call('public')).toBe(200);
    const origin = gateway.origin.replace('http:', 'https:');
    const stream = await fetch(`${origin}/v1/events`, { dispatcher: ci.agent });
    expect(stream.status).toBe(200);
    const enable = (enabled: boolean) =>
      change('user.update', async (tx) => {
        const user = await tx.user(ANN);
        await tx.updateUser(user?.id ?? '', undefined, { enabled });
        return unchanged;
      });
    await change('role.take', async (tx) => {
      await tx.deleteRoleBinding({ user: ANN, role: 'developer', team: undefined });
      await tx.putRoleBinding({ user: ANN, role: 'viewer', team: undefined });
      return unchanged;
    });
    expect(await ci.call('public')).toBe(403);
    await enable(false);
    expect(await ci.call('public')).toBe(401);
    // It ends by itself; without that this would wait for ever.
    await stream.text();
    await enable(true);
    await vi.waitFor(async () => expect((await ci.me())['user']).toBe(ANN), 20_000);
  });

  it('lose what they have open when the configuration says something else of them', async () => {
    const watcher = connectionsWith(certificates.watcher);
    const origin = gateway.origin.replace('http:', 'https:');
    const body = {
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
    };
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const dispatcher = watcher.agent;
    const opened = await fetch(`${origin}/mcp/public`, {
      method: 'POST',
      dispatcher,
      headers,
      body: JSON.stringify(body),
    });
    await opened.text();
    const session = opened.headers.get('mcp-session-id') ?? '';
    const stream = await fetch(`${origin}/mcp/public`, {
      dispatcher,
      headers: { ...headers, 'mcp-session-id': session },
    });
    expect(stream.status).toBe(200);
    await gateway.change(withUsers([{ name: 'spiffe://corp.example/ci/*', user: ANN }]));
    await stream.text();
    expect((await watcher.request('GET', '/v1/me')).status).toBe(401);
    await gateway.change(withUsers(undefined));
    // As agents, where nothing is said of anybody.
    expect(await watcher.me()).toMatchObject({ user: null, grants: [{ team: null }] });
    expect(await watcher.call('public')).toBe(200);
    await gateway.change(config);
  });
});

it('a configuration that says as whom certificates log in, while they do not, is refused', async () => {
  const errorsOf = async (tls: string): Promise<readonly string[]> => {
    const text = `[servers]\n[gateway.tls]\ncert = "a"\nkey = "b"\nca = "c"\n${tls}`;
    const source = { kind: 'toml', name: 'test.toml', text } as const;
    const result = await loadConfig({ source, env: {}, hasStore: true, overrides: {} });
    return result.ok ? [] : result.errors.map(({ path, message }) => `${path}: ${message}`);
  };
  expect(await errorsOf('certificate_users = [{ name = "CN=x", roles = ["viewer"] }]')).toEqual([
    expect.stringContaining("'certificate_users' says as whom certificates log in"),
  ]);
  expect(await errorsOf('certificate_login = true\ncertificate_users = [{ name = "CN=x" }]')).toEqual([
    expect.stringContaining('neither as whom nor with which roles'),
  ]);
  expect(await errorsOf('certificate_login = true\ncertificate_users = [{ name = "CN=x", user = "a@b.c" }]')).toEqual(
    [],
  );
});
