/** JWTs as an identity provider issues them, and the key that they are verified with. */
import { generateKeyPairSync, sign } from 'node:crypto';

const HOURS = 12;

export interface SignedTokens {
  /** PEM. */
  readonly publicKey: string;
  /** For different users. */
  readonly tokens: readonly string[];
}

export function signedTokens(
  algorithm: 'RS256' | 'ES256',
  count: number,
  issuer: string,
  audience: string,
): SignedTokens {
  const encoding = {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  } as const;
  const { publicKey, privateKey } =
    algorithm === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048, ...encoding })
      : generateKeyPairSync('ec', { namedCurve: 'P-256', ...encoding });
  const now = Math.floor(Date.now() / 1_000);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const tokens = Array.from({ length: count }, (_, index) => {
    const claims = {
      iss: issuer,
      aud: audience,
      sub: `user-${index}`,
      email: `user-${index}@example.com`,
      roles: ['developer'],
      iat: now,
      exp: now + HOURS * 3_600,
      jti: `bench-${index}`,
    };
    const text = `${part({ alg: algorithm, typ: 'JWT' })}.${part(claims)}`;
    const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    return `${text}.${signature.toString('base64url')}`;
  });
  return { publicKey, tokens };
}
