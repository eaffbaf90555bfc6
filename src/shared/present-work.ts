/** What is done together at the end of the present work. */

const DONE = Promise.resolve();

/**
 * Calls back once nothing is left to do but to wait for something outside: after all that follows through promises from what
 * is being done now. A tick of its own would come before them.
 */
export function afterPresentWork<T>(run: (argument: T) => void, argument: T): void {
  void DONE.then(() => process.nextTick(run, argument));
}
