/** Signs a JWT with a key of the operator, for gateways whose configuration trusts that key. */
import { createPrivateKey, randomUUID, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { SignJWT } from 'jose';

export interface JwtWish {
  /** Path of a PEM file with a private key, or of a file with a text of at least 32 bytes for HS256. */
  readonly keyFile: string;
  readonly issuer: string;
  readonly audience: string;
  /** Email address; also the `sub`. */
  readonly user: string;
  readonly roles: readonly string[];
  readonly permissions: readonly string[] | undefined;
  readonly teams: readonly string[] | undefined;
  readonly virtualServers: readonly string[] | undefined;
  /** ms since the epoch. */
  readonly expiresAt: number | undefined;
}

const MIN_SECRET_BYTES = 32;

/** Rejects with an Error when the key cannot be used. */
export async function mintJwt(wish: JwtWish): Promise<{ readonly text: string; readonly id: string }> {
  const { key, algorithm } = await readKey(wish.keyFile);
  const id = randomUUID();
  const claims = {
    email: wish.user,
    ...(wish.roles.length === 0 ? {} : { roles: wish.roles }),
    ...(wish.permissions === undefined ? {} : { scope: wish.permissions.join(' ') }),
    ...(wish.teams === undefined ? {} : { teams: wish.teams }),
    ...(wish.virtualServers === undefined ? {} : { virtual_servers: wish.virtualServers }),
  };
  const token = new SignJWT(claims)
    .setProtectedHeader({ alg: algorithm, typ: 'at+jwt' })
    .setIssuer(wish.issuer)
    .setAudience(wish.audience)
    .setSubject(wish.user)
    .setJti(id)
    .setIssuedAt();
  if (wish.expiresAt !== undefined) token.setExpirationTime(Math.floor(wish.expiresAt / 1000));
  return { text: await token.sign(key), id };
}

async function readKey(file: string): Promise<{ readonly key: KeyObject | Uint8Array; readonly algorithm: string }> {
  const text = (await readFile(file, 'utf8')).trim();
  if (!text.includes('-----BEGIN')) {
    const secret = Buffer.from(text);
    if (secret.length < MIN_SECRET_BYTES) throw new Error(`a secret needs at least ${MIN_SECRET_BYTES} bytes`);
    return { key: secret, algorithm: 'HS256' };
  }
  const key = createPrivateKey(text);
  const { asymmetricKeyType, asymmetricKeyDetails } = key;
  if (asymmetricKeyType === 'rsa') return { key, algorithm: 'RS256' };
  if (asymmetricKeyType === 'ed25519') return { key, algorithm: 'EdDSA' };
  if (asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1')
    return { key, algorithm: 'ES256' };
  throw new Error('the key must be RSA, P-256 or Ed25519');
}
