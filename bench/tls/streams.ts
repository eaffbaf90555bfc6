/** 10,000 SSE streams and 200 WebSockets while two certificates alternate with each of 200 signals. */
import { copyFile, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPki } from '../../test/rig/pki.ts';
import { openEventStreams, openWebSockets } from '../../test/tls/event-streams.ts';
import { servedSerial } from '../../test/tls/served-certificate.ts';
import { startStrictServer } from '../../test/tls/strict-server.ts';
import { startTlsGateway } from '../../test/tls/tls-gateway.ts';
import { milliseconds, percentile } from './figures.ts';
import { keepProof } from '../report/proof-page.ts';
import { TLS_PROOFS } from './page.ts';

const SSE = Number(process.env['PROOF_SSE'] ?? 10_000);
const WEB_SOCKETS = Number(process.env['PROOF_WEBSOCKETS'] ?? 200);
const SIGNALS = Number(process.env['PROOF_SIGNALS'] ?? 200);
/** An event for every listener so often. */
const EVENT_MS = Number(process.env['PROOF_EVENT_MS'] ?? 1_000);
const PAUSE_MS = 50;

export async function proveStreams(): Promise<void> {
  using pki = createPki();
  const names = { san: 'DNS:localhost,IP:127.0.0.1' };
  const server = pki.issue('localhost', { ...names, file: 'upstream' });
  const client = pki.issue('Gateway', { file: 'client' });
  const pair = [pki.issue('localhost', { ...names, file: 'one' }), pki.issue('localhost', { ...names, file: 'two' })];
  const [live, liveKey] = [pki.path('live.crt'), pki.path('live.key')];
  const use = async (index: number): Promise<string> => {
    const chosen = pair[index % 2];
    if (chosen === undefined) throw new Error('there are two');
    await copyFile(chosen.cert, live);
    await copyFile(chosen.key, liveKey);
    return chosen.serial;
  };
  await use(0);
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
      gateway: { tls: { cert: live, key: liveKey } },
    },
  });
  const before = await gateway.memory();
  const target = {
    origin: gateway.origin,
    server: 'strict',
    authorization: gateway.authorization,
    ca: await readFile(pki.ca.cert),
  };
  const openedAt = performance.now();
  const listening = [...(await openWebSockets(target, WEB_SOCKETS)), ...(await openEventStreams(target, SSE))];
  const openSeconds = (performance.now() - openedAt) / 1000;
  await sleep(2_000);
  const open = await gateway.memory();

  let seq = 0;
  const beat = setInterval(() => upstream.broadcast(seq++), EVENT_MS);
  const times: number[] = [];
  let failed = 0;
  let wrong = 0;
  const startedAt = performance.now();
  for (let signal = 1; signal <= SIGNALS; signal++) {
    const serial = await use(signal);
    const record = await gateway.hangup();
    if (record.ok) times.push(record.ms);
    else failed++;
    if ((await servedSerial(gateway.port)) !== serial) wrong++;
    await sleep(PAUSE_MS);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  clearInterval(beat);
  const deadline = Date.now() + 60_000;
  while (listening.some(({ last, dropped }) => last !== seq - 1 && !dropped) && Date.now() < deadline) await sleep(100);
  await sleep(5_000);
  const after = await gateway.memory();
  const events = listening.reduce((sum, { events: seen }) => sum + seen, 0);
  const dropped = listening.filter((one) => one.dropped).length;
  const missed = listening.reduce((sum, { missed: gaps, last }) => sum + gaps + (seq - 1 - (last ?? -1)), 0);
  for (const one of listening) one.close();
  await keepProof(TLS_PROOFS, '3-streams', {
    title: `${SSE.toLocaleString('en')} SSE streams and ${WEB_SOCKETS} WebSockets across ${SIGNALS} rotations`,
    how: `An event for every listener each ${EVENT_MS / 1000} s, numbered by a server behind mTLS. Two certificates alternate: files replaced, SIGHUP, and the certificate that a new connection gets is compared. A reload takes at least 100 ms, because files are believed only when two reads that far apart agree.`,
    rows: [
      ['listeners', `${listening.length.toLocaleString('en')}, opened in ${openSeconds.toFixed(0)} s`],
      ['connections dropped', String(dropped)],
      ['events delivered / missed', `${events.toLocaleString('en')} / ${missed}`],
      ['reloads that failed', `${failed} of ${SIGNALS}`],
      ['new connections with the old certificate after the reload', String(wrong)],
      ['reload, p50 / max', `${milliseconds(percentile(times, 0.5))} / ${milliseconds(Math.max(...times))}`],
      ['time for all of them', `${seconds.toFixed(0)} s`],
      ['memory of the gateway: empty / all open / after the rotations', `${before} / ${open} / ${after} MiB`],
    ],
  });
  if (dropped + missed + failed + wrong > 0 || events === 0) process.exitCode = 1;
}
