/** Reliability catalogue C10: which JWTs are accepted and which are not, exactly. One line of the table, one test. */
import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { SignJWT, type JWTPayload } from 'jose';
import { describe, expect, it } from 'vitest';
import { RESOURCE, startRig, type Asked } from '../../../test/rig/authentication.ts';
import type { JwtIssuerConfig } from '../../config/auth-config.ts';

const NOW = Date.UTC(2026, 10, 21, 12);
const SECONDS = NOW / 1000;
const SECRET = 'a shared secret of more than 32 bytes';
const ISSUER = 'https://issuer.example.com/realms/main';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const foreignRsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });

const jwk = (key: KeyObject, kid: string, alg: string) => ({ ...key.export({ format: 'jwk' }), kid, alg, use: 'sig' });
const KEYS = {
  keys: [
    jwk(rsa.publicKey, 'rsa-1', 'RS256'),
    jwk(ec.publicKey, 'ec-1', 'ES256'),
    jwk(ed.publicKey, 'ed-1', 'EdDSA'),
    // A key set that leaks what it must not hold does not become a way in.
    { kty: 'oct', kid: 'oct-1', alg: 'HS256', k: Buffer.from(SECRET).toString('base64url') },
    { ...jwk(p384.publicKey, 'enc-1', 'ES384'), use: 'enc' },
  ],
};
const DOCUMENTS: Readonly<Record<string, unknown>> = {
  [`${ISSUER}/.well-known/openid-configuration`]: { issuer: ISSUER, jwks_uri: `${ISSUER}/keys` },
  [`${ISSUER}/keys`]: KEYS,
};
const fetchJson = async (url: URL): Promise<unknown> => {
  const document = DOCUMENTS[url.href];
  if (document === undefined) throw new Error(`nothing is at ${url.href}`);
  return document;
};

const pem = (key: KeyObject): string => key.export({ format: 'pem', type: 'spki' });
const ISSUERS: readonly Partial<JwtIssuerConfig>[] = [
  { issuer: ISSUER },
  { issuer: 'shared', keys: { kind: 'secret', secret: SECRET }, audiences: ['gatehouse'] },
  { issuer: 'files', keys: { kind: 'public', keys: [pem(rsa.publicKey), pem(ec.publicKey), pem(ed.publicKey)] } },
  { issuer: 'only-es', keys: { kind: 'public', keys: [pem(rsa.publicKey), pem(ec.publicKey)] }, algorithms: ['ES256'] },
];

const CLAIMS: JWTPayload = {
  iss: ISSUER,
  aud: RESOURCE,
  sub: 'ann',
  email: 'ann@example.com',
  exp: SECONDS + 600,
};

interface Forging {
  readonly claims?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
  readonly key?: KeyObject | Uint8Array;
}

/** A token that is right, but for what is said. A claim that is undefined is left out. */
async function token({ claims = {}, header = {}, key = rsa.privateKey }: Forging = {}): Promise<string> {
  const all = Object.fromEntries(Object.entries({ ...CLAIMS, ...claims }).filter(([, value]) => value !== undefined));
  return new SignJWT(all).setProtectedHeader({ alg: 'RS256', kid: 'rsa-1', ...header }).sign(key);
}

const shared = (more: Forging = {}): Promise<string> =>
  token({
    key: Buffer.from(SECRET),
    ...more,
    header: { alg: 'HS256', kid: undefined, ...more.header },
    claims: { iss: 'shared', ...more.claims },
  });
const files = (more: Forging = {}): Promise<string> =>
  token({ ...more, header: { kid: undefined, ...more.header }, claims: { iss: 'files', ...more.claims } });

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
/** Signed by hand: no library would. */
function hmac(header: object, claims: object, secret: string | Buffer): string {
  const text = `${encode(header)}.${encode(claims)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}
const unsigned = (header: object, signature = ''): string => `${encode(header)}.${encode(CLAIMS)}.${signature}`;

type Line = readonly [name: string, make: () => string | Promise<string>, where?: Omit<Asked, 'authorization'>];

const ACCEPTED: readonly Line[] = [
  ['RS256 of the published keys', () => token()],
  ['ES256 of the published keys', () => token({ header: { alg: 'ES256', kid: 'ec-1' }, key: ec.privateKey })],
  ['EdDSA of the published keys', () => token({ header: { alg: 'EdDSA', kid: 'ed-1' }, key: ed.privateKey })],
  ['HS256 with the shared secret', () => shared()],
  ['RS256 of a file', () => files()],
  ['ES256 of a file', () => files({ header: { alg: 'ES256' }, key: ec.privateKey })],
  ['EdDSA of a file', () => files({ header: { alg: 'EdDSA' }, key: ed.privateKey })],
  ['Ed25519 of a file (RFC 9864)', () => files({ header: { alg: 'Ed25519' }, key: ed.privateKey })],
  ['expired 59 s ago', () => token({ claims: { exp: SECONDS - 59 } })],
  ['valid in 59 s', () => token({ claims: { nbf: SECONDS + 59 } })],
  ['typ at+jwt', () => token({ header: { typ: 'at+jwt' } })],
  ['typ JWT', () => token({ header: { typ: 'JWT' } })],
  [
    'several audiences, one of them the gateway',
    () => token({ claims: { aud: ['https://other.example.com', RESOURCE] } }),
  ],
  ['audience with a slash at the end', () => token({ claims: { aud: `${RESOURCE}/` } })],
  ['audience that the operator has named', () => shared({ claims: { aud: 'gatehouse' } })],
  ['audience of the endpoint', () => token({ claims: { aud: `${RESOURCE}/mcp/github` } }), { url: '/mcp/github?x=1' }],
  [
    'audience of the endpoint, its messages',
    () => token({ claims: { aud: `${RESOURCE}/mcp/github/sse` } }),
    { url: '/mcp/github/messages?sessionId=1' },
  ],
  ['a kid that a shared secret has no use for', () => shared({ header: { kid: 'whatever' } })],
  ['an email address in another case', () => token({ claims: { email: 'Ann@Example.com' } })],
  ['without an email address', () => token({ claims: { email: undefined } })],
];

const REFUSED: readonly Line[] = [
  ['expired 61 s ago', () => token({ claims: { exp: SECONDS - 61 } })],
  ['valid in 61 s', () => token({ claims: { nbf: SECONDS + 61 } })],
  ['without exp', () => token({ claims: { exp: undefined } })],
  ['exp that is a text', () => hmac({ alg: 'HS256' }, { ...CLAIMS, iss: 'shared', exp: `${SECONDS + 600}` }, SECRET)],
  ['without sub', () => token({ claims: { sub: undefined } })],
  ['empty sub', () => token({ claims: { sub: '' } })],
  ['without iss', () => token({ claims: { iss: undefined } })],
  ['of an issuer that nobody knows', () => token({ claims: { iss: 'https://evil.example.com' } })],
  ['issuer with a slash more', () => token({ claims: { iss: `${ISSUER}/` } })],
  ['of another issuer with the key of this one', () => token({ claims: { iss: 'shared' } })],
  ['audience of somebody else', () => token({ claims: { aud: 'https://other.example.com' } })],
  ['without an audience', () => token({ claims: { aud: undefined } })],
  ['no audience among none', () => token({ claims: { aud: [] } })],
  ['audience that only begins like the gateway', () => token({ claims: { aud: `${RESOURCE}.evil.example` } })],
  ['audience that the operator has named for another issuer', () => token({ claims: { aud: 'gatehouse' } })],
  ['audience of another endpoint', () => token({ claims: { aud: `${RESOURCE}/mcp/github` } }), { url: '/mcp/gitlab' }],
  [
    'audience of one endpoint at the whole',
    () => token({ claims: { aud: `${RESOURCE}/mcp/github` } }),
    { url: '/mcp' },
  ],
  ['alg none without signature', () => unsigned({ alg: 'none' })],
  ['alg None', () => unsigned({ alg: 'None' })],
  ['alg none with a signature', () => unsigned({ alg: 'none' }, 'AAAA')],
  ['no alg', () => unsigned({ typ: 'JWT' }, 'AAAA')],
  ['signature taken away', async () => (await token()).replace(/[^.]*$/, '')],
  [
    'signature of another token',
    async () => `${(await token()).replace(/[^.]*$/, '')}${(await token({ claims: { sub: 'bob' } })).split('.')[2]}`,
  ],
  ['one claim changed', async () => (await token()).replace(/\.[^.]+\./, `.${encode({ ...CLAIMS, sub: 'root' })}.`)],
  [
    'key confusion: HS256 with the public key as the secret (PEM)',
    () => hmac({ alg: 'HS256', kid: 'rsa-1' }, CLAIMS, pem(rsa.publicKey)),
  ],
  [
    'key confusion: HS256 with the public key as the secret (DER)',
    () => hmac({ alg: 'HS256', kid: 'rsa-1' }, CLAIMS, rsa.publicKey.export({ format: 'der', type: 'spki' })),
  ],
  [
    'key confusion: HS256 against a file',
    () => hmac({ alg: 'HS256' }, { ...CLAIMS, iss: 'files' }, pem(rsa.publicKey)),
  ],
  ['HS256 with a secret that the key set has leaked', () => hmac({ alg: 'HS256', kid: 'oct-1' }, CLAIMS, SECRET)],
  ['RS256 where a shared secret is expected', () => token({ claims: { iss: 'shared' }, header: { kid: undefined } })],
  ['RS256 where only ES256 is allowed', () => files({ claims: { iss: 'only-es' } })],
  ['HS384', () => shared({ header: { alg: 'HS384' } })],
  ['PS256 with the RSA key', () => token({ header: { alg: 'PS256' } })],
  ['ES384 with a key for encryption', () => token({ header: { alg: 'ES384', kid: 'enc-1' }, key: p384.privateKey })],
  ['another RSA key under the kid', () => token({ key: foreignRsa.privateKey })],
  ['another RSA key against a file', () => files({ key: foreignRsa.privateKey })],
  ['kid that no key has', () => token({ header: { kid: 'rsa-2' } })],
  ['kid that is a path', () => token({ header: { kid: '../../../../dev/null' } })],
  ['kid that is a path, signed with nothing', () => hmac({ alg: 'HS256', kid: '/dev/null' }, CLAIMS, '')],
  ['kid that is SQL', () => hmac({ alg: 'HS256', kid: "x' UNION SELECT 'key'--" }, CLAIMS, 'key')],
  ['kid that is a URL', () => token({ header: { kid: 'https://evil.example.com/keys' }, key: foreignRsa.privateKey })],
  [
    'a key in the header (jwk)',
    () =>
      token({
        header: { jwk: foreignRsa.publicKey.export({ format: 'jwk' }), kid: undefined },
        key: foreignRsa.privateKey,
      }),
  ],
  [
    'the address of a key set in the header (jku)',
    () => token({ header: { jku: 'https://evil.example.com/keys', kid: 'evil' }, key: foreignRsa.privateKey }),
  ],
  [
    'a certificate in the header (x5u)',
    () => token({ header: { x5u: 'https://evil.example.com/cert', kid: undefined }, key: foreignRsa.privateKey }),
  ],
  [
    'a critical header that nobody understands',
    () => hmac({ alg: 'HS256', crit: ['exp'], exp: 1 }, { ...CLAIMS, iss: 'shared' }, SECRET),
  ],
  ['critical b64', () => hmac({ alg: 'HS256', crit: ['b64'], b64: false }, { ...CLAIMS, iss: 'shared' }, SECRET)],
  ['typ of a logout token', () => token({ header: { typ: 'logout+jwt' } })],
  ['typ of a DPoP proof', () => token({ header: { typ: 'dpop+jwt' } })],
  ['longer than 8 KiB', () => token({ claims: { padding: 'x'.repeat(8 * 1024) } })],
  ['payload that is no JSON', () => `${encode({ alg: 'RS256' })}.bm90IGpzb24.AAAA`],
  ['payload that is a list', () => `${encode({ alg: 'RS256' })}.${encode([])}.AAAA`],
  ['header that is no JSON', () => `bm90IGpzb24.${encode(CLAIMS)}.AAAA`],
  ['two parts', () => `${encode({ alg: 'RS256' })}.${encode(CLAIMS)}`],
  ['five parts (JWE)', () => 'a.b.c.d.e'],
  ['three dots and nothing else', () => '...'],
  ['bound to a key by DPoP, which nobody checks', () => token({ claims: { cnf: { jkt: 'abc' } } })],
  ['bound to a certificate that the connection has not shown', () => token({ claims: { cnf: { 'x5t#S256': 'abc' } } })],
  ['scope that is a list', () => token({ claims: { scope: ['tools.call'] } })],
  ['teams that are a text', () => token({ claims: { teams: 'all' } })],
  ['virtual servers that are an object', () => token({ claims: { virtual_servers: {} } })],
  ['jti that is a number', () => token({ claims: { jti: 7 } })],
];

const named = ([name, make, where = {}]: Line) => ({ name, make, where });

describe('JWTs (catalogue C10)', () => {
  it.each(ACCEPTED.map(named))('accepts: $name', async ({ make, where }) => {
    await using rig = await startRig({ issuers: ISSUERS, fetchJson, now: () => NOW });
    expect(await rig.ask({ authorization: `Bearer ${await make()}`, ...where })).toMatchObject({ issuer: 'jwt' });
  });

  it.each(REFUSED.map(named))('refuses: $name', async ({ make, where }) => {
    const errors: unknown[] = [];
    await using rig = await startRig({ issuers: ISSUERS, fetchJson, now: () => NOW, errors });
    expect(await rig.outcome({ authorization: `Bearer ${await make()}`, ...where })).toBe('unauthorized');
    // Not by accident.
    expect(errors).toEqual([]);
  });
});
