/** A part of a Runtime that the next Runtime takes over as it is when nothing that it was made from has changed. */
import { isDeepStrictEqual } from 'node:util';
import { Shared } from '../shared/shared-lease.ts';

export interface Part<T extends AsyncDisposable> {
  /** Everything that the thing was made from; plain data. */
  readonly madeFrom: unknown;
  readonly shared: Shared<T>;
}

/** The part before when it was made from the same, else a new one. The caller must lease it. */
export async function carryOver<T extends AsyncDisposable>(
  before: Part<T> | undefined,
  madeFrom: unknown,
  make: () => T | Promise<T>,
): Promise<Part<T>> {
  if (before !== undefined && isGoodFor(before, madeFrom)) return before;
  return { madeFrom, shared: new Shared(await make()) };
}

/** True when it would be made from the same, and lives. */
export function isGoodFor(part: Part<AsyncDisposable> | undefined, madeFrom: unknown): boolean {
  return part !== undefined && !part.shared.ended && isDeepStrictEqual(part.madeFrom, madeFrom);
}
