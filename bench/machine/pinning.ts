/** Which processor is for what: what is tested has one for itself, where the kernel allows that. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Pinning {
  /** Numbers of processors. */
  readonly tested: number;
  /** For load, servers and the bench itself. */
  readonly rest: number;
  /** All that this process may use, as taskset writes them, such as `0-3`. */
  readonly all: string;
}

/** Undefined where nothing can be pinned, or there is only one processor. Moves this process, too. */
export function pinHere(): Pinning | undefined {
  const all = allowed();
  const [tested, rest] = all.split(',').flatMap(numbersOf);
  if (tested === undefined || rest === undefined) return undefined;
  return pinTo(process.pid, rest) ? { tested, rest, all } : undefined;
}

/** Empty on systems that do not tell. */
function allowed(): string {
  try {
    return /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  } catch {
    return '';
  }
}

/** `2-4` is 2, 3 and 4. */
function numbersOf(range: string): number[] {
  const [first = Number.NaN, last = first] = range.split('-').map(Number);
  return Number.isInteger(first) ? Array.from({ length: last - first + 1 }, (_, index) => first + index) : [];
}

/** Moves a process with all of its threads. */
export function pinTo(pid: number, cpu: number): boolean {
  return spawnSync('taskset', ['-a', '-c', '-p', String(cpu), String(pid)]).status === 0;
}

/** What comes before a command so that it runs on this processor, or on any: children begin where their parents are. */
export function pinned(cpu: number | undefined, pinning: Pinning | undefined): readonly string[] {
  if (pinning === undefined) return [];
  return ['taskset', '-c', cpu === undefined ? pinning.all : String(cpu)];
}
