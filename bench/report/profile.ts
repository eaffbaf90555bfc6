/** Where the time of a Node program went: the functions with the most samples of its own profile. */
import { readdirSync, readFileSync, rmSync, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PATHS } from '../machine/paths.ts';
import type { Profile } from '../section.ts';

interface Node {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

const TOP = 12;
const IDLE = new Set(['(idle)', '(root)']);

/** Options for Node that write a profile into a folder of this name at exit. */
export function profileOptions(name: string): readonly string[] {
  const folder = folderOf(name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=200'];
}

/** The clock of profiles. */
export function microseconds(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

/** What all profiles in the folder say together, from that time on; empty when there is none. */
export function hottest(folderName: string, from: number): Profile['top'] {
  const folder = folderOf(folderName);
  const counts = new Map<string, number>();
  let busy = 0;
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))) {
    const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as {
      readonly nodes: readonly Node[];
      readonly samples: readonly number[];
      readonly startTime: number;
      readonly timeDeltas: readonly number[];
    };
    const names = new Map(profile.nodes.map((node) => [node.id, nameOf(node)]));
    let at = profile.startTime;
    for (const [index, sample] of profile.samples.entries()) {
      at += profile.timeDeltas[index] ?? 0;
      const name = names.get(sample) ?? '';
      if (at < from || IDLE.has(name)) continue;
      busy++;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, TOP)
    .map(([where, count]) => ({ where, share: count / busy }));
}

function nameOf({ callFrame }: Node): string {
  const name = callFrame.functionName === '' ? '(anonymous)' : callFrame.functionName;
  return callFrame.url === '' ? name : `${name} ${basename(callFrame.url)}:${callFrame.lineNumber + 1}`;
}

function folderOf(name: string): string {
  return join(PATHS.cache, 'profiles', name);
}
