/** The public keys of an issuer, fetched when needed, and kept over an outage of the issuer. */
import { createPublicKey } from 'node:crypto';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey, type LocalJWKSet } from 'jose';
import type { Logger } from 'pino';
import { keySetLocation } from './discovery.ts';
import { fingerprintOf, type SigningKey } from './signing-key.ts';

/**
 * GET of a URL, parsed as JSON. Rejects when that fails for any reason. `namedBy` is whose answer held the URL, where no
 * operator has written it: such a URL leads inside only where that is allowed.
 */
export type FetchJson = (url: URL, namedBy?: URL) => Promise<unknown>;

export interface KeySetOptions {
  /** `issuer`: found by its metadata. */
  readonly from: { readonly url: string } | { readonly issuer: string };
  readonly fetchJson: FetchJson;
  readonly log: Pick<Logger, 'warn' | 'info'>;
  /** ms since the epoch. */
  readonly now: () => number;
  /** Called when a key does not count any more that did before. */
  readonly onLoss: () => void;
}

/** After so long they are fetched again, beside the requests that go on with those at hand. */
const REFRESH_AFTER_MS = 10 * 60_000;
/** A token with an unknown key leads to a fetch, but not more often than this. */
const COOL_DOWN_MS = 30_000;
/** Keys that could not be confirmed for so long are not trusted any more. */
const LAST_GOOD_MS = 24 * 60 * 60_000;
const MAX_KEYS = 100;
const KEY_TYPES = new Set(['RSA', 'EC', 'OKP']);

interface Fetched {
  readonly keys: LocalJWKSet;
  /** Names under which each key is there, by its fingerprint. */
  readonly names: ReadonlyMap<string, ReadonlySet<string | undefined>>;
  /** When it was confirmed. */
  readonly at: number;
}

export class KeySet {
  readonly #options: KeySetOptions;
  #fetched: Fetched | undefined;
  /** It was told that the keys at hand do not count any more. */
  #isOver = false;
  #triedAt = Number.NEGATIVE_INFINITY;
  /** The one fetch that everybody waits for. */
  #fetching: Promise<void> | undefined;

  constructor(options: KeySetOptions) {
    this.#options = options;
  }

  /** The key for a token, by its `alg` and `kid`. Rejects with a JOSEError, or with an Error when there are no keys. */
  readonly get: JWTVerifyGetKey = async (header, token) => {
    const { now } = this.#options;
    const age = now() - (this.#fetched?.at ?? Number.NEGATIVE_INFINITY);
    if (age > LAST_GOOD_MS) await this.#refresh();
    else if (age > REFRESH_AFTER_MS) void this.#refresh();
    try {
      return await this.#usable()(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#refresh();
      return await this.#usable()(header, token);
    }
  };

  /** True while the key is among those that the issuer publishes, under the name that the token gives it. */
  holds({ fingerprint, kid }: SigningKey): boolean {
    const names = this.#current()?.names.get(fingerprint);
    return names !== undefined && (kid === undefined || names.has(kid));
  }

  /** Looks at the keys when it is time, for tokens that were verified long ago: they ask for none. Never rejects. */
  async renew(): Promise<void> {
    if (this.#fetched === undefined) return;
    if (this.#options.now() - this.#fetched.at > REFRESH_AFTER_MS) await this.#refresh();
    if (this.#current() !== undefined || this.#isOver) return;
    this.#isOver = true;
    this.#options.onLoss();
  }

  #usable(): LocalJWKSet {
    const current = this.#current();
    if (current === undefined) throw new Error('the keys of the issuer cannot be fetched');
    return current.keys;
  }

  #current(): Fetched | undefined {
    const { now } = this.#options;
    return this.#fetched !== undefined && now() - this.#fetched.at <= LAST_GOOD_MS ? this.#fetched : undefined;
  }

  /** Never rejects; keeps what there is when the issuer does not answer. */
  #refresh(): Promise<void> {
    const { now } = this.#options;
    if (this.#fetching === undefined && now() - this.#triedAt < COOL_DOWN_MS) return Promise.resolve();
    this.#triedAt = now();
    this.#fetching ??= this.#fetch().finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  async #fetch(): Promise<void> {
    const { from, fetchJson, log, now, onLoss } = this.#options;
    const issuer = 'issuer' in from ? from.issuer : from.url;
    try {
      const url = 'url' in from ? new URL(from.url) : await keySetLocation(from.issuer, fetchJson);
      const keys = publicKeys(await fetchJson(url, 'url' in from ? undefined : new URL(from.issuer)));
      const before = this.#fetched;
      this.#fetched = { keys: createLocalJWKSet(keys), names: namesOf(keys), at: now() };
      this.#isOver = false;
      log.info({ issuer, keys: keys.keys.length }, 'the keys of the token issuer were fetched');
      if (before !== undefined && lacks(this.#fetched.names, before.names)) onLoss();
    } catch (error) {
      log.warn(
        { err: error, issuer, lastGood: this.#fetched && new Date(this.#fetched.at).toISOString() },
        'the keys of the token issuer could not be fetched; the last good ones count for a day',
      );
    }
  }
}

function namesOf({ keys }: JSONWebKeySet): Fetched['names'] {
  const names = new Map<string, Set<string | undefined>>();
  for (const jwk of keys) {
    const fingerprint = fingerprintOfJwk(jwk);
    if (fingerprint === undefined) continue;
    const known = names.get(fingerprint) ?? new Set();
    names.set(fingerprint, known.add(jwk.kid));
  }
  return names;
}

/** undefined for a key that nobody here can verify with. */
function fingerprintOfJwk(jwk: JSONWebKeySet['keys'][number]): string | undefined {
  try {
    return fingerprintOf(createPublicKey({ key: { ...jwk }, format: 'jwk' }));
  } catch {
    return undefined;
  }
}

function lacks(now: Fetched['names'], before: Fetched['names']): boolean {
  return [...before].some(([fingerprint, kids]) => [...kids].some((kid) => now.get(fingerprint)?.has(kid) !== true));
}

/** A published key can only be a public one: what says otherwise would let anybody sign with it. */
function publicKeys(document: unknown): JSONWebKeySet {
  const keys = typeof document === 'object' && document !== null ? (document as { keys?: unknown }).keys : undefined;
  if (!Array.isArray(keys)) throw new Error('the key set has no "keys"');
  if (keys.length > MAX_KEYS) throw new Error(`the key set has more than ${MAX_KEYS} keys`);
  return {
    keys: (keys as readonly unknown[]).filter(
      (key): key is JSONWebKeySet['keys'][number] =>
        typeof key === 'object' &&
        key !== null &&
        KEY_TYPES.has(String((key as Record<string, unknown>)['kty'])) &&
        !('d' in key) &&
        (key as Record<string, unknown>)['use'] !== 'enc',
    ),
  };
}
