/** Which processor is for what: what is tested has one for itself, where the kernel allows that. */
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';

/** Numbers of processors. */
export interface Pinning {
  readonly tested: number;
  /** For load, servers and the bench itself. */
  readonly rest: number;
}

/** Undefined where nothing can be pinned, or there is only one processor. Moves this process, too. */
export function pinHere(): Pinning | undefined {
  const pinning = { tested: 0, rest: 1 };
  if (cpus().length < 2 || spawnSync('taskset', ['-c', '0', 'true']).status !== 0) return undefined;
  return pinTo(process.pid, pinning.rest) ? pinning : undefined;
}

/** Moves a process with all of its threads. */
export function pinTo(pid: number, cpu: number): boolean {
  return spawnSync('taskset', ['-a', '-c', '-p', String(cpu), String(pid)]).status === 0;
}

/** What comes before a command so that it runs on this processor, or on any: children begin where their parents are. */
export function pinned(cpu: number | undefined, pinning: Pinning | undefined): readonly string[] {
  if (pinning === undefined) return [];
  return ['taskset', '-c', cpu === undefined ? `0-${cpus().length - 1}` : String(cpu)];
}
