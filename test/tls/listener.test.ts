/** Who gets through the door: versions, client certificates, names and keys of the listener, with real handshakes. */
import { readFileSync } from 'node:fs';
import { connect, type ConnectionOptions } from 'node:tls';
import { Agent, type buildConnector, fetch } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runMain } from '../rig/gateway-process.ts';
import { createPki, type Issued, type Pki } from '../rig/pki.ts';
import { startTlsGateway, type TlsGateway } from './tls-gateway.ts';

let pki: Pki;
let strangers: Pki;
let server: Issued;
beforeAll(() => {
  pki = createPki();
  strangers = createPki('Another CA');
  server = pki.issue('localhost', { san: 'DNS:localhost,IP:127.0.0.1' });
});
afterAll(() => {
  pki[Symbol.dispose]();
  strangers[Symbol.dispose]();
});

const NOBODY = { mcpServers: { nobody: { type: 'http', url: 'http://127.0.0.1:9/mcp' } } };

function start(tls: object, more: Partial<Parameters<typeof startTlsGateway>[0]> = {}): Promise<TlsGateway> {
  const { cert, key } = server;
  const gateway = { tls: { cert, key, ...tls }, startup: 'resilient' };
  return startTlsGateway({ ca: pki.ca.cert, config: { ...NOBODY, gateway }, ...more });
}

/** What becomes of a request with these TLS options: its HTTP status, or the code of the error. */
async function knock(
  { origin, authorization }: TlsGateway,
  options: buildConnector.BuildOptions = {},
  headers: Readonly<Record<string, string>> = { authorization },
): Promise<string> {
  const agent = new Agent({ connect: { ca: readFileSync(pki.ca.cert), ...options } });
  try {
    const response = await fetch(`${origin}/status`, { dispatcher: agent, headers });
    await response.body?.cancel();
    return String(response.status);
  } catch (error) {
    const cause: unknown = error instanceof Error ? error.cause : undefined;
    return cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  } finally {
    await agent.destroy();
  }
}

function pair({ cert, key }: Issued): buildConnector.BuildOptions {
  return { cert: readFileSync(cert), key: readFileSync(key) };
}

/** The version that was agreed on, or the code of the error. */
async function version(port: number, options: ConnectionOptions): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  try {
    return await new Promise((resolve) => {
      socket.once('secureConnect', () => resolve(socket.getProtocol() ?? 'none'));
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
  } finally {
    socket.destroy();
  }
}

const only = (name: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'): ConnectionOptions => ({
  minVersion: name,
  maxVersion: name,
  // Else this side would refuse the old versions before the gateway could.
  ciphers: 'DEFAULT@SECLEVEL=0',
});

describe('versions', () => {
  it('T-TLS-001 TLS 1.0 and 1.1 are refused, 1.2 and 1.3 accepted; with minVersion only 1.3', async () => {
    await using gateway = await start({});
    const { port } = gateway;
    expect(await version(port, only('TLSv1'))).toMatch(/ALERT_PROTOCOL_VERSION/);
    expect(await version(port, only('TLSv1.1'))).toMatch(/ALERT_PROTOCOL_VERSION/);
    expect(await version(port, only('TLSv1.2'))).toBe('TLSv1.2');
    expect(await version(port, only('TLSv1.3'))).toBe('TLSv1.3');
    await using strict = await start({ minVersion: 'TLSv1.3' });
    expect(await version(strict.port, only('TLSv1.2'))).toMatch(/ALERT_PROTOCOL_VERSION/);
    expect(await version(strict.port, only('TLSv1.3'))).toBe('TLSv1.3');
  });

  it('T-TLS-001 TLS 1.2 has only authenticated encryption with forward secrecy', async () => {
    await using gateway = await start({});
    const cbc = { ...only('TLSv1.2'), ciphers: 'ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA@SECLEVEL=0' };
    expect(await version(gateway.port, cbc)).toMatch(/ALERT_HANDSHAKE_FAILURE/);
    const gcm = { ...only('TLSv1.2'), ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' };
    expect(await version(gateway.port, gcm)).toBe('TLSv1.2');
  });
});

describe('client certificates', () => {
  it('T-TLS-012 none, optional and required: who shows nothing, something wrong, or the right one', async () => {
    const good = pair(pki.issue('Client'));
    const revoked = pki.issue('Revoked');
    const wrong = {
      'of another authority': pair(strangers.issue('Stranger')),
      expired: pair(pki.issue('Late', { fromDays: -30, untilDays: -1 })),
      'not yet valid': pair(pki.issue('Early', { fromDays: 2, untilDays: 30 })),
      'for servers only': pair(pki.issue('Server', { usage: 'serverAuth' })),
      revoked: pair(revoked),
    };
    const trust = { ca: pki.ca.cert, crl: pki.crl('clients.crl', [revoked]) };

    await using open = await start({ clientAuth: 'none' });
    expect(await knock(open)).toBe('200');
    expect(await knock(open, good)).toBe('200');

    await using optional = await start({ ...trust, clientAuth: 'optional' });
    expect(await knock(optional)).toBe('200');
    expect(await knock(optional, good)).toBe('200');
    await using required = await start({ ...trust, clientAuth: 'required' }, { client: pki.issue('Operator') });
    expect(await knock(required)).toMatch(/^ERR_SSL_|^UND_ERR_SOCKET$|^ECONNRESET$|^EPIPE$/);
    expect(await knock(required, good)).toBe('200');
    for (const [what, options] of Object.entries(wrong)) {
      for (const gateway of [optional, required])
        expect(await knock(gateway, options), what).toMatch(/^ERR_SSL_|^UND_ERR_SOCKET$|^ECONNRESET$|^EPIPE$/);
    }
    // The gateway's own handshake with the port, which shows no certificate, works all the same.
    const reloaded = await required.request('/reload', { method: 'POST' });
    expect(reloaded.status).toBe(200);
    await expect
      .poll(async () => (await required.logs()).map(({ msg }) => msg))
      .toContain('refused the certificate of a client');
  });

  it('T-TLS-012 a revocation list that is out of date is refused at the start: it would lock everybody out', async () => {
    const { cert, key } = server;
    const tls = { cert, key, ca: pki.ca.cert, crl: pki.crl('stale.crl', [], { untilDays: -1 }) };
    const config = { ...NOBODY, gateway: { port: 3000, domain: 'localhost', agentId: 'agent-0123456789', tls } };
    const program = runMain(['serve', '--config-stdin', '--listen', '127.0.0.1:0'], JSON.stringify(config));
    expect((await program.exited).status).toBe(1);
    expect(program.stderr).toMatch(/stale\.crl.*out of date since/);
  });

  it('T-TLS-012 a certificate is a login of its own when that is wanted, under its SPIFFE id, and only for allowed names', async () => {
    const spiffe = pki.issue('Workload', { san: 'URI:spiffe://corp.example/agent/one' });
    const other = pki.issue('Other', { san: 'URI:spiffe://corp.example/batch/one' });
    await using gateway = await start({
      ca: pki.ca.cert,
      clientAuth: 'optional',
      certificateLogin: true,
      allowedClients: ['spiffe://corp.example/agent/*'],
    });
    expect(await knock(gateway, pair(spiffe), {})).toBe('200');
    expect(await knock(gateway, pair(other), {})).toBe('401');
    expect(await knock(gateway, pair(other))).toBe('401');
    expect(await knock(gateway, {}, {})).toBe('401');
    expect(await knock(gateway, {})).toBe('200');
    // A credential that is shown must be right, even beside a good certificate.
    expect(await knock(gateway, pair(spiffe), { authorization: 'Bearer wrong-0123456789abcdef' })).toBe('401');
  });
});

describe('certificate and key', () => {
  it('the certificate is chosen by the name that the client asks for; without one, or with another, it is the first', async () => {
    const [api, wild] = [
      pki.issue('api.example', { san: 'DNS:api.example' }),
      pki.issue('wild', { san: 'DNS:*.wild.example' }),
    ];
    const sni = [api, wild].map(({ cert, key }) => ({ cert, key }));
    await using gateway = await start({ sni });
    const served = async (servername: string): Promise<string | undefined> => {
      const socket = connect({ host: '127.0.0.1', port: gateway.port, servername, rejectUnauthorized: false });
      try {
        await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
        return socket.getPeerX509Certificate()?.serialNumber;
      } finally {
        socket.destroy();
      }
    };
    expect(await served('api.example')).toBe(api.serial);
    expect(await served('one.wild.example')).toBe(wild.serial);
    expect(await served('elsewhere.example')).toBe(server.serial);
    expect(await served('')).toBe(server.serial);
  });

  it('an encrypted key opens with its passphrase, and so does PKCS#12', async () => {
    pki.openssl('ec', '-in', server.key, '-aes256', '-passout', 'pass:secret', '-out', 'encrypted.key');
    pki.openssl(
      ...[
        'pkcs12',
        '-export',
        '-inkey',
        server.key,
        '-in',
        server.cert,
        '-out',
        'server.p12',
        '-passout',
        'pass:secret',
      ],
    );
    await using encrypted = await start({ key: pki.path('encrypted.key'), passphrase: 'secret' });
    expect(await knock(encrypted)).toBe('200');
    await using pkcs12 = await start({
      cert: undefined,
      key: undefined,
      pfx: pki.path('server.p12'),
      passphrase: 'secret',
    });
    expect(await knock(pkcs12)).toBe('200');
  });

  it('PEM text may stand in the configuration itself', async () => {
    const [cert, key] = [readFileSync(server.cert, 'utf8'), readFileSync(server.key, 'utf8')];
    await using gateway = await start({ cert, key });
    expect(await knock(gateway)).toBe('200');
  });
});
