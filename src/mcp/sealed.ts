/** Values that clients carry for the gateway and cannot read or change: AES-256-GCM, bound to a principal and a purpose, with an end. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { Json } from './message.ts';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = 1;
/** Longer texts cannot come from us. */
const MAX_LENGTH = 16 * 1024;
const BASE64URL = /^[A-Za-z0-9_-]+$/;

export interface Seal {
  /** What the value is for: a value sealed for one purpose opens for no other. */
  readonly purpose: string;
  /** Subject of the principal: nobody else can open it. */
  readonly principal: string;
}

export class Sealer {
  readonly #key: Buffer;

  /** `secret`: at least 32 bytes; without one the values live as long as this process. */
  constructor(secret: Uint8Array = randomBytes(32)) {
    if (secret.length < 32) throw new RangeError('the secret of a sealer must have at least 32 bytes');
    this.#key = Buffer.from(hkdfSync('sha256', secret, '', 'gatehouse sealed values', 32));
  }

  /** The sealed value as base64url text. `ttlMs` from `now` on it can no longer be opened. */
  seal(value: Json, seal: Seal, ttlMs: number, now = Date.now()): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce).setAAD(binding(seal));
    const plain = Buffer.from(JSON.stringify([now + ttlMs, value]), 'utf8');
    const body = Buffer.concat([cipher.update(plain), cipher.final()]);
    return Buffer.concat([Buffer.of(VERSION), nonce, body, cipher.getAuthTag()]).toString('base64url');
  }

  /** The value; undefined for everything that was not sealed by us, for this principal and purpose, or has expired. */
  open(text: string, seal: Seal, now = Date.now()): Json | undefined {
    if (text.length > MAX_LENGTH || !BASE64URL.test(text)) return undefined;
    const bytes = Buffer.from(text, 'base64url');
    if (bytes[0] !== VERSION || bytes.length <= 1 + NONCE_BYTES + TAG_BYTES) return undefined;
    // Texts that differ only in bits that base64 does not use would be one value under two names.
    if (bytes.toString('base64url') !== text) return undefined;
    const nonce = bytes.subarray(1, 1 + NONCE_BYTES);
    const decipher = createDecipheriv(CIPHER, this.#key, nonce, { authTagLength: TAG_BYTES }).setAAD(binding(seal));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      const body = bytes.subarray(1 + NONCE_BYTES, -TAG_BYTES);
      const plain = Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
      const [expires, value] = JSON.parse(plain) as [number, Json];
      return now < expires ? value : undefined;
    } catch {
      return undefined;
    }
  }
}

/** Lengths in front keep two pairs from meaning the same bytes. */
function binding({ purpose, principal }: Seal): Buffer {
  return Buffer.from(JSON.stringify([VERSION, purpose, principal]), 'utf8');
}
