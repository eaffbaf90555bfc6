/** `node bench/stalls/main.ts [WAY…]`: how long the event loop of a gateway stands still while it carries JSON of hostile shapes; writes docs/reference/stall-proofs.md. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeImage } from '../../scripts/setup/node-image.ts';
import { startGateway, type RunningGateway } from '../../test/rig/gateway.ts';
import { keepProof, type ProofPage } from '../report/proof-page.ts';
import { runProofs } from '../report/run-proofs.ts';
import { openCaller } from './clients.ts';
import type { Longest } from './delay-meter.ts';
import { startHttpServer, type HttpServer } from './http-server.ts';
import { SHAPES } from './shapes.ts';
import { WAYS, type Way } from './ways.ts';

const PAGE: ProofPage = {
  file: 'stall-proofs.md',
  title: 'Measured: hostile JSON and the event loop',
  introduction:
    'Each way through the gateway carries each shape three times, as the arguments of a call and in its answer. A cell is the longest stall of the event loop of the gateway in ms, of the best round: what its thread has spent at once, and in brackets what the clock says, which on a machine that others use counts their work as well. The target is 50. `node bench/stalls/main.ts` measures all of it again and writes this page; `node bench/stalls/main.ts NAME` one way.',
  results: new URL('./results.json', import.meta.url),
};
const MIB = 1024 * 1024;
const ROUNDS = 3;
const METER = new URL('delay-meter.ts', import.meta.url).href;

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-stalls-'));
const meterFile = join(folder, 'longest');

await using stack = new AsyncDisposableStack();
stack.defer(() => rmSync(folder, { recursive: true, force: true }));
const http = stack.use(await startHttpServer());
await runProofs(Object.fromEntries(WAYS.map((way, index) => [way.name, () => prove(way, index)])));

async function prove(way: Way, index: number): Promise<void> {
  await using gateway = await startGateway(await optionsFor(way, http));
  await using caller = await openCaller(way.client, gateway, way.unified === true ? undefined : 'web');
  for (let warm = 0; warm < 20; warm++) await caller.call(`{"text":"${'x'.repeat(200_000)}"}`);
  const rows: (readonly string[])[] = [];
  for (const [shape, { name, value }] of SHAPES.entries()) {
    const text = value();
    const [asked, answered] = [new Set<Longest>(), new Set<Longest>()];
    let outcomes: readonly string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await longest(gateway);
      const sent = await caller.call(text);
      asked.add(await longest(gateway));
      const got = await caller.call(`{"shape":${shape}}`);
      answered.add(await longest(gateway));
      outcomes = [sent, got];
    }
    rows.push([name, least(asked), outcomes[0] ?? '', least(answered), outcomes[1] ?? '']);
  }
  const columns = ['shape', 'sent', '', 'answered', ''];
  await keepProof(PAGE, `${String(index).padStart(2, '0')} ${way.name}`, {
    title: way.title,
    how: way.how,
    columns,
    rows,
  });
}

async function optionsFor(way: Way, server: HttpServer): Promise<Parameters<typeof startGateway>[0]> {
  const { era, wire } = way.server;
  const web =
    wire === 'container'
      ? { container: await nodeImage('gatehouse-bench-stalls', 'bench/stalls/stdio-server.ts'), entrypointArgs: [era] }
      : { type: 'http', url: server.url(era, wire) };
  const payloads = way.payloads === true ? { payloadDir: join(folder, 'payloads') } : {};
  return {
    config: { mcpServers: { web }, gateway: { maxBodyBytes: 16 * MIB, ...payloads } },
    args: way.unified === true ? ['--unified'] : [],
    env: { NODE_OPTIONS: `--import ${METER}`, STALL_METER_FILE: meterFile },
  };
}

function least(all: ReadonlySet<Longest>): string {
  const rounds = [...all];
  const [processor, clock] = [rounds.map((round) => round.processor), rounds.map((round) => round.clock)];
  return `${Math.min(...processor).toFixed(0)} (${Math.min(...clock).toFixed(0)})`;
}

/** The longest stalls since the last look. */
async function longest(gateway: RunningGateway): Promise<Longest> {
  rmSync(meterFile, { force: true });
  // What a call leaves behind is part of it.
  await sleep(50);
  process.kill(gateway.pid, 'SIGUSR2');
  for (let tries = 0; tries < 200; tries++) {
    await sleep(10);
    try {
      return JSON.parse(readFileSync(meterFile, 'utf8')) as Longest;
    } catch {
      // Not written yet.
    }
  }
  throw new Error('the gateway does not answer');
}
