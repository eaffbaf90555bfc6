/** `node bench/tls/main.ts [NAME…]`: measures what the guide promises of mTLS and rotation, and writes docs/reference/tls-proofs.md. */
import { runProofs } from '../report/run-proofs.ts';
import { proveBadMaterial } from './bad-material.ts';
import { proveLoad } from './load.ts';
import { proveSeed } from './seed.ts';
import { proveStreams } from './streams.ts';
import { proveTrust } from './trust.ts';

await runProofs({
  seed: proveSeed,
  streams: proveStreams,
  load: proveLoad,
  'bad-material': proveBadMaterial,
  trust: proveTrust,
});
