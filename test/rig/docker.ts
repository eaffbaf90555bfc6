/** Whether tests can use containers on this machine. */
import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** Empty when an engine answers; otherwise one sentence that says why none does. */
    dockerMissing: string;
  }
}

/**
 * True when no Docker engine can be had: `describe.skipIf(dockerMissing())`. `npm test` on Debian as root installs and
 * starts one, so nothing is skipped there; `global-setup.ts` starts an installed one for a lone `vitest run`.
 */
export function dockerMissing(): boolean {
  return inject('dockerMissing') !== '';
}
