/** `node bench/registry/main.ts [NAME…]`: measures what the guides promise of registered servers, and writes docs/reference/registry-proofs.md. */
import { proveCrashes } from './crashes.ts';
import { proveScale } from './scale.ts';
import { proveSeed } from './seed.ts';
import { proveTables } from './tables.ts';

const PROOFS: Readonly<Record<string, () => Promise<void>>> = {
  seed: proveSeed,
  tables: proveTables,
  crashes: proveCrashes,
  scale: proveScale,
};

const wanted = process.argv.slice(2);
for (const name of wanted.length === 0 ? Object.keys(PROOFS) : wanted) {
  const prove = PROOFS[name];
  if (prove === undefined) throw new Error(`there is no proof "${name}"; there are ${Object.keys(PROOFS).join(', ')}`);
  console.log(name);
  await prove();
}
