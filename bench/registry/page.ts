/** The page of what is measured of registered servers and their store. */
import type { ProofPage } from '../report/proof-page.ts';

export const REGISTRY_PROOFS: ProofPage = {
  file: 'registry-proofs.md',
  title: 'Measured: registered servers and their store',
  introduction:
    'Real processes on one machine, which share its cores. `node bench/registry/main.ts` measures all of it again and writes this page; `node bench/registry/main.ts NAME` one of them. Small versions of the same run with every `npm test` (`test/registry`, `test/store`).',
  results: new URL('./results.json', import.meta.url),
};
