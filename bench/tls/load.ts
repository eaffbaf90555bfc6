/** Full load on 64 connections while the certificates of listener and upstream are replaced each second. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createPki, type Issued } from '../../test/rig/pki.ts';
import { servedSerial } from '../../test/tls/served-certificate.ts';
import { startStrictServer } from '../../test/tls/strict-server.ts';
import { startTlsGateway, type TlsGateway } from '../../test/tls/tls-gateway.ts';
import { milliseconds } from './figures.ts';
import { keepProof } from '../report/proof-page.ts';
import { TLS_PROOFS } from './page.ts';

const CONNECTIONS = 64;
const SECONDS = Number(process.env['PROOF_SECONDS'] ?? 60);
const SCRIPT = fileURLToPath(new URL('load.lua', import.meta.url));

interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly bad: number;
  readonly connect: number;
  readonly read: number;
  readonly write: number;
  readonly timeout: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Processor time of the gateway for one request, in ms. */
  readonly processor: number;
}

export async function proveLoad(): Promise<void> {
  using pki = createPki();
  const names = { san: 'DNS:localhost,IP:127.0.0.1' };
  const server = pki.issue('localhost', { ...names, file: 'upstream' });
  const listeners = [
    pki.issue('localhost', { ...names, file: 'l1' }),
    pki.issue('localhost', { ...names, file: 'l2' }),
  ];
  const clients = [pki.issue('Gateway', { file: 'c1' }), pki.issue('Gateway', { file: 'c2' })];
  const live = { cert: pki.path('live.crt'), key: pki.path('live.key') };
  const shown = { cert: pki.path('shown.crt'), key: pki.path('shown.key') };
  const use = async (round: number): Promise<Issued> => {
    const [listener, client] = [listeners[round % 2], clients[round % 2]];
    if (listener === undefined || client === undefined) throw new Error('there are two');
    await Promise.all([put(listener, live), put(client, shown)]);
    return listener;
  };
  await use(0);
  await using upstream = await startStrictServer({ ...server, ca: pki.ca.cert });
  await using gateway = await startTlsGateway({
    ca: pki.ca.cert,
    config: {
      mcpServers: { strict: { type: 'http', url: `${upstream.origin}/mcp`, tls: { ca: pki.ca.cert, ...shown } } },
      gateway: { tls: live },
    },
    args: ['--log-level', 'info'],
  });
  await load(gateway, 5);
  const first = await load(gateway, SECONDS / 2);
  const stop = new AbortController();
  const rotating = rotate(gateway, use, stop.signal);
  const rotated = await load(gateway, SECONDS);
  stop.abort();
  const { rotations, failed, stale } = await rotating;
  const last = await load(gateway, SECONDS / 2);
  const peers = [...(upstream.seen.get('POST /mcp')?.keys() ?? [])];
  const failures = faults(first) + faults(rotated) + faults(last);
  const baseline = (first.p99 + last.p99) / 2;
  await keepProof(TLS_PROOFS, '4-load', {
    title: `${CONNECTIONS} connections of full load for ${SECONDS} s, with a rotation each second`,
    how: 'wrk, one tool call after the other on each connection, over TLS to the gateway and over mTLS to the server. Each second the pair of the listener and the client pair for the server are both replaced, followed by SIGHUP. Without rotation: half as long before, half as long after.',
    rows: [
      [
        'requests with rotation, failed',
        `${rotated.requests.toLocaleString('en')} (${rate(rotated)}/s), ${faults(rotated)}`,
      ],
      [
        'requests without rotation, failed',
        `${(first.requests + last.requests).toLocaleString('en')} (${rate(first)} and ${rate(last)}/s), ${faults(first) + faults(last)}`,
      ],
      ['rotations, failed, old certificate served after one', `${rotations}, ${failed}, ${stale}`],
      ['client certificates that the server saw', String(peers.length)],
      ['p50 with / without', `${milliseconds(rotated.p50)} / ${milliseconds((first.p50 + last.p50) / 2)}`],
      [
        'p99 with / without',
        `${milliseconds(rotated.p99)} / ${milliseconds(baseline)} (before ${milliseconds(first.p99)}, after ${milliseconds(last.p99)}): ratio ${(rotated.p99 / baseline).toFixed(2)}`,
      ],
      ['slowest with / without', `${milliseconds(rotated.max)} / ${milliseconds(Math.max(first.max, last.max))}`],
      [
        'processor time of the gateway per request, with / without',
        `${rotated.processor.toFixed(3)} / ${((first.processor + last.processor) / 2).toFixed(3)} ms`,
      ],
    ],
  });
  if (failures + failed + stale > 0 || peers.length < 2) process.exitCode = 1;
}

async function rotate(
  gateway: TlsGateway,
  use: (round: number) => Promise<Issued>,
  stop: AbortSignal,
): Promise<{ rotations: number; failed: number; stale: number }> {
  let [rotations, failed, stale] = [0, 0, 0];
  while (!stop.aborted) {
    const next = sleep(1_000);
    rotations++;
    const { serial } = await use(rotations);
    if (!(await gateway.hangup()).ok) failed++;
    if ((await servedSerial(gateway.port)) !== serial) stale++;
    await next;
  }
  return { rotations, failed, stale };
}

async function load(gateway: TlsGateway, seconds: number): Promise<LoadResult> {
  const url = `${gateway.origin}/mcp/strict`;
  const options = ['-t2', `-c${CONNECTIONS}`, `-d${seconds}s`, '--timeout', '10s', '-s', SCRIPT, url];
  const before = await processorMs(gateway.pid);
  const wrk = spawn('wrk', [...options, '--', gateway.authorization], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  wrk.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(wrk, 'close');
  const result = /^RESULT (.*)$/m.exec(output)?.[1];
  if (result === undefined) throw new Error(`wrk said: ${output}`);
  const figures = JSON.parse(result) as Omit<LoadResult, 'processor'>;
  return { ...figures, processor: ((await processorMs(gateway.pid)) - before) / figures.requests };
}

async function put({ cert, key }: Issued, to: { readonly cert: string; readonly key: string }): Promise<void> {
  await copyFile(cert, to.cert);
  await copyFile(key, to.key);
}

/** User and system time of a process; the kernel counts in hundredths of a second. */
async function processorMs(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function faults({ bad, connect, read, write, timeout }: LoadResult): number {
  return bad + connect + read + write + timeout;
}

function rate({ requests, seconds }: LoadResult): string {
  return Math.round(requests / seconds).toLocaleString('en');
}
