/** Waiting times between tries: doubling from a first to a longest one, with jitter so that many do not try at once. */

export interface BackoffOptions {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** The wait before try number `failures` + 1, in ms: between half and the whole of the doubled time. */
export function backoffDelay(failures: number, { firstMs, longestMs }: BackoffOptions): number {
  const full = Math.min(longestMs, firstMs * 2 ** Math.min(failures, 30));
  return full / 2 + Math.random() * (full / 2);
}
