import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { RESOURCE, startRig, type AuthenticationRig } from '../../../test/rig/authentication.ts';
import type { FetchJson } from './key-set.ts';

const ISSUER = 'https://issuer.example.com';
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const [one, two] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')];

/** An issuer whose answers a test decides about. */
class Issuer {
  now = Date.UTC(2026, 10, 21);
  keys: { readonly kid: string; readonly key: KeyObject }[] = [{ kid: 'one', key: one.publicKey }];
  isDown = false;
  metadata: unknown = { issuer: ISSUER, jwks_uri: `${ISSUER}/keys` };
  readonly fetched: string[] = [];

  readonly fetchJson: FetchJson = async (url, namedBy) => {
    this.fetched.push(namedBy === undefined ? url.href : `${url.href}, named by ${namedBy.href}`);
    if (this.isDown) throw new Error('connect ECONNREFUSED');
    if (url.pathname.endsWith('/.well-known/openid-configuration')) return this.metadata;
    if (url.pathname.endsWith('/keys'))
      return { keys: this.keys.map(({ kid, key }) => ({ ...key.export({ format: 'jwk' }), kid })) };
    throw new Error('HTTP 404');
  };

  start(): Promise<AuthenticationRig> {
    return startRig({ issuers: [{ issuer: ISSUER }], fetchJson: this.fetchJson, now: () => this.now });
  }

  /** A fresh one at each call, so that nothing is remembered of it. */
  async token(kid: 'one' | 'two'): Promise<string> {
    const token = new SignJWT({ nonce: Math.random() })
      .setProtectedHeader({ alg: 'EdDSA', kid })
      .setIssuer(ISSUER)
      .setAudience(RESOURCE)
      .setSubject('ann')
      .setExpirationTime(this.now / 1000 + 600);
    return `Bearer ${await token.sign(kid === 'one' ? one.privateKey : two.privateKey)}`;
  }
}

describe('the keys of an issuer', () => {
  it('are found by its metadata, and fetched once for many', async () => {
    const issuer = new Issuer();
    await using rig = await issuer.start();
    const tokens = await Promise.all(Array.from({ length: 20 }, () => issuer.token('one')));
    const outcomes = await Promise.all(tokens.map((authorization) => rig.outcome({ authorization })));
    expect(new Set(outcomes)).toEqual(new Set(['accepted']));
    expect(issuer.fetched).toEqual([
      `${ISSUER}/.well-known/openid-configuration`,
      `${ISSUER}/keys, named by ${ISSUER}/`,
    ]);
  });

  it('are fetched again for a key that is new, but not for each token that names one', async () => {
    const issuer = new Issuer();
    await using rig = await issuer.start();
    expect(await rig.outcome({ authorization: await issuer.token('one') })).toBe('accepted');
    issuer.keys.push({ kid: 'two', key: two.publicKey });
    issuer.now += MINUTE;
    expect(await rig.outcome({ authorization: await issuer.token('two') })).toBe('accepted');
    issuer.keys = [{ kid: 'one', key: one.publicKey }];
    const before = issuer.fetched.length;
    issuer.now += 1_000;
    // The second key is still among those at hand; a third is not, and asking again so soon is refused.
    expect(await rig.outcome({ authorization: await issuer.token('two') })).toBe('accepted');
    const [, payload, signature] = (await issuer.token('one')).slice('Bearer '.length).split('.');
    const header = Buffer.from(JSON.stringify({ alg: 'EdDSA', kid: 'three' })).toString('base64url');
    for (let attempt = 0; attempt < 50; attempt++)
      expect(await rig.outcome({ authorization: `Bearer ${header}.${payload}.${signature}${attempt}` })).toBe(
        'unauthorized',
      );
    expect(issuer.fetched.length).toBe(before);
  });

  it('count for a day while the issuer does not answer, and then no longer', async () => {
    const issuer = new Issuer();
    await using rig = await issuer.start();
    expect(await rig.outcome({ authorization: await issuer.token('one') })).toBe('accepted');
    issuer.isDown = true;
    issuer.now += 23 * HOUR;
    expect(await rig.outcome({ authorization: await issuer.token('one') })).toBe('accepted');
    issuer.now += 2 * HOUR;
    expect(await rig.outcome({ authorization: await issuer.token('one') })).toBe('unauthorized');
    issuer.isDown = false;
    issuer.now += MINUTE;
    expect(await rig.outcome({ authorization: await issuer.token('one') })).toBe('accepted');
  });

  it('that an issuer takes back do not count any more when they are fetched again', async () => {
    const issuer = new Issuer();
    await using rig = await issuer.start();
    expect(await rig.outcome({ authorization: await issuer.token('one') })).toBe('accepted');
    issuer.keys = [{ kid: 'two', key: two.publicKey }];
    issuer.now += 11 * MINUTE;
    // The first one after the time is up still meets the keys at hand and has them fetched.
    await rig.outcome({ authorization: await issuer.token('one') });
    await expect.poll(async () => rig.outcome({ authorization: await issuer.token('one') })).toBe('unauthorized');
  });

  it('open nothing while they were never fetched', async () => {
    const issuer = new Issuer();
    issuer.isDown = true;
    await using rig = await issuer.start();
    expect(await rig.outcome({ authorization: await issuer.token('one') })).toBe('unauthorized');
  });

  it.each([
    ['metadata of another issuer', { issuer: 'https://evil.example.com', jwks_uri: `${ISSUER}/keys` }],
    ['metadata without keys', { issuer: ISSUER }],
    ['keys over plain http', { issuer: ISSUER, jwks_uri: 'http://issuer.example.com/keys' }],
    ['keys in a file', { issuer: ISSUER, jwks_uri: 'file:///etc/keys' }],
    ['metadata that are no object', null],
  ])('are not taken from %s', async (_name, metadata) => {
    const issuer = new Issuer();
    issuer.metadata = metadata;
    await using rig = await issuer.start();
    expect(await rig.outcome({ authorization: await issuer.token('one') })).toBe('unauthorized');
    expect(issuer.fetched.filter((url) => url.includes('/keys'))).toEqual([]);
  });

  it('on another host than the issuer are fetched under the rules for foreign addresses', async () => {
    const issuer = new Issuer();
    issuer.metadata = { issuer: ISSUER, jwks_uri: 'https://169.254.169.254/keys' };
    await using rig = await issuer.start();
    await rig.outcome({ authorization: await issuer.token('one') });
    expect(issuer.fetched.at(-1)).toBe(`https://169.254.169.254/keys, named by ${ISSUER}/`);
  });
});
