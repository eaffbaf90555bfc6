/** The keys that secrets are sealed with, as an operator gives them: one key, or while keys are changed several. */
import { createHash, randomBytes } from 'node:crypto';
import { StoreError } from '../store.ts';

const KEY_BYTES = 32;

export interface SealKey {
  /** Says which key it is without telling anything of it: 16 hexadecimal digits of a hash. */
  readonly id: string;
  readonly bytes: Buffer;
}

/** The first one is what a rekey goes over to; the others open what was sealed before. */
export type KeyRing = readonly [SealKey, ...SealKey[]];

/** How to get the text of a key ring; called again when the store turns out to use a key that is not in it. */
export type KeySource = () => Promise<string>;

/** A new key as it stands in a key file. */
export function newKeyText(): string {
  return randomBytes(KEY_BYTES).toString('base64');
}

/**
 * Reads keys that are separated by white space or commas, each 32 bytes as base64, base64url or hexadecimal digits.
 * `where` names their source in errors, which never contain a key.
 */
export function parseKeyRing(text: string, where: string): KeyRing {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  const keys = words.map((word, at) => {
    const bytes = bytesOf(word);
    if (bytes === undefined)
      throw new StoreError(
        'unavailable',
        `${where}: key ${at + 1} is not 32 bytes in base64 or hexadecimal digits. Make one with 'openssl rand -base64 32'.`,
      );
    return { id: createHash('sha256').update('gatehouse key id').update(bytes).digest('hex').slice(0, 16), bytes };
  });
  const [first, ...rest] = keys;
  if (first === undefined)
    throw new StoreError('unavailable', `${where}: no key. Make one with 'openssl rand -base64 32'.`);
  return [first, ...rest];
}

function bytesOf(word: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(word)) return Buffer.from(word, 'hex');
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(word)) return undefined;
  return Buffer.from(word, 'base64');
}
