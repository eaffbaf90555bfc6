/** Signed requests: who sends one knows a shared secret, and nobody can send it again. The scheme of gh-aw-mcpg. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { GatewayError } from '../shared/errors.ts';
import type { RequestHead } from '../shared/request-head.ts';

export interface RequestSignatures {
  /**
   * Throws `unauthorized` unless the headers sign this request and were never seen before. `body` is '' for requests
   * without one.
   */
  check(request: RequestHead, body: string | Buffer): void;
}

/** Clocks may differ by so much, in seconds. */
const WINDOW_SECONDS = 30;
/** A nonce is remembered for as long as its timestamp can be accepted, on either side of now. */
const NONCE_LIFETIME_MS = 2 * WINDOW_SECONDS * 1000;
const MAX_NONCE_LENGTH = 256;
const MAX_NONCES = 500_000;

export function createRequestSignatures(secret: string, now: () => number = Date.now): RequestSignatures {
  const nonces = new Nonces();
  return {
    check(request, body) {
      const [timestamp, nonce, signature] = ['x-mcp-timestamp', 'x-mcp-nonce', 'x-mcp-signature'].map((name) =>
        soleHeader(request, name),
      );
      if (
        timestamp === undefined ||
        nonce === undefined ||
        signature === undefined ||
        nonce.length > MAX_NONCE_LENGTH
      ) {
        throw refused('missing HMAC signature headers');
      }
      if (!/^\d{1,12}$/.test(timestamp)) throw refused('invalid HMAC timestamp');
      if (Math.abs(now() / 1000 - Number(timestamp)) > WINDOW_SECONDS) {
        throw refused('HMAC timestamp out of acceptable window');
      }
      if (nonces.has(nonce, now())) throw refused('HMAC nonce already used (replay detected)');
      if (!matches(signature, sign(secret, { timestamp, nonce, path: pathOf(request), body }))) {
        throw refused('invalid HMAC signature');
      }
      // Only now: who does not know the secret can neither use up nonces nor fill the memory.
      if (!nonces.add(nonce, now())) throw refused('too many signed requests at once');
    },
  };
}

export interface SignedParts {
  /** Seconds since 1970, as text. */
  readonly timestamp: string;
  readonly nonce: string;
  /** Path of the URL without the query, such as `/mcp/github`. */
  readonly path: string;
  readonly body: string | Buffer;
}

/** HMAC-SHA256 over timestamp, nonce, path and the SHA-256 of the body, each on its line; hexadecimal. */
export function sign(secret: string, { timestamp, nonce, path, body }: SignedParts): string {
  const digest = createHash('sha256').update(body).digest('hex');
  return createHmac('sha256', secret).update([timestamp, nonce, path, digest].join('\n')).digest('hex');
}

function matches(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given.toLowerCase()), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}

/** Two generations of a set: the older one is dropped when all in it have expired. */
class Nonces {
  #young = new Set<string>();
  #old = new Set<string>();
  #turnedAt = 0;

  has(nonce: string, now: number): boolean {
    this.#turn(now);
    return this.#young.has(nonce) || this.#old.has(nonce);
  }

  /** False when there is no room; forgetting one early would let it be used again. */
  add(nonce: string, now: number): boolean {
    this.#turn(now);
    if (this.#young.size >= MAX_NONCES) return false;
    this.#young.add(nonce);
    return true;
  }

  #turn(now: number): void {
    if (now - this.#turnedAt < NONCE_LIFETIME_MS) return;
    this.#old = now - this.#turnedAt < 2 * NONCE_LIFETIME_MS ? this.#young : new Set();
    this.#young = new Set();
    this.#turnedAt = now;
  }
}

function soleHeader({ rawHeaders }: RequestHead, name: string): string | undefined {
  const values: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === name) values.push(rawHeaders[index + 1] ?? '');
  }
  return values.length === 1 && values[0] !== '' ? values[0] : undefined;
}

function pathOf({ url = '' }: RequestHead): string {
  const path = url.split('?', 1)[0] ?? '';
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function refused(message: string): GatewayError {
  return new GatewayError('unauthorized', message);
}
