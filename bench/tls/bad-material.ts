/** Bad material in place of the live pair, and a hundred replacements that are seen half done. */
import { readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPki } from '../../test/rig/pki.ts';
import { badMaterials, put } from '../../test/tls/bad-material.ts';
import { servedSerial } from '../../test/tls/served-certificate.ts';
import { startStrictServer } from '../../test/tls/strict-server.ts';
import { startTlsGateway } from '../../test/tls/tls-gateway.ts';
import { keepProof } from '../report/proof-page.ts';
import { TLS_PROOFS } from './page.ts';

const ROTATIONS = Number(process.env['PROOF_ROTATIONS'] ?? 100);
const GAP_MS = 50;
const PROBE_MS = 20;
const LONGEST_MS = 10_000;

export async function proveBadMaterial(): Promise<void> {
  using pki = createPki();
  const names = { san: 'DNS:localhost,IP:127.0.0.1' };
  const server = pki.issue('localhost', { ...names, file: 'upstream' });
  const client = pki.issue('Gateway', { file: 'client' });
  const pair = [pki.issue('localhost', { ...names, file: 'one' }), pki.issue('localhost', { ...names, file: 'two' })];
  const live = { cert: pki.path('live.crt'), key: pki.path('live.key') };
  const [first] = pair;
  if (first === undefined) throw new Error('there are two');
  await copyFile(first.cert, live.cert);
  await copyFile(first.key, live.key);
  await using upstream = await startStrictServer({ ...server, ca: pki.ca.cert });
  await using gateway = await startTlsGateway({
    ca: pki.ca.cert,
    config: {
      mcpServers: {
        strict: {
          type: 'http',
          url: `${upstream.origin}/mcp`,
          tls: { ca: pki.ca.cert, cert: client.cert, key: client.key },
        },
      },
      gateway: { tls: live },
    },
    args: ['--watch', 'on'],
  });

  const materials = badMaterials(pki);
  const rows: (readonly [string, string])[] = [];
  let wrong = 0;
  for (const material of materials) {
    material.place(live);
    const { ok, errors } = await gateway.hangup();
    const served = await servedSerial(gateway.port).catch(() => 'no handshake');
    const answers = 'result' in (await gateway.rpc('strict', 'tools/list'));
    const kept = !ok && served === first.serial && answers;
    if (!kept) wrong++;
    const reason = (errors[0] ?? 'accepted').replaceAll(pki.folder, '').replaceAll('|', '\\|').slice(0, 200);
    rows.push([
      material.kind,
      kept ? `old pair served; “${reason}”` : `**WRONG**: ok ${String(ok)}, served ${served}; ${reason}`,
    ]);
  }
  put(live.cert, readFileSync(first.cert));
  put(live.key, readFileSync(first.key));
  await gateway.hangup();

  const probing = new AbortController();
  const probes = probe(gateway.port, new Set(pair.map(({ serial }) => serial)), probing.signal);
  let late = 0;
  for (let round = 1; round <= ROTATIONS; round++) {
    const next = pair[round % 2];
    if (next === undefined) throw new Error('there are two');
    put(live.cert, readFileSync(next.cert));
    process.kill(gateway.pid, 'SIGHUP');
    await sleep(GAP_MS);
    put(live.key, readFileSync(next.key));
    process.kill(gateway.pid, 'SIGHUP');
    const deadline = Date.now() + LONGEST_MS;
    while ((await servedSerial(gateway.port)) !== next.serial && Date.now() < deadline) await sleep(PROBE_MS);
    if ((await servedSerial(gateway.port)) !== next.serial) late++;
  }
  probing.abort();
  const { handshakes, failed } = await probes;
  const status = (await (await gateway.request('/status')).json()) as {
    reloads: { succeeded: number; failed: number };
  };
  await keepProof(TLS_PROOFS, '5-bad-material', {
    title: `${materials.length} kinds of bad material, and ${ROTATIONS} replacements seen half done`,
    how: `Each kind is put in the place of the live pair, followed by SIGHUP; then a new connection is made and a request sent. After that certificate and key are replaced ${GAP_MS} ms apart, with a signal after each and the files watched, while new connections are made without a pause.`,
    rows: [
      ...rows,
      [`${ROTATIONS} replacements: handshakes meanwhile, failed`, `${handshakes.toLocaleString('en')}, ${failed}`],
      ['new pair not served after 10 s', String(late)],
      [
        'reloads that put something to use / were refused, over all',
        `${status.reloads.succeeded} / ${status.reloads.failed}`,
      ],
    ],
  });
  if (wrong + late + failed > 0) process.exitCode = 1;
}

/** New connections, one after the other; each must get one of the certificates. */
async function probe(
  port: number,
  serials: ReadonlySet<string>,
  stop: AbortSignal,
): Promise<{ handshakes: number; failed: number }> {
  let [handshakes, failed] = [0, 0];
  while (!stop.aborted) {
    handshakes++;
    const serial = await servedSerial(port).catch(() => 'none');
    if (!serials.has(serial)) failed++;
  }
  return { handshakes, failed };
}
