/** Who is believed: authorities, revocation lists and chains, with material that openssl has made. */
import { readFileSync, writeFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { alternativeNames, checkChain, parseCertificates } from '../../src/tls/certificate.ts';
import { describeClient, isAllowedClient } from '../../src/tls/client-certificate.ts';
import { contentKey } from '../../src/tls/content-key.ts';
import { readStable } from '../../src/tls/read-stable.ts';
import { isTrusted, loadTrust, type Trust } from '../../src/tls/trust.ts';
import { loadUpstream, PLAIN_IDENTITY, type UpstreamGeneration } from '../../src/tls/upstream-identity.ts';
import { startGateway } from '../rig/gateway.ts';
import { createPki, type Issued, type Pki } from '../rig/pki.ts';
import { startHttpFixture } from '../rig/servers.ts';
import { startStrictFront } from './strict-front.ts';

let pki: Pki;
beforeAll(() => {
  pki = createPki();
});
afterAll(() => pki[Symbol.dispose]());

const x509 = ({ cert }: Issued): X509Certificate => new X509Certificate(readFileSync(cert));

async function trustOf(ca: string, crl?: string): Promise<Trust> {
  return loadTrust({ ca, crl, prefix: '' }, await readStable(crl === undefined ? [ca] : [ca, crl]), new Date());
}

describe('whether a certificate is still good', () => {
  it('directly below an authority, and below an intermediate one that it brings along', async () => {
    const between = pki.issue('Between', { ca: true });
    const [near, far] = [pki.issue('Near'), pki.issue('Far', { issuer: between })];
    const trust = await trustOf(pki.ca.cert);
    const now = new Date();
    expect(isTrusted(x509(near), [], trust, now)).toBe(true);
    expect(isTrusted(x509(far), [], trust, now)).toBe(false);
    expect(isTrusted(x509(far), [x509(between)], trust, now)).toBe(true);
    // Somebody who is no authority cannot stand between.
    const forged = pki.issue('Forged', { issuer: near });
    expect(isTrusted(x509(forged), [x509(near)], trust, now)).toBe(false);
  });

  it('not when it is over, not begun, revoked, or of somebody else', async () => {
    using strangers = createPki('Another CA');
    const [good, revoked] = [pki.issue('Good'), pki.issue('Revoked')];
    const trust = await trustOf(pki.ca.cert, pki.crl('one.crl', [revoked]));
    const now = new Date();
    expect(isTrusted(x509(good), [], trust, now)).toBe(true);
    expect(isTrusted(x509(revoked), [], trust, now)).toBe(false);
    expect(isTrusted(x509(strangers.issue('Stranger')), [], trust, now)).toBe(false);
    expect(isTrusted(x509(good), [], trust, new Date(now.getTime() + 400 * 24 * 3600 * 1000))).toBe(false);
    expect(isTrusted(x509(good), [], trust, new Date(now.getTime() - 24 * 3600 * 1000))).toBe(false);
  });

  it('revocation lists: each must be whole, fresh and of a known authority, and each authority needs one', async () => {
    using strangers = createPki('Another CA');
    const fresh = pki.crl('fresh.crl', []);
    writeFileSync(pki.path('cut.crl'), readFileSync(fresh, 'utf8').slice(0, 200));
    writeFileSync(
      pki.path('two.crt'),
      `${readFileSync(pki.ca.cert, 'utf8')}${readFileSync(strangers.ca.cert, 'utf8')}`,
    );
    await expect(trustOf(pki.ca.cert, fresh)).resolves.toMatchObject({ lists: [{}] });
    await expect(trustOf(pki.ca.cert, pki.crl('old.crl', [], { untilDays: -1 }))).rejects.toThrow(/out of date since/);
    await expect(trustOf(pki.ca.cert, pki.path('cut.crl'))).rejects.toThrow(/cut off/);
    await expect(trustOf(pki.ca.cert, strangers.crl('other.crl', []))).rejects.toThrow(/none of the configured/);
    await expect(trustOf(pki.path('two.crt'), fresh)).rejects.toThrow(
      /no revocation list of the authority "CN=Another CA"/,
    );
    await expect(trustOf(pki.ca.cert, pki.ca.cert)).rejects.toThrow(/no revocation list in PEM form/);
  });
});

describe('chains', () => {
  const chain = (...issued: readonly Issued[]): readonly X509Certificate[] => issued.map(x509);

  it('stand leaf first, each issued by the next', () => {
    const between = pki.issue('Between', { ca: true, file: 'between-2' });
    const leaf = pki.issue('Leaf', { issuer: between });
    const now = new Date();
    expect(() => checkChain(chain(leaf, between, pki.ca), 'server', 'x.crt', now)).not.toThrow();
    expect(() => checkChain(chain(leaf, pki.ca), 'server', 'x.crt', now)).toThrow(/has not issued the one before it/);
    expect(() => checkChain(chain(between, leaf), 'server', 'x.crt', now)).toThrow(/is that of an authority/);
    expect(() => checkChain([], 'server', 'x.crt', now)).toThrow(/no certificate/);
  });

  it('are for the use that they are made for, and have keys of some strength', () => {
    const now = new Date();
    const forClients = pki.issue('For clients', { usage: 'clientAuth' });
    expect(() => checkChain(chain(forClients), 'client', 'x.crt', now)).not.toThrow();
    expect(() => checkChain(chain(forClients), 'server', 'x.crt', now)).toThrow(/not made for servers/);
    const weak = pki.issue('Weak', { rsaBits: 1024 });
    expect(() => checkChain(chain(weak), 'server', 'x.crt', now)).toThrow(/1024 bits; at least 2048/);
  });

  it('of damaged PEM are refused with the place', () => {
    const text = readFileSync(pki.ca.cert, 'utf8');
    const parse = (pem: string): unknown => parseCertificates({ where: 'x.crt', bytes: Buffer.from(pem) });
    expect(() => parse('')).toThrow('x.crt: there is no certificate in PEM form in it');
    expect(() => parse(text.slice(0, -40))).toThrow('x.crt: a certificate in it is cut off');
    expect(() => parse(`${text}${text.replace(/MII/, 'AII')}`)).toThrow('x.crt: certificate 2 in it cannot be read');
  });
});

describe('names of clients', () => {
  it('SPIFFE needs exactly one URI; a comma inside a name does not make two of it', () => {
    const one = x509(pki.issue('One', { san: 'URI:spiffe://corp.example/one,DNS:one.example' }));
    const two = x509(pki.issue('Two', { san: 'URI:spiffe://corp.example/one,URI:spiffe://corp.example/two' }));
    expect(describeClient(one)).toMatchObject({
      spiffeId: 'spiffe://corp.example/one',
      names: ['spiffe://corp.example/one', 'one.example', 'CN=One'],
    });
    expect(describeClient(two).spiffeId).toBeUndefined();
    expect(alternativeNames(one)).toEqual(['URI:spiffe://corp.example/one', 'DNS:one.example']);
  });

  it.each([
    [undefined, true],
    [['CN=One'], true],
    [['CN=O*'], true],
    [['spiffe://corp.example/*'], true],
    [['one.example'], true],
    [['CN=on'], false],
    [['One'], false],
    [['spiffe://corp.example/'], false],
    [[], false],
  ])('allowed by %j: %s', (allowed, expected) => {
    const client = describeClient(x509(pki.issue('One', { san: 'URI:spiffe://corp.example/one,DNS:one.example' })));
    expect(isAllowedClient(client, allowed)).toBe(expected);
  });
});

describe('T-TLS-004 keys of contents', () => {
  it('tell apart whatever differs, and nothing else', () => {
    const lists: readonly (readonly (string | boolean | undefined)[])[] = [
      ['ab', 'c'],
      ['a', 'bc'],
      ['abc'],
      ['abc', undefined],
      ['abc', ''],
      [undefined, 'abc'],
      ['abc', false],
      ['', 'abc'],
    ];
    expect(new Set(lists.map((list) => contentKey(list))).size).toBe(lists.length);
    expect(contentKey(['a', Buffer.from('b')])).toBe(contentKey(['a', 'b']));
  });

  it('an identity is loaded anew when a byte or an option of it has changed, and only then', async () => {
    const client = pki.issue('Keyed');
    const config = { ...PLAIN_IDENTITY, ca: pki.ca.cert, cert: client.cert, key: client.key };
    const paths = [pki.ca.cert, client.cert, client.key];
    const load = async (change: object, current?: UpstreamGeneration): Promise<UpstreamGeneration> =>
      loadUpstream({ ...config, ...change }, await readStable(paths), current);
    const first = await load({});
    expect(await load({}, first)).toBe(first);
    for (const change of [{ verify: false }, { serverName: 'x' }, { minVersion: 'TLSv1.3' }, { strictNames: true }])
      expect((await load(change, first)).key).not.toBe(first.key);
    writeFileSync(client.cert, `${readFileSync(client.cert, 'utf8')}\n`);
    expect((await load({}, first)).key).not.toBe(first.key);
  });
});

describe('files', () => {
  it('are taken when two reads agree; what cannot be read has its reason', async () => {
    const file = pki.path('changing.txt');
    writeFileSync(file, 'one');
    const reading = readStable([file, pki.path('nowhere'), pki.folder]);
    writeFileSync(file, 'two');
    const files = await reading;
    expect(files.get(file)?.toString()).toBe('two');
    expect(files.get(pki.path('nowhere'))).toMatchObject({ reason: 'the file does not exist' });
    expect(files.get(pki.folder)).toMatchObject({ reason: 'this is a directory' });
  });
});

it('T-TLS-018 an authority that cannot be used fails the server, and those of the system do not step in', async () => {
  await using plain = await startHttpFixture();
  const material = { ...pki.issue('localhost', { san: 'DNS:localhost', file: 'front' }), ca: pki.ca.cert };
  await using front = await startStrictFront(material, new URL(plain.url).origin);
  const { cert, key } = pki.issue('Client');
  writeFileSync(pki.path('damaged.crt'), readFileSync(pki.ca.cert, 'utf8').slice(0, 300));
  const tls = { ca: pki.path('damaged.crt'), cert, key };
  await using gateway = await startGateway({
    config: {
      mcpServers: { web: { type: 'http', url: `${front.origin}/mcp`, tls } },
      gateway: { startup: 'resilient' },
    },
    // With the authorities of the system alone it would work.
    env: { NODE_EXTRA_CA_CERTS: pki.ca.cert },
  });
  await vi.waitFor(async () => {
    const response = await fetch(`${gateway.origin}/status`, { headers: { authorization: gateway.authorization } });
    const { servers } = (await response.json()) as { servers: { state: string; reason?: string }[] };
    expect(servers[0]?.state).toBe('tls-error');
    expect(servers[0]?.reason).toMatch(/damaged\.crt: a certificate in it is cut off/);
  }, 20_000);
  expect(front.seen.size).toBe(0);
});

it('T-TLS-015 what another proxy writes into forwarded headers changes no address that clients are told', async () => {
  await using plain = await startHttpFixture();
  await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: plain.url } } } });
  const leave = new AbortController();
  const response = await fetch(`${gateway.url('web')}/sse`, {
    headers: {
      authorization: gateway.authorization,
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      'x-forwarded-prefix': '/evil',
      forwarded: 'host=evil.example;proto=https',
    },
    signal: leave.signal,
  });
  const first = await response.body?.getReader().read();
  const event = new TextDecoder().decode(first?.value);
  leave.abort();
  expect(event).toMatch(/^event: endpoint\ndata: \/mcp\/web\/messages\?/);
});
