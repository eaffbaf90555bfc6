/** Programs under test as JavaScript: with TypeScript they would need more memory and time, for the compiler. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { transformSync } from 'esbuild';
import { PATHS } from './paths.ts';
import { run } from './processes.ts';
import { runFolder } from './run-folder.ts';

const built = new Map<string, string>();

/** The main program of Gatehouse as it is published; it is gone when this process ends. `folder` is the root of a checkout whose packages are installed. */
export function builtProgram(folder: string = PATHS.root): string {
  const known = built.get(folder);
  if (known !== undefined) return known;
  const target = join(folder, 'bench/.cache', `build-${process.pid}`);
  process.on('exit', () => rmSync(target, { recursive: true, force: true }));
  mkdirSync(target, { recursive: true });
  const compiler = join(folder, 'node_modules/.bin/tsc');
  run([compiler, '-p', join(folder, 'tsconfig.build.json'), '--outDir', join(target, 'dist')], { cwd: folder });
  copyFileSync(join(folder, 'package.json'), join(target, 'package.json'));
  const program = join(target, 'dist/main.js');
  built.set(folder, program);
  return program;
}

/** A program of the bench that needs nothing but packages. */
export function plainProgram(source: string): string {
  const program = join(runFolder('programs'), `${basename(source, '.ts')}.mjs`);
  writeFileSync(program, transformSync(readFileSync(source, 'utf8'), { loader: 'ts', target: 'node26' }).code);
  return program;
}
