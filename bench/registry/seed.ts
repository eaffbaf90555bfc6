/**
 * NET-01 as it was reported, steps 1.1 to 1.4 to the letter: its commands, its folder /tmp/certs, its ports 8443 and 9000,
 * on both stores. It runs in namespaces of its own, where all of them are nobody else's; that needs root.
 */
import { runInOwnNamespaces } from '../machine/own-namespaces.ts';
import { keepProof, type Proof } from '../report/proof-page.ts';
import { REGISTRY_PROOFS } from './page.ts';

const INSIDE = new URL('seed-inside.ts', import.meta.url);

export interface SeedResult {
  readonly ok: boolean;
  readonly rows: Proof['rows'];
}

export async function proveSeed(): Promise<void> {
  const { ok, rows } = (await runInOwnNamespaces(INSIDE)) as SeedResult;
  await keepProof(REGISTRY_PROOFS, '1-seed', {
    title: 'NET-01 as reported, registered over the API',
    how: 'Steps 1.1 to 1.4 by the commands of the report: its certificates (CN=localhost, no SAN), a server on port 9000 with CERT_REQUIRED, `gatehouse serve` with TLS on 8443, its `POST /gateways`, its `tools/list` by `POST /mcp/http`.',
    rows,
  });
  if (!ok) process.exitCode = 1;
}
