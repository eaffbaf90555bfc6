/** How long to wait before a server is opened anew. */
import { backoffDelay } from '../shared/backoff.ts';

const FIRST_PAUSE_MS = 100;
/** A server that had come up is wanted back at once; only one that dies so often in a row is treated like one that does not start. */
const CRASH_BACKOFF = { firstMs: 50, longestMs: 200 };
export const CRASHES_IN_A_ROW = 30;

/**
 * In ms. `failures`: starts in a row that failed; `crashes`: conversations in a row that were opened and soon lost;
 * `longestMs`: the longest pause for what does not start.
 */
export function restartDelay(failures: number, crashes: number, longestMs: number): number {
  return failures === 0 && crashes > 0
    ? backoffDelay(crashes - 1, CRASH_BACKOFF)
    : backoffDelay(failures, { firstMs: FIRST_PAUSE_MS, longestMs });
}
