/** Where the time of a Node program went: the functions with the most samples of its own profile. */
import { readdirSync, readFileSync, rmSync, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PATHS } from './paths.ts';

export interface Hot {
  readonly where: string;
  /** 0 to 1, of the samples in which the program did anything. */
  readonly share: number;
}

interface Node {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

const TOP = 12;
const IDLE = new Set(['(idle)', '(root)']);

/** Options for Node that write a profile of the workload at exit. */
export function profileOptions(workload: string): readonly string[] {
  const folder = folderOf(workload);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=200'];
}

/** What the profile says; empty when there is none. */
export function hottest(workload: string): readonly Hot[] {
  const folder = folderOf(workload);
  const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile'));
  if (file === undefined) return [];
  const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as {
    readonly nodes: readonly Node[];
    readonly samples: readonly number[];
  };
  const names = new Map(profile.nodes.map((node) => [node.id, nameOf(node)]));
  const counts = new Map<string, number>();
  let busy = 0;
  for (const sample of profile.samples) {
    const name = names.get(sample) ?? '';
    if (IDLE.has(name)) continue;
    busy++;
    counts.set(name, (counts.get(name) ?? 0) + 1);
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

function folderOf(workload: string): string {
  return join(PATHS.cache, 'profiles', workload);
}
