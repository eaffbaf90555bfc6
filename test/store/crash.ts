/**
 * `node test/store/crash.ts [kills] [sqlite|postgres]`: ends a process that writes to the store with SIGKILL, again and
 * again, and looks each time whether everything that was acknowledged is there and the audit log is whole.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startPostgres } from '../../scripts/setup/postgres.ts';
import { openStore, type StoreLocation } from '../../src/store/open-store.ts';
import { newKeyText } from '../../src/store/secrets/key-ring.ts';
import { querySql } from './sql.ts';
import type { Acknowledged } from './crash-writer.ts';

const WRITER = fileURLToPath(new URL('./crash-writer.ts', import.meta.url));
/** The kill comes at a random moment after the first write was acknowledged. */
const LONGEST_LIFE_MS = 150;

export interface CrashResult {
  readonly kills: number;
  /** Registrations, removals and denials that were answered before a kill. */
  readonly acknowledged: number;
  /** What was done and never answered; allowed, and each of them whole. */
  readonly unanswered: number;
  readonly auditLines: number;
  /** Everything that is not as it should be. */
  readonly faults: readonly string[];
}

/** Kills writers of one store one after the other. The store is that of `location`. */
export async function crash(location: StoreLocation, kills: number): Promise<CrashResult> {
  const faults: string[] = [];
  const acknowledged: Acknowledged[] = [];
  let unanswered = 0;
  let auditLines = 0;
  for (let kill = 1; kill <= kills; kill += 1) {
    acknowledged.push(...(await killedWriter(location, kill)));
    const found = await inspect(location, acknowledged);
    faults.push(...found.faults.map((fault) => `after kill ${kill}: ${fault}`));
    ({ unanswered, auditLines } = found);
    if (faults.length > 0) break;
  }
  return { kills, acknowledged: acknowledged.length, unanswered, auditLines, faults };
}

/** Runs a writer until it is killed. Resolves with what it has been told was done. */
async function killedWriter(location: StoreLocation, run: number): Promise<readonly Acknowledged[]> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-crash-'));
  const journal = join(folder, 'acknowledged');
  try {
    const writer = spawn(process.execPath, [WRITER, JSON.stringify(location), journal, String(run)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(writer, 'exit');
    await Promise.race([once(writer.stdout, 'data'), exited]);
    await sleep(Math.random() * LONGEST_LIFE_MS);
    writer.kill('SIGKILL');
    const [, signal] = (await exited) as [number | null, string | null];
    if (signal !== 'SIGKILL') throw new Error('the writer has ended by itself');
    const lines = (await readFile(journal, 'utf8')).split('\n');
    // The last one may be cut off: then it was not told either.
    return lines.slice(0, -1).map((line) => JSON.parse(line) as Acknowledged);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Inspection {
  readonly faults: readonly string[];
  readonly unanswered: number;
  readonly auditLines: number;
}

async function inspect(location: StoreLocation, acknowledged: readonly Acknowledged[]): Promise<Inspection> {
  const faults: string[] = [];
  await using store = await openStore(location);
  const names = new Set((await store.gateways()).map(({ name }) => name));
  const lines = await store.audit({ limit: 10_000_000 });
  const logged = new Set(lines.map(({ action, object, reason }) => `${action} ${object?.name ?? reason}`));
  const removed = new Set(acknowledged.flatMap(({ did, name }) => (did === 'gateway.delete' ? [name] : [])));
  const said = new Set(acknowledged.map(({ did, name }) => `${did} ${name}`));
  for (const { did, name } of acknowledged) {
    if (!logged.has(`${did} ${name}`)) faults.push(`${did} of ${name} was acknowledged, and no line says so`);
    if (did === 'gateway.create' && !removed.has(name) && !names.has(name) && !logged.has(`gateway.delete ${name}`))
      faults.push(`${name} was acknowledged and is gone`);
    if (did === 'gateway.delete' && names.has(name)) faults.push(`${name} was removed and is there`);
  }
  for (const name of names)
    if (!logged.has(`gateway.create ${name}`)) faults.push(`${name} is there without a line in the audit log`);
  for (const line of logged) {
    const [action, name = ''] = line.split(' ');
    if (action === 'gateway.create' && !names.has(name) && !logged.has(`gateway.delete ${name}`))
      faults.push(`the log says that ${name} was made, and it is not there`);
  }
  const verdict = await store.verifyAudit();
  if (!verdict.ok) faults.push(`audit line ${verdict.sequence}: ${verdict.reason}`);
  if ((await store.revision()) !== lines.filter(({ outcome }) => outcome === 'done').length)
    faults.push('the revision is not the number of changes');
  faults.push(...(await integrity(location)));
  const unanswered = [...logged].filter((line) => !said.has(line)).length;
  return { faults, unanswered, auditLines: verdict.lines };
}

/** What the database says of itself. */
async function integrity(location: StoreLocation): Promise<readonly string[]> {
  if ('databaseUrl' in location) {
    // Reads every row of every table and index; a broken one is an error.
    await querySql(location.databaseUrl, 'create extension if not exists amcheck');
    await querySql(
      location.databaseUrl,
      "select bt_index_check(indexrelid, true) from pg_index join pg_class on oid = indexrelid where relnamespace = 'gatehouse'::regnamespace",
    );
    return [];
  }
  using database = new DatabaseSync(join(location.dataDir, 'gatehouse.db'));
  const rows = [database.prepare('pragma integrity_check').all(), database.prepare('pragma foreign_key_check').all()];
  const said = rows.flat().map((row) => JSON.stringify(row));
  return said.filter((line) => line !== '{"integrity_check":"ok"}');
}

async function main(kills: number, engine: string): Promise<void> {
  const report = async (location: StoreLocation): Promise<void> => {
    const started = performance.now();
    const { faults, ...numbers } = await crash(location, kills);
    const seconds = Math.round((performance.now() - started) / 1_000);
    process.stdout.write(`${JSON.stringify({ engine, ...numbers, seconds, faults })}\n`);
    if (faults.length > 0) process.exitCode = 1;
  };
  if (engine === 'postgres') {
    await using server = await startPostgres();
    await report({ databaseUrl: server.url('postgres'), key: { text: newKeyText(), name: 'the key of this run' } });
    return;
  }
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-crash-store-'));
  try {
    await report({ dataDir });
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

if (import.meta.main) await main(Number(process.argv[2] ?? 200), process.argv[3] ?? 'sqlite');
