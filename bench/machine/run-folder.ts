/** What one run writes for itself: logs, configurations, requests, temporary files. All of it is gone when the run ends. */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PATHS } from './paths.ts';

const PREFIX = 'run-';
const own = join(PATHS.cache, `${PREFIX}${process.pid}`);
let known = false;

/** A folder with this name in it, made when it is not there. */
export function runFolder(name: string): string {
  if (!known) prepare();
  known = true;
  const folder = join(own, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Keeps the logs of this run in the place of those that were kept before; their folder, below the root of the repository. */
export function keepLogs(): string {
  const kept = join(PATHS.cache, 'logs');
  rmSync(kept, { recursive: true, force: true });
  cpSync(runFolder('logs'), kept, { recursive: true });
  return 'bench/.cache/logs';
}

function prepare(): void {
  mkdirSync(PATHS.cache, { recursive: true });
  // Those of runs that were killed.
  for (const name of readdirSync(PATHS.cache)) {
    if (name.startsWith(PREFIX) && !existsSync(`/proc/${name.slice(PREFIX.length)}`))
      rmSync(join(PATHS.cache, name), { recursive: true, force: true });
  }
  process.on('exit', () => rmSync(own, { recursive: true, force: true }));
}
