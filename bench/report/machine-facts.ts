/** On what was measured: the machine, its load, and the versions of the programs. */
import { arch, cpus, loadavg, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { PATHS } from '../machine/paths.ts';
import { run } from '../machine/processes.ts';
import { proxies } from '../machine/proxies.ts';

const SDK = '@modelcontextprotocol/sdk';

type Facts = Readonly<Record<string, string>>;

export function machineFacts(): Facts {
  return {
    processor: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${type()} ${release()} ${arch()}`,
    load: `load average ${loadavg()[0]?.toFixed(2) ?? '?'} before`,
  };
}

/** Of the programs. */
export function versionFacts(gatehouse: string): Facts {
  const version = (command: readonly string[], pattern: RegExp): string =>
    pattern.exec(run(['sh', '-c', '"$@" 2>&1', 'sh', ...command]))?.[1] ?? 'unknown';
  const packages = (folder: string): { readonly dependencies?: Facts; readonly devDependencies?: Facts } =>
    JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as object;
  const sdk = packages(PATHS.root).devDependencies?.[SDK];
  return {
    gatehouse,
    node: process.versions.node,
    nginx: version([...proxies().nginx, '-v'], /nginx\/([\d.]+)/),
    haproxy: version([...proxies().haproxy, '-v'], /version ([\d.]+)/),
    ...(sdk === undefined ? {} : { [SDK]: sdk }),
    ...packages(PATHS.peers).dependencies,
  };
}

/** What is checked out; `-dirty` when files differ from it, apart from those that the bench writes. */
export function commit(): string {
  const name = run(['git', 'rev-parse', '--short', 'HEAD'], { cwd: PATHS.root }).trim();
  const written = [PATHS.results, PATHS.readme].map((path) => `:(exclude)${path}`);
  const changed = run(['git', 'status', '--porcelain', '--', '.', ...written], { cwd: PATHS.root }).trim();
  return changed === '' ? name : `${name}-dirty`;
}
