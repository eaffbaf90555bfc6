import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { describe, expect, it, vi } from 'vitest';
import { RESOURCE, startRig, type AuthenticationRig } from '../../../test/rig/authentication.ts';
import type { Principal } from '../authenticator.ts';
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
  async token(kid: 'one' | 'two', seconds = 600): Promise<string> {
    const token = new SignJWT({ nonce: Math.random() })
      .setProtectedHeader({ alg: 'EdDSA', kid })
      .setIssuer(ISSUER)
      .setAudience(RESOURCE)
      .setSubject('ann')
      .setExpirationTime(this.now / 1000 + seconds);
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

describe('a token that was verified', () => {
  const DAY_SECONDS = 30 * 24 * 3600;

  /** What is open for it ends when its principal is gone; a request with it is told by `outcome`. */
  async function isGone(rig: AuthenticationRig, authorization: string, principal: Principal): Promise<void> {
    await expect.poll(() => rig.authentication.principal(principal)).toBeUndefined();
    expect(await rig.outcome({ authorization })).toBe('unauthorized');
  }

  it('counts no longer than its key is published, also when nobody comes with another', async () => {
    const issuer = new Issuer();
    await using rig = await issuer.start();
    const ended = vi.fn<() => void>();
    rig.authentication.onChange(ended);
    const authorization = await issuer.token('one', DAY_SECONDS);
    const principal = await rig.ask({ authorization });
    issuer.keys.push({ kid: 'two', key: two.publicKey });
    issuer.now += 11 * MINUTE;
    await rig.authentication.renewKeys();
    // Further keys change nothing for it: not even its principal is another.
    expect(await rig.ask({ authorization })).toBe(principal);
    const asked = issuer.fetched.length;
    issuer.keys.shift();
    issuer.now += 5 * MINUTE;
    await rig.authentication.renewKeys();
    expect([issuer.fetched.length, rig.authentication.principal(principal)]).toEqual([asked, principal]);
    issuer.now += 6 * MINUTE;
    await rig.authentication.renewKeys();
    await isGone(rig, authorization, principal);
    expect(ended).toHaveBeenCalled();
  });

  it('goes when another key has the name of its own', async () => {
    const issuer = new Issuer();
    await using rig = await issuer.start();
    const authorization = await issuer.token('one', DAY_SECONDS);
    const principal = await rig.ask({ authorization });
    issuer.keys = [{ kid: 'one', key: two.publicKey }];
    issuer.now += 11 * MINUTE;
    await rig.authentication.renewKeys();
    await isGone(rig, authorization, principal);
  });

  it('goes when its key could not be confirmed for a day, and counts again when it can', async () => {
    const issuer = new Issuer();
    await using rig = await issuer.start();
    const authorization = await issuer.token('one', DAY_SECONDS);
    const principal = await rig.ask({ authorization });
    issuer.isDown = true;
    issuer.now += 23 * HOUR;
    await rig.authentication.renewKeys();
    expect(await rig.ask({ authorization })).toBe(principal);
    issuer.now += 2 * HOUR;
    await rig.authentication.renewKeys();
    await isGone(rig, authorization, principal);
    issuer.isDown = false;
    issuer.now += MINUTE;
    expect(await rig.outcome({ authorization })).toBe('accepted');
  });

  it.each([
    ['its issuer is not trusted any more', []],
    ['its algorithm is not accepted any more', [{ issuer: ISSUER, algorithms: ['RS256' as const] }]],
    ['its keys come from a file with another key', [{ issuer: ISSUER, keys: publicKey(two.publicKey) }]],
    [
      'its issuer signs with a secret now',
      [{ issuer: ISSUER, keys: { kind: 'secret', secret: 'x'.repeat(40) } as const }],
    ],
  ])('goes when %s', async (_, issuers) => {
    const issuer = new Issuer();
    await using rig = await issuer.start();
    const authorization = await issuer.token('one', DAY_SECONDS);
    const principal = await rig.ask({ authorization });
    await rig.trust(issuers);
    await isGone(rig, authorization, principal);
  });

  it('goes with the key that is taken out of the configuration, and not with the one beside it', async () => {
    const issuer = new Issuer();
    await using rig = await issuer.start();
    const both = { issuer: ISSUER, keys: publicKey(one.publicKey, two.publicKey) };
    await rig.trust([both]);
    const [gone, stays] = [await issuer.token('one', DAY_SECONDS), await issuer.token('two', DAY_SECONDS)];
    const [lost, kept] = [await rig.ask({ authorization: gone }), await rig.ask({ authorization: stays })];
    await rig.trust([{ issuer: ISSUER, keys: publicKey(two.publicKey) }]);
    await isGone(rig, gone, lost);
    expect(rig.authentication.principal(kept)).toBe(kept);
    expect(await rig.ask({ authorization: stays })).toBe(kept);
  });

  it('has the rights that the configuration of now gives it', async () => {
    const issuer = new Issuer();
    await using rig = await issuer.start();
    const authorization = await issuer.token('one', DAY_SECONDS);
    const principal = await rig.ask({ authorization });
    expect(principal.grants.some(({ permissions }) => permissions.has('status.read'))).toBe(false);
    await rig.trust([{ issuer: ISSUER, roles: ['operator'] }]);
    await expect.poll(() => rig.authentication.principal(principal)).not.toBe(principal);
    const now = rig.authentication.principal(principal);
    expect(now?.grants.some(({ permissions }) => permissions.has('status.read'))).toBe(true);
  });
});

function publicKey(...keys: readonly KeyObject[]): { readonly kind: 'public'; readonly keys: readonly string[] } {
  return { kind: 'public', keys: keys.map((key) => key.export({ type: 'spki', format: 'pem' })) };
}
