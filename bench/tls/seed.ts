/**
 * The two failures that were reported of another gateway, step by step in the words of the report: its openssl and curl
 * commands, its paths, ports and signals. They run in namespaces of their own, where /tmp/certs, the ports and the
 * processes that `pgrep` sees are nobody else's; that needs root.
 */
import { runInOwnNamespaces } from '../machine/own-namespaces.ts';
import { keepProof, type Proof } from '../report/proof-page.ts';
import { TLS_PROOFS } from './page.ts';

const INSIDE = new URL('seed-inside.ts', import.meta.url);

export interface SeedResult {
  readonly ok: boolean;
  readonly net01: Proof['rows'];
  readonly net02: Proof['rows'];
}

export async function proveSeed(): Promise<void> {
  const result = (await runInOwnNamespaces(INSIDE)) as SeedResult;
  await keepProof(TLS_PROOFS, '1-net-01', {
    title: 'NET-01 as reported: a server that insists on a client certificate',
    how: 'Certificates by the commands of the report (CN=localhost, no SAN), the server on port 9000 with CERT_REQUIRED, the gateway on 8443. The server is registered by configuration, in the words of the request of the report (`tls_config` with `ca_cert`, `client_cert`, `client_key`), under its own name and as `http`, which is the path of its step 1.4. Registered over the API, on both stores: [registered servers](registry-proofs.md).',
    rows: result.net01,
  });
  await keepProof(TLS_PROOFS, '2-net-02', {
    title: 'NET-02 as reported: rotation by SIGHUP',
    how: 'The monitor loop of the report (a curl each half second) runs while its commands make a new certificate, copy it over the old one and send `kill -HUP $(pgrep -f mcpgateway)`, twenty times.',
    rows: result.net02,
  });
  if (!result.ok) process.exitCode = 1;
}
