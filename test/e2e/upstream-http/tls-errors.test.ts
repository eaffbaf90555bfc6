import type { ServerOptions } from 'node:https';
import { getCACertificates, setDefaultCACertificates, type SecureVersion } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Authority, type KeyPair } from './certificates.ts';
import { idOf, json, openWire, serveHttp, type TestServer, type WireOptions } from './harness.ts';

const authority = new Authority();
const defaults = getCACertificates('default');
let good: KeyPair;

beforeAll(() => {
  good = authority.issue({ names: 'DNS:localhost,IP:127.0.0.1' });
  setDefaultCACertificates([...defaults, authority.pair.cert]);
});

afterAll(() => {
  setDefaultCACertificates(defaults);
  authority[Symbol.dispose]();
});

function serveTls(options: ServerOptions): Promise<TestServer> {
  return serveHttp((request, response) => json(response, { jsonrpc: '2.0', id: idOf(request), result: {} }), options);
}

/** The failure of a call by the name `localhost`, which the good certificate carries. */
async function failure(
  server: TestServer,
  options: WireOptions = {},
  host = 'localhost',
  scheme = 'https',
): Promise<unknown> {
  await using wire = await openWire(`${scheme}://${host}:${server.port}/mcp`, options);
  return await wire.call(1, 'ping').then(
    () => 'no failure',
    (error: unknown) => error,
  );
}

const tlsError = (detail: RegExp): object => ({
  name: 'GatewayError',
  code: 'server_tls_error',
  server: 'remote',
  detail: expect.stringMatching(detail) as unknown,
});

describe('TLS to a server', () => {
  it('works with a certificate that is in order, by name and by address', async () => {
    await using server = await serveTls(good);
    for (const host of ['localhost', '127.0.0.1']) {
      await using wire = await openWire(`https://${host}:${server.port}/mcp`);
      await expect(wire.call(1, 'ping')).resolves.toMatchObject({ result: {} });
    }
  });

  it('expired', async () => {
    await using server = await serveTls(authority.issue({ names: 'DNS:localhost', days: -1 }));
    expect(await failure(server)).toMatchObject(
      tlsError(/^the certificate of the server has expired \(localhost:\d+, CERT_HAS_EXPIRED\)$/),
    );
  });

  it('self-signed', async () => {
    using stranger = new Authority();
    await using server = await serveTls(stranger.pair);
    expect(await failure(server)).toMatchObject(
      tlsError(/^the certificate of the server is self-signed and not trusted here .*DEPTH_ZERO_SELF_SIGNED_CERT/),
    );
  });

  it('from an unknown certificate authority, with and without that authority in the chain', async () => {
    using stranger = new Authority();
    const leaf = stranger.issue({ names: 'DNS:localhost' });
    await using alone = await serveTls(leaf);
    expect(await failure(alone)).toMatchObject(
      tlsError(/comes from an unknown certificate authority.*UNABLE_TO_VERIFY_LEAF_SIGNATURE/),
    );
    await using chained = await serveTls({ ...leaf, cert: leaf.cert + stranger.pair.cert });
    expect(await failure(chained)).toMatchObject(
      tlsError(/comes from an unknown certificate authority.*SELF_SIGNED_CERT_IN_CHAIN/),
    );
  });

  it('for another host: says which names the certificate has', async () => {
    await using server = await serveTls(authority.issue({ names: 'DNS:a.example,DNS:b.example,IP:10.0.0.1' }));
    const detail =
      /is not made for localhost; it names DNS:a\.example, DNS:b\.example, IP Address:10\.0\.0\.1 \(ERR_TLS_CERT_ALTNAME_INVALID\)\. Set tls\.serverName/;
    expect(await failure(server)).toMatchObject(tlsError(detail));
  });

  it('for another host, in the old way with a common name only', async () => {
    await using server = await serveTls(authority.issue({ commonName: 'old.example' }));
    expect(await failure(server)).toMatchObject(
      tlsError(/is not made for localhost; it names only the common name old\.example/),
    );
  });

  it('a configured Host header does not change which name the certificate must have', async () => {
    await using server = await serveTls(authority.issue({ names: 'DNS:other.example' }));
    expect(await failure(server, { config: { headers: { host: 'other.example' } } })).toMatchObject(
      tlsError(/is not made for localhost/),
    );
    expect(await failure(server, { config: { headers: { host: 'other.example' } } }, '127.0.0.1')).toMatchObject(
      tlsError(/is not made for 127\.0\.0\.1/),
    );
  });

  it.each<[SecureVersion, RegExp]>([
    ['TLSv1.2', /requires a client certificate, or shares no cipher/],
    [
      'TLSv1.3',
      /^the server localhost:\d+ requires a client certificate \(ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED\)$/,
    ],
  ])('client certificate required, %s', async (version, detail) => {
    const { cert } = authority.pair;
    await using server = await serveTls({
      ...good,
      ca: cert,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: version,
      maxVersion: version,
    });
    expect(await failure(server)).toMatchObject(tlsError(detail));
  });

  it('a server without TLS behind https, and one with TLS behind http', async () => {
    await using plain = await serveHttp((_request, response) => void response.end());
    expect(await failure(plain, {}, '127.0.0.1')).toMatchObject(
      tlsError(/does not speak TLS on this port; should the URL begin with http:\/\//),
    );
    await using secure = await serveTls(good);
    expect(await failure(secure, {}, '127.0.0.1', 'http')).toMatchObject({ code: 'server_unavailable' });
  });

  it('no common version of TLS', async () => {
    await using server = await serveTls({
      ...good,
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    expect(await failure(server)).toMatchObject(tlsError(/speaks no TLS version that the gateway accepts/));
  });

  it('is checked for the old transport just the same', async () => {
    await using server = await serveTls(authority.issue({ names: 'DNS:localhost', days: -1 }));
    await expect(openWire(`https://localhost:${server.port}/mcp`, { kind: 'sse' })).rejects.toMatchObject(
      tlsError(/has expired/),
    );
  });
});
