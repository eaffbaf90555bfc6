/** URLs that others supply must not lead inside: table D, against a name server, redirecting servers and a proxy of our own. */
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { AddressPolicy, parseAllowedPlace } from '../../src/shared/address-policy.ts';
import { readStable } from '../../src/tls/read-stable.ts';
import { loadUpstream, PLAIN_IDENTITY, UpstreamIdentity } from '../../src/tls/upstream-identity.ts';
import { Connector } from '../../src/upstream/http/connector.ts';
import { readText } from '../../src/upstream/http/read-answer.ts';
import { networkError } from '../../src/upstream/http/http-errors.ts';
import { createPki, type Pki } from '../rig/pki.ts';
import { type NameServer, startNameServer } from './name-server.ts';
import { type ForbiddenPlace, startAllowedPlace, startForbiddenPlace, startTunnelProxy } from './places.ts';

const PORT = 'PORT';
/** Every way to write an address that leads inside, or to what nobody should ask. */
const LITERALS = [
  ...['127.0.0.1', '127.1', '2130706433', '0177.0.0.1', '0x7f.0.0.1', '0x7f000001', '017700000001', '127.000.000.001'],
  ...['127.255.255.254', '１２７.０.０.１', '①②⑦.⓪.⓪.①', '127。0。0。1', '127%2e0%2e0%2e1', 'public.example@127.0.0.1'],
  ...['user:password@127.0.0.1', '0.0.0.0', '0', '0.0.0.1', '[::]', '[::1]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]'],
  ...['[::ffff:7f00:1]', '[::ffff:0:0]', '[::127.0.0.1]', '[::7f00:1]', '[64:ff9b::7f00:1]', '[64:ff9b::127.0.0.1]'],
  ...['[64:ff9b::a9fe:a9fe]', '[64:ff9b:1::7f00:1]', '[2002:7f00:1::]', '[2002:a9fe:a9fe::1]', '[2001:0:7f00:1::]'],
  ...['10.0.0.1', '10.255.255.255', '172.16.0.1', '172.31.255.255', '192.168.0.1', '169.254.169.254', '169.254.170.2'],
  ...['100.64.0.1', '100.100.100.200', '168.63.129.16', '192.0.0.192', '198.18.0.1', '224.0.0.1', '255.255.255.255'],
  ...['[fd00:ec2::254]', '[fc00::1]', '[fe80::1]', '[fec0::1]', '[ff02::1]', '[5f00::1]', '[2001:db8::1]', '[3fff::1]'],
];
/** What names stand for. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  'loopback.test': ['127.0.0.1'],
  'loopback6.test': ['::1'],
  'mapped.test': ['::ffff:7f00:1'],
  'nat64.test': ['64:ff9b::7f00:1'],
  'six-to-four.test': ['2002:7f00:1::'],
  'this-host.test': ['0.0.0.0', '::'],
  'private.test': ['10.1.2.3', '192.168.3.4'],
  'carrier.test': ['100.64.1.1'],
  'metadata.test': ['169.254.169.254', 'fd00:ec2::254'],
  'unique-local.test': ['fd12::1'],
};

let forbidden: ForbiddenPlace;
let names: NameServer;
let pki: Pki;
beforeAll(async () => {
  pki = createPki();
  forbidden = await startForbiddenPlace();
  names = await startNameServer((name, before) => {
    if (name === 'allowed.test') return ['127.0.0.2'];
    // Once good, then bad: what a check that looks the name up before connecting falls for.
    if (name === 'rebinding.test') return before === 0 ? ['127.0.0.2'] : ['127.0.0.1'];
    if (name === 'both.test') return ['127.0.0.1', '127.0.0.2'];
    return NAMES[name] ?? [];
  });
});
afterEach(() => {
  vi.unstubAllEnvs();
  // The one thing that counts, whatever the error was.
  expect(forbidden.connections).toBe(0);
});
afterAll(async () => {
  await forbidden[Symbol.asyncDispose]();
  await names[Symbol.asyncDispose]();
  pki[Symbol.dispose]();
});

/** The way out for what others supply, as registered servers have it; 127.0.0.2 stands for the public internet. */
function guarded(allowed: readonly string[] = ['127.0.0.2'], identity?: UpstreamIdentity): Connector {
  const policy = new AddressPolicy(allowed.flatMap((text) => parseAllowedPlace(text) ?? []));
  return new Connector({ connectTimeoutMs: 30_000, identity, guard: { policy, resolve: names.resolve } });
}

/** Calls and streams go out on different ways: what holds for one must hold for the other. */
const VERBS = ['GET', 'POST'] as const;

async function get(connector: Connector, url: string, method: (typeof VERBS)[number] = 'GET'): Promise<string> {
  const response = await connector.request({
    url: new URL(url),
    method,
    headers: {},
    signal: AbortSignal.timeout(60_000),
    headersTimeoutMs: 30_000,
    bodyTimeoutMs: 30_000,
  });
  return readText(response, 1_000_000);
}

async function codeOf(connector: Connector, url: string): Promise<string> {
  const outcomes = new Set<string>();
  for (const method of VERBS) {
    try {
      outcomes.add(`answered: ${await get(connector, url, method)}`);
    } catch (error) {
      const failure = networkError(error, { server: 'registered', url: new URL(url) });
      outcomes.add(`${failure.code}: ${failure.detail ?? ''}`);
    }
  }
  return [...outcomes].join(' but ');
}

describe.each(['http', 'https'])('D a URL that somebody supplies, over %s', (scheme) => {
  it.each(LITERALS)('does not lead to %s', async (host) => {
    await using connector = guarded(['127.0.0.2'], await plain());
    expect(await codeOf(connector, `${scheme}://${host}:${forbidden.port}/`)).toMatch(/^server_address_refused: /);
  });

  it.each(Object.keys(NAMES))('does not lead to what %s stands for', async (name) => {
    await using connector = guarded(['127.0.0.2'], await plain());
    expect(await codeOf(connector, `${scheme}://${name}:${forbidden.port}/`)).toMatch(/^server_address_refused: /);
  });

  it.each(['localhost', 'localhost.', 'LOCALHOST'])('does not lead to %s as the system knows it', async (name) => {
    const policy = new AddressPolicy([]);
    await using connector = new Connector({ connectTimeoutMs: 30_000, identity: await plain(), guard: { policy } });
    // Some systems do not know the form with a dot at its end.
    expect(await codeOf(connector, `${scheme}://${name}:${forbidden.port}/`)).toMatch(
      /^server_address_refused: |does not exist$/,
    );
  });
});

describe('D names that change', () => {
  it('a name is looked up once for a connection, and what was found is what is connected to', async () => {
    // Same port on both addresses: only the address tells good from bad.
    await using place = await startAllowedPlaceAt(forbidden.port);
    const url = `http://rebinding.test:${place.port}/`;
    await using first = guarded();
    expect(await get(first, url)).toBe('public');
    expect(names.asked.filter((name) => name === 'rebinding.test')).toHaveLength(1);
    await using second = guarded();
    expect(await codeOf(second, url)).toMatch(/^server_address_refused: rebinding\.test stands for 127\.0\.0\.1/);
    expect(place.requests).toEqual(['/']);
  });

  it('of several addresses only those that are allowed are tried', async () => {
    await using place = await startAllowedPlaceAt(forbidden.port);
    await using connector = guarded();
    for (const method of VERBS) expect(await get(connector, `http://both.test:${place.port}/`, method)).toBe('public');
  });
});

describe('D redirects', () => {
  it.each([301, 302, 303, 307, 308])('are not followed to another origin (%i)', async (status) => {
    const targets = [
      `http://127.0.0.1:${forbidden.port}/`,
      `//127.0.0.1:${forbidden.port}/`,
      `http://[::1]:${forbidden.port}/`,
      `http://loopback.test:${forbidden.port}/`,
      `http://2130706433:${forbidden.port}/`,
      `https://127.0.0.1:${forbidden.port}/`,
    ];
    await using place = await startAllowedPlace((request, response) => {
      const index = Number(request.url?.slice(1));
      response.writeHead(status, { location: targets[index] }).end();
    });
    await using connector = guarded();
    for (const index of targets.keys()) {
      const answer = await codeOf(connector, `http://allowed.test:${place.port}/${index}`);
      expect(answer).toMatch(/^server_protocol_error: the server redirects to another origin/);
    }
  });

  it.each([307, 308])('are followed within the origin only, and a chain ends where it leaves (%i)', async (status) => {
    await using place = await startAllowedPlace((request, response) => {
      const next = { '/': '/one', '/one': '/two', '/two': `http://127.0.0.1:${forbidden.port}/` }[request.url ?? ''];
      response.writeHead(status, { location: next ?? '/' }).end();
    });
    await using connector = guarded();
    expect(await codeOf(connector, `http://allowed.test:${place.port}/`)).toMatch(/another origin/);
    const chain = ['/', '/one', '/two'];
    expect(place.requests).toEqual([...chain, ...chain]);
  });
});

describe('D through a proxy', () => {
  it.each(['http', 'https'])(
    'the proxy is asked for addresses that were judged, and for no other (%s)',
    async (scheme) => {
      await using proxy = await startTunnelProxy();
      vi.stubEnv('HTTP_PROXY', proxy.url);
      vi.stubEnv('HTTPS_PROXY', proxy.url);
      await using connector = guarded(['127.0.0.2'], await plain());
      const inside = ['127.0.0.1', '2130706433', '[::1]', '[64:ff9b::7f00:1]', ...Object.keys(NAMES)];
      for (const host of inside) {
        const answer = await codeOf(connector, `${scheme}://${host}:${forbidden.port}/`);
        expect(answer, host).toMatch(/^server_address_refused: /);
      }
      expect(proxy.requests).toEqual([]);
    },
  );

  it('a name becomes the address that was judged; a second answer of the name server changes nothing', async () => {
    await using proxy = await startTunnelProxy();
    await using place = await startAllowedPlace((_request, response) => response.end('public'));
    vi.stubEnv('HTTP_PROXY', proxy.url);
    await using connector = guarded();
    expect(await get(connector, `http://allowed.test:${place.port}/`)).toBe('public');
    expect(proxy.requests).toEqual([`CONNECT 127.0.0.2:${place.port}`]);
  });

  it('TLS inside the tunnel is with the name, and shows the client certificate', async () => {
    const server = pki.issue('allowed.test', { san: 'DNS:allowed.test' });
    const client = pki.issue('Client');
    const ca = readFileSync(pki.ca.cert);
    const [cert, key] = [readFileSync(server.cert), readFileSync(server.key)];
    const strict = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true }, (_request, response) =>
      response.end('with certificate'),
    );
    strict.listen(0, '127.0.0.2');
    await once(strict, 'listening');
    await using proxy = await startTunnelProxy();
    vi.stubEnv('HTTPS_PROXY', proxy.url);
    const config = { ...PLAIN_IDENTITY, ca: pki.ca.cert, systemCa: false, cert: client.cert, key: client.key };
    const files = await readStable([pki.ca.cert, client.cert, client.key]);
    const { port } = strict.address() as AddressInfo;
    {
      await using connector = guarded(['127.0.0.2'], new UpstreamIdentity(config, await loadUpstream(config, files)));
      expect(await get(connector, `https://allowed.test:${port}/`)).toBe('with certificate');
    }
    expect(proxy.requests).toEqual([`CONNECT 127.0.0.2:${port}`]);
    strict.closeAllConnections();
    await new Promise((resolve) => strict.close(resolve));
  });

  it('NO_PROXY leads past the proxy and not past the check', async () => {
    await using proxy = await startTunnelProxy();
    vi.stubEnv('HTTP_PROXY', proxy.url);
    vi.stubEnv('NO_PROXY', '*');
    await using connector = guarded();
    for (const host of ['127.0.0.1', 'loopback.test'])
      expect(await codeOf(connector, `http://${host}:${forbidden.port}/`)).toMatch(/^server_address_refused: /);
  });

  it('a SOCKS proxy, which looks names up by itself, is refused', async () => {
    vi.stubEnv('HTTP_PROXY', 'socks5://127.0.0.1:9');
    await using connector = guarded();
    expect(await codeOf(connector, 'http://allowed.test/')).toMatch(/^server_address_refused: a SOCKS proxy/);
  });
});

describe('D what an operator allows', () => {
  it.each([
    ['a network', ['127.0.0.0/8', '::1/128'], '127.0.0.1'],
    ['an address with its port', ['127.0.0.1:PORT'], '127.0.0.1'],
    ['an address in brackets', ['[::1]:PORT'], '[::1]'],
    ['a name', ['loopback.test'], 'loopback.test'],
    ['a name with its port', ['loopback.test:PORT'], 'loopback.test'],
    ['a suffix', ['.test'], 'loopback.test'],
    ['an address that is written as IPv6', ['127.0.0.1'], '[::ffff:127.0.0.1]'],
  ])('%s', async (_what, allowed, host) => {
    await using place = await startForbiddenPlace();
    await using connector = guarded(allowed.map((each) => each.replace(PORT, String(place.port))));
    for (const method of VERBS) expect(await get(connector, `http://${host}:${place.port}/`, method)).toBe('secret');
  });

  it('another port of an allowed place stays closed', async () => {
    await using connector = guarded(['127.0.0.1:1', 'loopback.test:1']);
    for (const host of ['127.0.0.1', 'loopback.test'])
      expect(await codeOf(connector, `http://${host}:${forbidden.port}/`)).toMatch(/^server_address_refused: /);
  });
});

async function startAllowedPlaceAt(port: number): ReturnType<typeof startAllowedPlace> {
  return startAllowedPlace((_request, response) => response.end('public'), port);
}

async function plain(): Promise<UpstreamIdentity> {
  return new UpstreamIdentity(PLAIN_IDENTITY, await loadUpstream(PLAIN_IDENTITY, new Map()));
}
