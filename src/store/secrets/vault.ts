/** Seals the secrets of records before they are written, and opens them when they are read: AES-256-GCM, each bound to its row. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { StoreError } from '../store.ts';
import { type KeyRing, type KeySource, parseKeyRing, type SealKey } from './key-ring.ts';

const CIPHER = 'aes-256-gcm';
const FORMAT = 'v1';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export class Vault {
  readonly #source: KeySource;
  readonly #where: string;
  #ring: KeyRing;
  /** All keys that were ever given, by id: a value that was read before a change of keys opens after it. */
  readonly #known = new Map<string, SealKey>();

  private constructor(source: KeySource, where: string, ring: KeyRing) {
    this.#source = source;
    this.#where = where;
    this.#ring = ring;
    this.#learn(ring);
  }

  /** `where` names the source of the keys in errors. */
  static async open(source: KeySource, where: string): Promise<Vault> {
    return new Vault(source, where, parseKeyRing(await source(), where));
  }

  /** Id of the key that a rekey goes over to. */
  get target(): string {
    return this.#ring[0].id;
  }

  /** Ids of all keys that are given. */
  get keyIds(): readonly string[] {
    return this.#ring.map(({ id }) => id);
  }

  /** Reads the keys again. */
  async reload(): Promise<void> {
    this.#ring = parseKeyRing(await this.#source(), this.#where);
    this.#learn(this.#ring);
  }

  #learn(ring: KeyRing): void {
    for (const key of ring) this.#known.set(key.id, key);
  }

  /** Rejects with a StoreError when there is no such key, also not after looking again. */
  async require(keyId: string): Promise<SealKey> {
    const known = this.#known.get(keyId);
    if (known !== undefined) return known;
    await this.reload();
    const found = this.#known.get(keyId);
    if (found !== undefined) return found;
    throw new StoreError(
      'unavailable',
      `${this.#where}: the secrets of the store are sealed with key ${keyId}, and only ${this.keyIds.join(', ')} is given. Give the key that the store was made with.`,
    );
  }

  /** `place` is where the value belongs, such as a table and an id: sealed for one place it opens in no other. */
  async seal(plain: string, place: string, keyId: string): Promise<string> {
    const { bytes } = await this.require(keyId);
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, bytes, nonce).setAAD(binding(place, keyId));
    const body = Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `${FORMAT}.${keyId}.${body.toString('base64')}`;
  }

  async unseal(sealed: string, place: string): Promise<string> {
    const [format, keyId = '', text = ''] = sealed.split('.');
    if (format !== FORMAT) throw broken(place);
    const { bytes } = await this.require(keyId);
    const body = Buffer.from(text, 'base64');
    if (body.length < NONCE_BYTES + TAG_BYTES) throw broken(place);
    const decipher = createDecipheriv(CIPHER, bytes, body.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
      .setAAD(binding(place, keyId))
      .setAuthTag(body.subarray(-TAG_BYTES));
    try {
      const plain = [decipher.update(body.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()];
      return Buffer.concat(plain).toString('utf8');
    } catch (error) {
      throw broken(place, error);
    }
  }
}

function binding(place: string, keyId: string): Buffer {
  return Buffer.from(JSON.stringify([FORMAT, keyId, place]), 'utf8');
}

function broken(place: string, cause?: unknown): StoreError {
  return new StoreError(
    'unavailable',
    `The secrets of ${place} cannot be opened: somebody has changed them in the database.`,
    { cause },
  );
}
