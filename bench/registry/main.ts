/** `node bench/registry/main.ts [NAME…]`: measures what the guides promise of registered servers, and writes docs/reference/registry-proofs.md. */
import { runProofs } from '../report/run-proofs.ts';
import { proveCrashes } from './crashes.ts';
import { proveScale } from './scale.ts';
import { proveSeed } from './seed.ts';
import { proveTables } from './tables.ts';

await runProofs({
  seed: proveSeed,
  tables: proveTables,
  crashes: proveCrashes,
  scale: proveScale,
});
