/** One identity, one way out: whatever the gateway does with a server that wants a certificate, it shows that certificate. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startConformanceServer } from '../fixtures/servers/conformance/http.ts';
import { MODERN, modernClient } from '../e2e/modern-raw-client.ts';
import { connectV1 } from '../rig/clients.ts';
import { spawnGateway, startGateway, type RunningGateway } from '../rig/gateway.ts';
import { createPki, type Issued, type Pki } from '../rig/pki.ts';
import { startHttpFixture, startSseFixture } from '../rig/servers.ts';
import { startTunnelProxy } from '../ssrf/places.ts';
import { startStrictFront, type StrictFront } from './strict-front.ts';
import type { StrictMaterial } from './strict-server.ts';

let pki: Pki;
let client: Issued;
let material: StrictMaterial;
beforeAll(() => {
  pki = createPki();
  client = pki.issue('Client');
  material = { ...pki.issue('localhost', { san: 'DNS:localhost' }), ca: pki.ca.cert };
});
afterAll(() => pki[Symbol.dispose]());

const withCa = (): object => ({ ca: pki.ca.cert, cert: client.cert, key: client.key });

/** Who has done all these things: every one must have been done, and by the client certificate alone. */
function expectShown(front: StrictFront, what: readonly string[]): void {
  expect([...front.seen.keys()].toSorted()).toEqual(expect.arrayContaining([...what]));
  for (const [each, peers] of front.seen) expect([...peers], each).toEqual(['Client']);
  expect(front.refused).toBe(0);
}

const stateOf = async (gateway: RunningGateway, server: string): Promise<{ state: string; reason?: string }> => {
  const response = await fetch(`${gateway.origin}/status`, { headers: { authorization: gateway.authorization } });
  const { servers } = (await response.json()) as { servers: { name: string; state: string; reason?: string }[] };
  return servers.find(({ name }) => name === server) ?? { state: 'missing' };
};

/** The three ways to trust the server, each directly and through a proxy. */
const WAYS = ['own authority', 'authority of the machine', 'encrypted key', 'PKCS#12'].flatMap((identity) =>
  (identity === 'own authority' ? ['directly', 'through a proxy'] : ['directly']).map(
    (way) => [identity, way] as const,
  ),
);

describe('T-TLS-002 every path shows the certificate', () => {
  it.each(WAYS)(
    'T-TLS-003 T-TLS-006 T-TLS-014 streamable HTTP: discovery, calls, reads, completion, subscriptions, streams, keep-alive, refresh (%s, %s)',
    async (identity, way) => {
      await using plain = await startHttpFixture();
      await using front = await startStrictFront(material, new URL(plain.url).origin);
      await using proxy = await startTunnelProxy();
      if (identity === 'encrypted key')
        pki.openssl('ec', '-in', client.key, '-aes256', '-passout', 'pass:secret', '-out', 'client-encrypted.key');
      if (identity === 'PKCS#12')
        pki.openssl(
          ...['pkcs12', '-export', '-inkey', client.key, '-in', client.cert, '-out', 'client.p12'],
          ...['-passout', 'pass:secret'],
        );
      const { cert, key } = client;
      const identities: Readonly<Record<string, object>> = {
        'authority of the machine': { cert, key },
        'encrypted key': { ca: pki.ca.cert, cert, key: pki.path('client-encrypted.key'), passphrase: 'secret' },
        'PKCS#12': { ca: pki.ca.cert, pfx: pki.path('client.p12'), passphrase: 'secret' },
      };
      await using gateway = await startGateway({
        config: {
          mcpServers: { web: { type: 'http', url: `${front.origin}/mcp`, tls: identities[identity] ?? withCa() } },
          gateway: { keepaliveInterval: 1 },
        },
        env: {
          ...(identity === 'authority of the machine' ? { NODE_EXTRA_CA_CERTS: pki.ca.cert } : {}),
          ...(way === 'through a proxy' ? { HTTPS_PROXY: proxy.url } : {}),
        },
      });
      const { authorization } = gateway;
      await using one = await connectV1(gateway.url('web'), { authorization });
      await useEverything(one.client);
      await vi.waitFor(() => expect(front.seen.has('ping')).toBe(true), 20_000);
      expectShown(front, [...EVERYTHING, 'GET /mcp', 'ping']);

      // A list that has changed is read again.
      front.forget();
      await one.client.callTool({ name: 'change_tools', arguments: { name: 'fresh' } });
      await vi.waitFor(async () => {
        const { tools } = await one.client.listTools();
        expect(tools.map(({ name }) => name)).toContain('fresh');
      }, 20_000);
      expectShown(front, ['tools/list']);

      if (way === 'through a proxy')
        expect(new Set(proxy.requests)).toEqual(new Set([`CONNECT ${new URL(front.origin).host}`]));
      else expect(proxy.requests).toEqual([]);
    },
  );

  it('the old HTTP+SSE transport: the stream and every message', async () => {
    await using plain = await startSseFixture();
    await using front = await startStrictFront(material, new URL(plain.url).origin);
    await using gateway = await startGateway({
      config: { mcpServers: { web: { type: 'http', url: `${front.origin}/sse`, tls: withCa() } } },
    });
    await using one = await connectV1(gateway.url('web'), { authorization: gateway.authorization });
    await useEverything(one.client);
    expectShown(front, [...EVERYTHING, 'GET /sse']);
  });

  it('the modern era: discovery, listings, calls and the stream of subscriptions', async () => {
    await using plain = await startConformanceServer('modern');
    await using front = await startStrictFront(material, new URL(plain.url).origin);
    await using gateway = await startGateway({
      config: { mcpServers: { web: { type: 'http', url: `${front.origin}/mcp`, tls: withCa() } } },
    });
    const ask = modernClient(gateway.url('web'), gateway.authorization);
    for (const method of ['server/discover', 'tools/list', 'resources/list', 'prompts/list'])
      expect((await ask(method)).status, method).toBe(200);
    await ask('tools/call', { name: 'test_error_handling', arguments: {} });
    const leave = new AbortController();
    const listening = ask(
      'subscriptions/listen',
      { notifications: { toolsListChanged: true } },
      { signal: leave.signal, id: 'listen', headers: { 'mcp-protocol-version': MODERN } },
    ).catch(() => undefined);
    await vi.waitFor(() => expect(front.seen.has('subscriptions/listen')).toBe(true), 20_000);
    leave.abort();
    await listening;
    expectShown(front, ['server/discover', 'tools/list', 'tools/call', 'subscriptions/listen']);
  });
});

it('T-TLS-004 two servers with the same authority and different certificates never share a connection', async () => {
  await using plain = await startHttpFixture();
  await using front = await startStrictFront(material, new URL(plain.url).origin);
  const [first, second] = [pki.issue('First'), pki.issue('Second')];
  const server = (name: string, { cert, key }: Issued): object => ({
    type: 'http',
    url: `${front.origin}/mcp`,
    headers: { 'X-Server': name },
    tls: { ca: pki.ca.cert, cert, key },
  });
  await using gateway = await startGateway({
    config: { mcpServers: { one: server('one', first), two: server('two', second) } },
  });
  const { authorization } = gateway;
  await using one = await connectV1(gateway.url('one'), { authorization });
  await using two = await connectV1(gateway.url('two'), { authorization });
  const calls = Array.from({ length: 20 }, () =>
    [one, two].map(({ client: each }) => each.callTool({ name: 'echo', arguments: {} })),
  );
  await Promise.all(calls.flat());
  expect([...(front.seenFor.get('one') ?? [])]).toEqual(['First']);
  expect([...(front.seenFor.get('two') ?? [])]).toEqual(['Second']);
});

it('T-TLS-005 material that cannot be used fails its server alone, with file and reason; half a pair is refused at once', async () => {
  await using plain = await startHttpFixture();
  await using front = await startStrictFront(material, new URL(plain.url).origin);
  const other = pki.issue('Other');
  const late = pki.issue('Late', { fromDays: -9, untilDays: -1 });
  const ca = pki.ca.cert;
  const bad = {
    mismatched: { ca, cert: client.cert, key: other.key },
    expired: { ca, cert: late.cert, key: late.key },
    garbage: { ca, cert: client.key, key: client.key },
    missing: { ca, cert: pki.path('nowhere.crt'), key: client.key },
  };
  const url = `${front.origin}/mcp`;
  const servers = Object.entries({ good: withCa(), ...bad }).map(([name, tls]) => [name, { type: 'http', url, tls }]);
  await using gateway = await startGateway({
    config: { mcpServers: Object.fromEntries(servers), gateway: { startup: 'resilient' } },
  });
  await vi.waitFor(async () => expect(await stateOf(gateway, 'good')).toMatchObject({ state: 'healthy' }), 20_000);
  const reasons = {
    mismatched: /Other\.key: the key does not belong to the certificate in .*Client\.crt/,
    expired: /Late\.crt: the certificate "CN=Late" has expired on/,
    garbage: /Client\.key: there is no certificate in PEM form in it/,
    missing: /nowhere\.crt: the file does not exist/,
  };
  for (const [name, reason] of Object.entries(reasons)) {
    await expect
      .poll(() => stateOf(gateway, name), { message: name })
      .toMatchObject({ state: 'tls-error', reason: expect.stringMatching(reason) });
  }
  const half = { mcpServers: { half: { type: 'http', url, tls: { cert: client.cert } } } };
  const program = await spawnGateway({ config: half });
  expect((await program.exited).status).toBe(1);
  expect(program.stderr).toMatch(/tls.*'key'/s);
});

describe('T-TLS-002 T-TLS-007 recovery', () => {
  /** Often, so that a test need not wait long. */
  const health = { interval: 1, timeout: 10, failureThreshold: 1, longestPause: 2 };

  it('a server that was away is found again by probes that show the certificate', async () => {
    await using plain = await startHttpFixture();
    await using front = await startStrictFront(material, new URL(plain.url).origin);
    await using gateway = await startGateway({
      config: { mcpServers: { web: { type: 'http', url: `${front.origin}/mcp`, tls: withCa(), health } } },
    });
    await front.vanish();
    await vi.waitFor(async () => expect(await stateOf(gateway, 'web')).toMatchObject({ state: 'unreachable' }), 40_000);
    front.forget();
    await front.comeBack();
    await vi.waitFor(async () => expect(await stateOf(gateway, 'web')).toMatchObject({ state: 'healthy' }), 40_000);
    expect(front.seen.size).toBeGreaterThan(0);
    expectShown(front, []);
  });

  it('a server whose certificate goes bad is a tls-error with the reason, and healthy again by itself when it is mended', async () => {
    using strangers = createPki('Another CA');
    await using plain = await startHttpFixture();
    await using front = await startStrictFront(material, new URL(plain.url).origin);
    await using gateway = await startGateway({
      config: { mcpServers: { web: { type: 'http', url: `${front.origin}/mcp`, tls: withCa(), health } } },
    });
    expect(await stateOf(gateway, 'web')).toMatchObject({ state: 'healthy' });
    front.renew({ ...strangers.issue('localhost', { san: 'DNS:localhost' }), ca: pki.ca.cert });
    await vi.waitFor(async () => {
      const { state, reason } = await stateOf(gateway, 'web');
      expect(state).toBe('tls-error');
      expect(reason).toMatch(/unknown certificate authority|not send the intermediate/);
    }, 40_000);
    front.renew(material);
    await vi.waitFor(async () => expect(await stateOf(gateway, 'web')).toMatchObject({ state: 'healthy' }), 40_000);
  });
});

it('T-TLS-013 plain HTTP has no TLS: fields for it are told to be without effect', async () => {
  await using plain = await startHttpFixture();
  await using gateway = await startGateway({
    config: { mcpServers: { web: { type: 'http', url: plain.url, tls: { ca: '/nowhere/ca.crt' } } } },
  });
  await expect.poll(() => gateway.stderr).toMatch(/'tls' has no effect on a server with an http:\/\/ URL/);
  expect(await stateOf(gateway, 'web')).toMatchObject({ state: 'healthy' });
});

it('T-TLS-016 a name is refused unless it is right; another name, or no check at all, must be asked for and is told', async () => {
  const elsewhere = pki.issue('elsewhere', { san: 'DNS:elsewhere.example' });
  const self = createPki('Self');
  await using plain = await startHttpFixture();
  await using named = await startStrictFront({ ...elsewhere, ca: pki.ca.cert }, new URL(plain.url).origin);
  await using unknown = await startStrictFront(
    { ...self.issue('localhost', { san: 'DNS:localhost' }), ca: pki.ca.cert },
    new URL(plain.url).origin,
  );
  const { cert, key } = client;
  await using gateway = await startGateway({
    config: {
      mcpServers: {
        wrong: { type: 'http', url: `${named.origin}/mcp`, tls: withCa() },
        override: { type: 'http', url: `${named.origin}/mcp`, tls: { ...withCa(), serverName: 'elsewhere.example' } },
        untrusted: { type: 'http', url: `${unknown.origin}/mcp`, tls: { cert, key } },
        unchecked: { type: 'http', url: `${unknown.origin}/mcp`, tls: { cert, key, verify: false } },
      },
      gateway: { startup: 'resilient' },
    },
  });
  await vi.waitFor(async () => {
    for (const name of ['override', 'unchecked'])
      expect(await stateOf(gateway, name), name).toMatchObject({ state: 'healthy' });
    for (const name of ['wrong', 'untrusted'])
      expect(await stateOf(gateway, name), name).toMatchObject({ state: 'tls-error' });
  }, 20_000);
  expect((await stateOf(gateway, 'wrong')).reason).toMatch(/not made for localhost; it names DNS:elsewhere\.example/);
  await expect.poll(() => gateway.stderr).toMatch(/unchecked.*the certificate of this server is not checked/s);
  self[Symbol.dispose]();
});

const EVERYTHING = [
  ...['initialize', 'notifications/initialized', 'tools/list', 'tools/call', 'resources/list', 'resources/read'],
  ...['resources/templates/list', 'resources/subscribe', 'prompts/list', 'prompts/get', 'completion/complete'],
  'logging/setLevel',
];

async function useEverything(of: Awaited<ReturnType<typeof connectV1>>['client']): Promise<void> {
  await of.listTools();
  await of.callTool({ name: 'echo', arguments: {} });
  await of.listResources();
  await of.listResourceTemplates();
  await of.readResource({ uri: 'fixture://bytes' });
  await of.subscribeResource({ uri: 'fixture://text/1' });
  const { prompts } = await of.listPrompts();
  expect(prompts.map(({ name }) => name)).toContain('greet');
  await of.getPrompt({ name: 'greet', arguments: { name: 'Ada' } });
  await of.complete({ ref: { type: 'ref/prompt', name: 'greet' }, argument: { name: 'name', value: 'A' } });
  await of.setLoggingLevel('info');
}
