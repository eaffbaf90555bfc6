/** How much memory V8 takes for young objects: little while a program starts, as much as it likes afterwards. */
import { setFlagsFromString } from 'node:v8';

/**
 * What is loaded at a start survives, which looks to V8 as if young objects needed more room. It would take 16 MB for
 * them, and an idle process gives nothing back. Call it before the modules are loaded.
 */
export function keepYoungMemorySmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** The start is over: from now on V8 doubles the room for young objects when it sees a reason to, as it always does. */
export function letYoungMemoryGrow(): void {
  setFlagsFromString('--semi-space-growth-factor=2');
}
