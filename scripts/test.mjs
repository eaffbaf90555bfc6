/** `npm test`: sets up what the tests need and runs all of them. The work is in `test/main.ts`. */
import { continueIn } from './bootstrap.mjs';

await continueIn('scripts/test/main.ts');
