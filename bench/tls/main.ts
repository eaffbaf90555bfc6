/** `node bench/tls/main.ts [NAME…]`: measures what the guide promises of mTLS and rotation, and writes docs/reference/tls-proofs.md. */
import { proveBadMaterial } from './bad-material.ts';
import { proveLoad } from './load.ts';
import { proveSeed } from './seed.ts';
import { proveStreams } from './streams.ts';
import { proveTrust } from './trust.ts';

const PROOFS: Readonly<Record<string, () => Promise<void>>> = {
  seed: proveSeed,
  streams: proveStreams,
  load: proveLoad,
  'bad-material': proveBadMaterial,
  trust: proveTrust,
};

const wanted = process.argv.slice(2);
for (const name of wanted.length === 0 ? Object.keys(PROOFS) : wanted) {
  const prove = PROOFS[name];
  if (prove === undefined) throw new Error(`there is no proof "${name}"; there are ${Object.keys(PROOFS).join(', ')}`);
  console.log(name);
  await prove();
}
