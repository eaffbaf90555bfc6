/** What trees of processes have cost so far, from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessorTime {
  /** Microseconds on a processor, to the nanosecond of the scheduler, all threads. */
  readonly total: number;
  /** The kernel's division of it, in hundredths of a second, as microseconds. */
  readonly user: number;
  readonly system: number;
  /** Resident memory in MB (1,000,000 bytes), shared pages counted once for each process. */
  readonly memory: number;
}

const TICK_US = 10_000;
const KIB_IN_MB = 1_024 / 1e6;

export function processorTime(pids: readonly number[]): ProcessorTime {
  const sum = { total: 0, user: 0, system: 0, memory: 0 };
  for (const pid of new Set(pids.flatMap(processTree))) {
    for (const thread of list(`/proc/${pid}/task`)) {
      sum.total += Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(' ')[0]) / 1_000;
    }
    const fields = read(`/proc/${pid}/stat`)
      .replace(/^.*\) /, '')
      .split(' ');
    sum.user += Number(fields[11] ?? 0) * TICK_US;
    sum.system += Number(fields[12] ?? 0) * TICK_US;
    sum.memory += Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * KIB_IN_MB;
  }
  return sum;
}

/** Seconds that all processors of the machine have worked, from /proc/stat. */
export function machineSeconds(): number {
  const [, user, nice, system, , , interrupts, softInterrupts] = read('/proc/stat').split(/\s+/, 8).map(Number);
  const ticks = [user, nice, system, interrupts, softInterrupts].reduce<number>((sum, one) => sum + (one ?? 0), 0);
  return (ticks * TICK_US) / 1e6;
}

export function difference(before: ProcessorTime, after: ProcessorTime): ProcessorTime {
  return {
    total: after.total - before.total,
    user: after.user - before.user,
    system: after.system - before.system,
    memory: after.memory,
  };
}

/** The process and everything below it, parents first. */
export function processTree(pid: number): number[] {
  const children = list(`/proc/${pid}/task`).flatMap((thread) =>
    read(`/proc/${pid}/task/${thread}/children`).trim().split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(processTree)];
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** Empty for what has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
