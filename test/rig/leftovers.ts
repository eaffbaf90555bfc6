/** What a gateway left behind on the machine: containers, networks and processes that should be gone. */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { run } from '../../scripts/setup/run.ts';

/** Carried by every container and network that the gateway makes; the value holds the pid of the gateway. */
const OWNER_LABEL = 'gatehouse.owner';
/** A killed process is still there until the kernel has come to it; one that stays longer stays. */
const END_TIMEOUT_MS = 20_000;

export interface Leftovers {
  /** Names of containers, running or not. */
  readonly containers: readonly string[];
  readonly networks: readonly string[];
  /** Command lines of processes. */
  readonly processes: readonly string[];
}

export const NOTHING: Leftovers = { containers: [], networks: [], processes: [] };

/**
 * Call it while a gateway runs (or a program that runs one), and what it returns after the end:
 * `expect(await leftovers()).toEqual(NOTHING)`. Processes that are just ending get a while for it.
 */
export async function trackLeftovers(program: { readonly pid: number }): Promise<() => Promise<Leftovers>> {
  const family = await descendantsOf(program.pid);
  const things = await trackThings(program);
  return async () => {
    const processes = await afterTheirEnd(family);
    return { ...(await things()), processes };
  };
}

/** The same of containers and networks alone. */
export async function trackThings(program: {
  readonly pid: number;
}): Promise<() => Promise<Omit<Leftovers, 'processes'>>> {
  const family = await descendantsOf(program.pid);
  const owners = [program.pid, ...family.map(({ pid }) => pid)].map(String);
  return async () => ({
    containers: await owned(['ps', '--all'], '{{.Names}}', owners),
    networks: await owned(['network', 'ls'], '{{.Name}}', owners),
  });
}

async function owned(list: readonly string[], name: string, owners: readonly string[]): Promise<string[]> {
  const format = `{{.Label "${OWNER_LABEL}"}} ${name}`;
  const found = await run('docker', [...list, '--filter', `label=${OWNER_LABEL}`, '--format', format]);
  const lines = found.stdout.split('\n').map((line) => line.split(' '));
  return lines.flatMap(([owner = '', thing = '']) => (owners.includes(owner) ? [thing] : []));
}

interface RunningProcess {
  readonly pid: number;
  readonly parent: number;
  /** Ticks since boot; together with the pid it names a process for good, as pids are used again. */
  readonly startTime: string;
  readonly command: string;
}

async function descendantsOf(pid: number): Promise<RunningProcess[]> {
  const all = await runningProcesses();
  const family = [pid];
  const found: RunningProcess[] = [];
  for (const parent of family) {
    for (const child of all.filter((candidate) => candidate.parent === parent)) {
      family.push(child.pid);
      found.push(child);
    }
  }
  return found;
}

async function afterTheirEnd(family: readonly RunningProcess[]): Promise<string[]> {
  const giveUp = Date.now() + END_TIMEOUT_MS;
  for (;;) {
    const left = await stillRunning(family);
    if (left.length === 0 || Date.now() > giveUp) return left;
    await pause(100);
  }
}

async function stillRunning(family: readonly RunningProcess[]): Promise<string[]> {
  const all = await runningProcesses();
  const isLeft = (one: RunningProcess): boolean =>
    all.some((other) => other.pid === one.pid && other.startTime === one.startTime);
  return family.filter(isLeft).map(({ command }) => command);
}

/** Every process that is not a zombie, from /proc; nothing on systems without it. */
async function runningProcesses(): Promise<RunningProcess[]> {
  const entries = await readdir('/proc').catch(() => []);
  const pids = entries.filter((entry) => /^\d+$/.test(entry)).map(Number);
  const found = await Promise.all(pids.map(readProcess));
  return found.filter((one) => one !== undefined);
}

async function readProcess(pid: number): Promise<RunningProcess | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets and may hold anything, so count from its end (proc_pid_stat(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z') return undefined;
    const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim();
    return { pid, parent: Number(fields[1]), startTime: fields[19] ?? '', command };
  } catch {
    // It ended while we looked.
    return undefined;
  }
}
