/** `npm start`: a gateway in front of demonstration servers. The work is in `start/main.ts`. */
import { continueIn } from './bootstrap.mjs';

await continueIn('scripts/start/main.ts');
