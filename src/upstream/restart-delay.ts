/** How long to wait before a server is opened anew. */
import { backoffDelay } from '../shared/backoff.ts';

const RESTART_BACKOFF = { firstMs: 100, longestMs: 30_000 };
/** A server that had come up is wanted back at once; only one that dies so often in a row is treated like one that does not start. */
const CRASH_BACKOFF = { firstMs: 50, longestMs: 200 };
export const CRASHES_IN_A_ROW = 30;

/** In ms. `failures`: starts in a row that failed; `crashes`: conversations in a row that were opened and soon lost. */
export function restartDelay(failures: number, crashes: number): number {
  return failures === 0 && crashes > 0
    ? backoffDelay(crashes - 1, CRASH_BACKOFF)
    : backoffDelay(failures, RESTART_BACKOFF);
}
