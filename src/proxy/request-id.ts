/** Correlation ids of requests: in the log, in errors and in the X-Request-Id header. */
import { randomBytes } from 'node:crypto';

const ID_DIGITS = 16;
/** Asking the system for randomness costs more than a request may: it is asked for many ids at once. */
const BYTES_AT_ONCE = 512 * (ID_DIGITS / 2);
let digits = '';
let used = 0;

/** 16 hexadecimal digits that nobody can guess. */
export function newRequestId(): string {
  if (used === digits.length) {
    digits = randomBytes(BYTES_AT_ONCE).toString('hex');
    used = 0;
  }
  return digits.slice(used, (used += ID_DIGITS));
}
