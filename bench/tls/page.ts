/** The page of what is measured of mTLS and rotation. */
import type { ProofPage } from '../report/proof-page.ts';

export const TLS_PROOFS: ProofPage = {
  file: 'tls-proofs.md',
  title: 'Measured: mTLS and rotation',
  introduction:
    'Real TLS between real processes on one machine: gateway, server and clients share its cores. `node bench/tls/main.ts` measures all of it again and writes this page; `node bench/tls/main.ts NAME` one of them. Small versions of the same run with every `npm test` (`test/tls`).',
  results: new URL('./results.json', import.meta.url),
};
