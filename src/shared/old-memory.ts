/** How far old memory grows between two full collections. */
import { setFlagsFromString } from 'node:v8';

/**
 * From now on it may double. By itself V8 lets it grow by next to nothing while a program allocates little: at 2,000 calls
 * a second it then goes through everything each second or two, with 20 to 30 ms of the event loop and as much of other
 * threads. Call it when the start is over, so that what the start leaves behind is collected before.
 */
export function letOldMemoryDouble(): void {
  setFlagsFromString('--heap-growing-percent=100');
}
