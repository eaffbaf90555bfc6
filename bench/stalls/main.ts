/** `node bench/stalls/main.ts [WAY…]`: how long the event loop of a gateway stands still while it carries JSON of hostile shapes; writes docs/reference/stall-proofs.md. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeImage } from '../../scripts/setup/node-image.ts';
import { startGateway, type RunningGateway } from '../../test/rig/gateway.ts';
import { openCaller } from './clients.ts';
import { startHttpServer, type HttpServer } from './http-server.ts';
import { SHAPES } from './shapes.ts';
import { WAYS, type Way } from './ways.ts';

const MIB = 1024 * 1024;
const ROUNDS = Number(process.env['STALL_ROUNDS'] ?? 3);
const METER = new URL('delay-meter.ts', import.meta.url).href;
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-stalls-'));
const meterFile = join(folder, 'longest');
const wanted = process.argv.slice(2);
const shapes = SHAPES.map((shape, index) => ({ ...shape, index })).filter(
  ({ name }) => process.env['STALL_SHAPES'] === undefined || new RegExp(process.env['STALL_SHAPES']).test(name),
);

await using stack = new AsyncDisposableStack();
stack.defer(() => rmSync(folder, { recursive: true, force: true }));
const http = stack.use(await startHttpServer());

for (const way of WAYS) {
  if (wanted.length > 0 && !wanted.includes(way.name)) continue;
  console.log(`\n${way.name}`);
  await using gateway = await startGateway(await optionsFor(way, http));
  await using caller = await openCaller(way.client, gateway, way.unified === true ? undefined : 'web');
  for (let warm = 0; warm < 20; warm++) await caller.call(`{"text":"${'x'.repeat(200_000)}"}`);
  for (const { name, value, index } of shapes) {
    const text = value();
    const asked: number[] = [];
    const answered: number[] = [];
    let outcomes: readonly string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await longest(gateway);
      const sent = await caller.call(text);
      asked.push(await longest(gateway));
      const got = await caller.call(`{"shape":${index}}`);
      answered.push(await longest(gateway));
      outcomes = [sent, got];
    }
    const least = (all: readonly number[]): string =>
      Math.min(...all)
        .toFixed(1)
        .padStart(7);
    console.log(`  ${least(asked)} ${least(answered)}  ${name} (${outcomes.join(', ')})`);
  }
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

/** The longest delay since the last look, in ms. */
async function longest(gateway: RunningGateway): Promise<number> {
  rmSync(meterFile, { force: true });
  // What a call leaves behind is part of it.
  await sleep(50);
  process.kill(gateway.pid, 'SIGUSR2');
  for (let tries = 0; tries < 200; tries++) {
    await sleep(10);
    try {
      return Number(readFileSync(meterFile, 'utf8'));
    } catch {
      // Not written yet.
    }
  }
  throw new Error('the gateway does not answer');
}
