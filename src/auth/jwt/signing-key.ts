/** The key that a token was signed with, as it is remembered: enough to ask later whether it is still trusted. */
import { createHash, KeyObject, type webcrypto } from 'node:crypto';

export interface SigningKey {
  /** SHA-256 of the key, lower-case hexadecimal. */
  readonly fingerprint: string;
  /** As the token names it; undefined = it names none. */
  readonly kid: string | undefined;
  /** `alg` of the token. */
  readonly algorithm: string;
}

export function fingerprintOf(key: KeyObject | webcrypto.CryptoKey | Uint8Array): string {
  if (key instanceof Uint8Array) return sha256(key);
  const object = key instanceof KeyObject ? key : KeyObject.from(key);
  return sha256(object.type === 'secret' ? object.export() : object.export({ type: 'spki', format: 'der' }));
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
