/** `npm run check`: everything that can be said of the sources without running them. */
import { CHECKS, runCheck } from './test/checks.ts';

for (const check of CHECKS) {
  if (!(await runCheck(check))) process.exitCode = 1;
}
