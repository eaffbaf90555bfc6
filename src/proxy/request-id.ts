/** Correlation ids of requests: in the log, in errors and in the X-Request-Id header. */
import { randomFillSync } from 'node:crypto';

const ID_BYTES = 8;
/** Asking the system for randomness costs more than a request may: it is asked for many ids at once. */
const pool = Buffer.alloc(ID_BYTES * 512);
let used = pool.length;

/** 16 hexadecimal digits that nobody can guess. */
export function newRequestId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const id = pool.toString('hex', used, used + ID_BYTES);
  used += ID_BYTES;
  return id;
}
