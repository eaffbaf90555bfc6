/** What hundreds of registered servers cost: the gateway is `serve` over an embedded store, and every figure is of the real HTTP API. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type ManagedGateway, startManaged } from '../../test/rig/managed-gateway.ts';
import { keepProof } from '../report/proof-page.ts';
import { REGISTRY_PROOFS } from './page.ts';

const SERVERS = 500;
const TOOLS = 20;
const UPSTREAM = fileURLToPath(new URL('upstream.ts', import.meta.url));
const WARM_LISTINGS = 100;
const CALLS = 500;
const CHANGES = 20;
const PARALLEL = 10;
/** What the start has left is collected by then. */
const SETTLE_MS = 3_000;

type Json = Readonly<Record<string, unknown>>;

export async function proveScale(): Promise<void> {
  // One process answers for all of them, each at a path of its own.
  const upstream = spawn(process.execPath, [UPSTREAM, String(TOOLS)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-registry-'));
  try {
    const [first] = (await once(upstream.stdout, 'data')) as [Buffer];
    const rows = await measure(`http://127.0.0.1:${Number(first.toString())}`, dataDir);
    await keepProof(REGISTRY_PROOFS, '4-scale', {
      title: `${SERVERS} registered servers with ${TOOLS} tools each`,
      how: `Embedded store. Each server is registered over the API, ${PARALLEL} at a time, and answers with what it found; then the gateway starts anew with all of them. The servers are paths of one process, which shares the machine. The aggregate \`tools/list\` carries all ${SERVERS * TOOLS} tools; times are those of the client, which reads the whole answer.`,
      rows,
    });
  } finally {
    upstream.kill('SIGKILL');
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function measure(origin: string, dataDir: string): Promise<readonly (readonly [string, string])[]> {
  const store = { location: { dataDir }, env: { MCP_GATEWAY_DATA_DIR: dataDir } };
  const figures: [string, string][] = [];
  let empty: number;
  {
    await using gateway = await startManaged({ store });
    await sleep(SETTLE_MS);
    empty = residentKilobytes(gateway.pid);
    const startedAt = performance.now();
    const registered: number[] = [];
    await parallel(SERVERS, PARALLEL, async (index) => {
      registered.push(await timed(() => register(gateway, origin, `server-${index}`)));
    });
    figures.push(['registering all of them, 10 at once', ms(performance.now() - startedAt)]);
    figures.push(['one registration, p50 / p99', spread(registered)]);
  }
  {
    const startedAt = performance.now();
    await using gateway = await startManaged({ store });
    figures.push(['start until it serves', ms(performance.now() - startedAt)]);
    const cold = await timed(() => list(gateway));
    figures.push(['first aggregate tools/list after the start', ms(cold)]);
    while ((await list(gateway)) < SERVERS * TOOLS) await sleep(50);
    figures.push(['start until every tool is listed', ms(performance.now() - startedAt)]);
    await sleep(SETTLE_MS);
    const full = residentKilobytes(gateway.pid);
    figures.push(['resident memory of an empty gateway', mebibytes(empty)]);
    figures.push(['resident memory', mebibytes(full)]);
    figures.push([
      'of that for each tool, connections and all',
      `${((full - empty) / (SERVERS * TOOLS)).toFixed(1)} KiB`,
    ]);
    const warm: number[] = [];
    for (let index = 0; index < WARM_LISTINGS; index++) warm.push(await timed(() => list(gateway)));
    figures.push([`aggregate tools/list (${SERVERS * TOOLS} tools), warm, p50 / p99`, spread(warm)]);
    const calls: number[] = [];
    for (let index = 0; index < CALLS; index++) calls.push(await timed(() => call(gateway, index % SERVERS)));
    figures.push(['tools/call through the aggregate endpoint, p50 / p99', spread(calls)]);
    const changes: number[] = [];
    const cooled: number[] = [];
    for (let index = 0; index < CHANGES; index++) {
      changes.push(await timed(() => describe(gateway, `server-${index}`, `changed ${index}`)));
      cooled.push(await timed(() => list(gateway)));
    }
    figures.push(['change of one server, until it is in use, p50 / p99', spread(changes)]);
    figures.push(['aggregate tools/list right after a change, p50 / p99', spread(cooled)]);
    const added: number[] = [];
    for (let index = 0; index < CHANGES; index++)
      added.push(await timed(() => register(gateway, origin, `more-${index}`)));
    figures.push(['registration of one more server, until it is in use, p50 / p99', spread(added)]);
    const reloads = gateway.logs().flatMap((line) => (line['trigger'] === 'store' ? [Number(line['ms'])] : []));
    figures.push(['of that the reload inside the gateway, p50 / p99', spread(reloads)]);
    figures.push(['resident memory at the end', mebibytes(residentKilobytes(gateway.pid))]);
  }
  return figures;
}

async function register(gateway: ManagedGateway, origin: string, name: string): Promise<void> {
  const answer = await gateway.call('POST', '/gateways', { name, url: `${origin}/${name}` });
  if (answer.status !== 201) throw new Error(`${name}: ${answer.status} ${JSON.stringify(answer.body)}`);
}

async function describe(gateway: ManagedGateway, name: string, description: string): Promise<void> {
  const answer = await gateway.call('PUT', `/gateways/${name}`, { description });
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
}

/** How many tools there are. */
async function list(gateway: ManagedGateway): Promise<number> {
  const { result } = await gateway.rpc('/mcp', 'tools/list');
  return ((result as Json)['tools'] as readonly unknown[]).length;
}

async function call(gateway: ManagedGateway, index: number): Promise<void> {
  const name = `server-${index}___tool-0`;
  const answer = await gateway.rpc('/mcp', 'tools/call', { name, arguments: { text: 'x' } });
  if (answer['result'] === undefined) throw new Error(JSON.stringify(answer));
}

async function parallel(count: number, width: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): string => ms(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  return `${at(0.5)} / ${at(0.99)}`;
}

function ms(value: number): string {
  return `${value < 100 ? value.toFixed(1) : Math.round(value)} ms`;
}

function residentKilobytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
}

function mebibytes(kilobytes: number): string {
  return `${Math.round(kilobytes / 1024)} MiB`;
}
