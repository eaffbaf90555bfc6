/** The keys that tokens of one issuer may be signed with, and how a signature is checked with them. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { errors, jwtVerify, type JWTPayload, type JWTVerifyOptions, type JWTVerifyResult } from 'jose';
import type { JwtAlgorithm, JwtIssuerConfig } from '../../config/auth-config.ts';
import type { KeySet } from './key-set.ts';
import { fingerprintOf, type SigningKey } from './signing-key.ts';

export interface IssuerKeys {
  /** The claims of a token that is signed with one of the keys and passes `options`. Rejects with a JOSEError, or an Error. */
  verify(token: string, options: JWTVerifyOptions): Promise<SignedClaims>;
  /** True while a token that was signed with this key, and names it like this, would be accepted. */
  holds(key: SigningKey): boolean;
}

export interface SignedClaims {
  readonly payload: JWTPayload;
  readonly key: SigningKey;
}

/** Rejects when a key cannot be read, or is none. */
export async function keysOf(
  { keys, algorithms }: Pick<JwtIssuerConfig, 'keys' | 'algorithms'>,
  keySet: () => KeySet,
): Promise<IssuerKeys> {
  switch (keys.kind) {
    case 'secret': {
      const secret = Buffer.from(keys.secret);
      const fingerprint = fingerprintOf(secret);
      const allowed = algorithmNames(algorithms ?? ['HS256']);
      return {
        verify: async (token, options) =>
          signedClaims(await jwtVerify(token, secret, { ...options, algorithms: allowed }), fingerprint),
        holds: (key) => key.fingerprint === fingerprint && allowed.includes(key.algorithm),
      };
    }
    case 'public': {
      const known = await Promise.all(keys.keys.map(publicKey));
      const isAllowed = ({ algorithm }: PublicKey): boolean => algorithms?.includes(algorithm) !== false;
      return {
        verify: (token, options) => verifyWithAny(token, known.filter(isAllowed), options),
        holds: (key) => known.some((one) => one.fingerprint === key.fingerprint && isAllowed(one)),
      };
    }
    case 'jwks':
    case 'discovery': {
      const set = keySet();
      const allowed = algorithmNames(algorithms ?? ['RS256', 'ES256', 'EdDSA']);
      return {
        verify: async (token, options) => {
          const result = await jwtVerify(token, set.get, { ...options, algorithms: allowed });
          return signedClaims(result, fingerprintOf(result.key));
        },
        holds: (key) => allowed.includes(key.algorithm) && set.holds(key),
      };
    }
  }
}

function signedClaims({ payload, protectedHeader: { kid, alg } }: JWTVerifyResult, fingerprint: string): SignedClaims {
  return { payload, key: { fingerprint, kid, algorithm: alg } };
}

interface PublicKey {
  readonly key: KeyObject;
  readonly fingerprint: string;
  readonly algorithm: JwtAlgorithm;
}

async function verifyWithAny(
  token: string,
  keys: readonly PublicKey[],
  options: JWTVerifyOptions,
): Promise<SignedClaims> {
  let failure: unknown = new errors.JWKSNoMatchingKey();
  for (const { key, fingerprint, algorithm } of keys) {
    try {
      const result = await jwtVerify(token, key, { ...options, algorithms: algorithmNames([algorithm]) });
      return signedClaims(result, fingerprint);
    } catch (error) {
      // Another key may fit; a token that is out of date is so under every key.
      if (!isAboutTheKey(error)) throw error;
      failure = error;
    }
  }
  throw failure;
}

function isAboutTheKey(error: unknown): boolean {
  return error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JOSEAlgNotAllowed;
}

/** Path or PEM. */
async function publicKey(text: string): Promise<PublicKey> {
  const pem = text.includes('-----BEGIN') ? text : await readFile(text, 'utf8');
  if (pem.includes('PRIVATE KEY')) throw new Error('a private key stands where a public key belongs');
  const key = createPublicKey(pem);
  const algorithm = algorithmOf(key);
  if (algorithm === undefined)
    throw new Error(
      `a public key of type ${key.asymmetricKeyType ?? 'unknown'} cannot be used; RSA (2048 bits or more), P-256 and Ed25519 can`,
    );
  return { key, fingerprint: fingerprintOf(key), algorithm };
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): JwtAlgorithm | undefined {
  if (asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= 2048) return 'RS256';
  if (asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ES256';
  return asymmetricKeyType === 'ed25519' ? 'EdDSA' : undefined;
}

/** RFC 9864 calls EdDSA with this curve by its own name. */
function algorithmNames(algorithms: readonly JwtAlgorithm[]): string[] {
  return algorithms.flatMap((algorithm) => (algorithm === 'EdDSA' ? ['EdDSA', 'Ed25519'] : [algorithm]));
}
