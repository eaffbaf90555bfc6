/** Tells V8 when to collect garbage: memory outside its heap, which bodies of messages take, would make it do so all the time. */
import { setFlagsFromString } from 'node:v8';

/** The first version of V8 that was measured with it. */
const MINIMUM_V8 = 14;

/**
 * Counts memory outside the heap together with the heap, instead of against a limit of 64 MiB of its own: a message of a
 * megabyte costs half as much then. Call it once, as early as possible.
 */
export function countAllMemoryTogether(): void {
  // An older version that does not know the flag would complain on stderr.
  if (Number.parseInt(process.versions.v8, 10) >= MINIMUM_V8)
    setFlagsFromString('--external-memory-accounted-in-global-limit');
}
