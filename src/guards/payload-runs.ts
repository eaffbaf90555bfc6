/** Tells the payload directories of living gateways from those that a dead one left behind. */
import { readFileSync, readlinkSync } from 'node:fs';
import { readFile, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** In the payload directory, followed by the run's id: who the run is. */
const RUN_MARK = '.gatehouse-run-';
/** In every session directory: the id of the run that made it. A directory without it is not ours to remove. */
const SESSION_MARK = '.gatehouse';

const RUN_ID = /^[0-9a-f]{32}$/;
const SESSION_DIRECTORY = /^[0-9a-f]{64}$/;

/** How often a run touches its mark. */
export const HEARTBEAT_MS = 5 * 60_000;
/** A run that cannot be asked by process id is dead when its mark was not touched for so long. */
export const DEAD_AFTER_MS = 6 * HEARTBEAT_MS;

interface RunMark {
  /** Where the process id means something: host, boot and process-id namespace. Containers share none of the three reliably. */
  readonly place: string;
  readonly pid: number;
  /** Milliseconds since 1970; tells this process from an earlier one with the same id (1, in most containers). */
  readonly startedAt: number;
}

const THIS_PROCESS: RunMark = {
  place: [
    hostname(),
    linuxFact(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    linuxFact(() => readlinkSync('/proc/self/ns/pid')),
  ].join(' '),
  pid: process.pid,
  startedAt: Math.round(performance.timeOrigin),
};

function linuxFact(read: () => string): string {
  try {
    return read();
  } catch {
    return '-';
  }
}

/** Marks the directory as used by a run of this process. */
export async function markRun(directory: string, runId: string): Promise<void> {
  await writeFile(join(directory, RUN_MARK + runId), JSON.stringify(THIS_PROCESS), { mode: 0o600 });
}

/** Says that the run lives. */
export async function touchRun(directory: string, runId: string): Promise<void> {
  const now = new Date();
  await utimes(join(directory, RUN_MARK + runId), now, now);
}

export async function unmarkRun(directory: string, runId: string): Promise<void> {
  await rm(join(directory, RUN_MARK + runId), { force: true });
}

/** Marks a session directory as made by a run. */
export async function markSession(sessionDirectory: string, runId: string): Promise<void> {
  await writeFile(join(sessionDirectory, SESSION_MARK), runId, { mode: 0o600, flag: 'wx' });
}

/**
 * Removes the session directories of dead runs and returns how many there were. Whatever carries no mark of ours, and
 * whatever belongs to a gateway that still runs, stays.
 */
export async function removeLeftovers(directory: string): Promise<number> {
  const entries = await readdir(directory, { withFileTypes: true });
  const living = new Set<string>();
  const dead: string[] = [];
  for (const entry of entries) {
    const runId = entry.name.slice(RUN_MARK.length);
    if (!entry.isFile() || !entry.name.startsWith(RUN_MARK) || !RUN_ID.test(runId)) continue;
    if (await isAlive(join(directory, entry.name))) living.add(runId);
    else dead.push(runId);
  }
  let removed = 0;
  for (const entry of entries) {
    if (!entry.isDirectory() || !SESSION_DIRECTORY.test(entry.name)) continue;
    const path = join(directory, entry.name);
    const runId = await readFile(join(path, SESSION_MARK), 'utf8').catch(() => '');
    if (!RUN_ID.test(runId) || living.has(runId) || !(await isOrphan(directory, runId))) continue;
    await rm(path, { recursive: true, force: true });
    removed++;
  }
  for (const runId of dead) await unmarkRun(directory, runId);
  return removed;
}

/** Asked again just before removing: a gateway may have started since the directory was read. */
async function isOrphan(directory: string, runId: string): Promise<boolean> {
  return !(await isAlive(join(directory, RUN_MARK + runId)));
}

async function isAlive(markPath: string): Promise<boolean> {
  try {
    const run = parseMark(await readFile(markPath, 'utf8'));
    if (run?.place !== THIS_PROCESS.place) return Date.now() - (await stat(markPath)).mtimeMs < DEAD_AFTER_MS;
    return run.pid === THIS_PROCESS.pid ? run.startedAt === THIS_PROCESS.startedAt : processExists(run.pid);
  } catch (error) {
    // Without a mark the run has ended; an unreadable one belongs to somebody else.
    return !isNotFound(error);
  }
}

function parseMark(text: string): RunMark | undefined {
  try {
    const mark: unknown = JSON.parse(text);
    if (typeof mark !== 'object' || mark === null || !('place' in mark) || !('pid' in mark) || !('startedAt' in mark))
      return undefined;
    const { place, pid, startedAt } = mark;
    return typeof place === 'string' && typeof pid === 'number' && typeof startedAt === 'number'
      ? { place, pid, startedAt }
      : undefined;
  } catch {
    // Half a mark: the writer is at work or died; its age decides.
    return undefined;
  }
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
