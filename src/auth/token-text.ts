/** What an API token looks like. Its text is shown once, when it is made; only its hash is kept. */
import { hash, randomBytes } from 'node:crypto';

/** By this a token is recognised, here and by scanners that look for leaked ones. */
const PREFIX = 'gth_';
const FORM = /^gth_[A-Za-z0-9_-]{43}$/;
const SHOWN_LENGTH = 12;

export interface TokenText {
  /** Shown to its owner, once. Secret. */
  readonly text: string;
  /** `TokenRecord.hash` */
  readonly hash: string;
  /** `TokenRecord.prefix`: enough to tell tokens apart, too little to use one. */
  readonly prefix: string;
}

/** A new token, of 256 random bits. */
export function createTokenText(): TokenText {
  const text = `${PREFIX}${randomBytes(32).toString('base64url')}`;
  return { text, hash: hashOfToken(text), prefix: text.slice(0, SHOWN_LENGTH) };
}

/** Who calls with the token of this id. */
export function subjectOfToken(id: string): string {
  return `token:${id}`;
}

export function isTokenText(credential: string): boolean {
  return FORM.test(credential);
}

/** One round suffices: nobody can guess 256 random bits, whatever a try costs. */
export function hashOfToken(text: string): string {
  return hash('sha256', text, 'hex');
}
