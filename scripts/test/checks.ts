/** The checks that run no code of the project: format, lint, types, unused code, generated pages. */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { run } from '../setup/run.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface Check {
  readonly name: string;
  /** An executable of `node_modules/.bin` with its arguments. */
  readonly command: readonly [string, ...string[]];
  /** What to do when it fails. */
  readonly remedy: string;
}

export const CHECKS: readonly Check[] = [
  { name: 'format', command: ['oxfmt', '--check'], remedy: 'npm run format' },
  { name: 'lint', command: ['oxlint'], remedy: 'see the messages above' },
  { name: 'types', command: ['tsc', '-p', '.'], remedy: 'see the messages above' },
  { name: 'unused code', command: ['knip'], remedy: 'remove it, or use it' },
  { name: 'requirements', command: ['node', 'scripts/requirements.ts'], remedy: 'cite the id in the name of a test' },
  { name: 'generated pages', command: ['node', 'scripts/generate.ts', '--check'], remedy: 'npm run generate' },
];

/** Runs a check and prints what it found only when it failed. Answers whether it passed. */
export async function runCheck({ name, command: [program, ...args], remedy }: Check): Promise<boolean> {
  const env = { OXLINT_THREADS: String(availableParallelism()), NO_COLOR: '1' };
  const done = await run(fileURLToPath(new URL(`../../node_modules/.bin/${program}`, import.meta.url)), args, {
    cwd: ROOT,
    env,
  });
  if (done.status === 0) {
    console.log(`✓ ${name}`);
    return true;
  }
  console.log(`✗ ${name}\n${done.stdout}${done.stderr}  → ${remedy}`);
  return false;
}
