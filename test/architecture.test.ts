/** Rules of the house that the linter cannot express. The others are in `.oxlintrc.json`. */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

/** What runs in production: no tests, and nothing in a folder of tests. */
async function sources(): Promise<string[]> {
  const files = await readdir(join(ROOT, 'src'), { recursive: true, withFileTypes: true });
  const paths = files.filter((file) => file.isFile()).map((file) => relative(ROOT, join(file.parentPath, file.name)));
  return paths.filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts') && !path.includes('/test/'));
}

/** It starts the gateway's own program, with no arguments. */
const OWN_PROGRAM = 'src/cluster/worker-process.ts';

it('only the container room starts programs, so no configuration can start one anywhere else', async () => {
  const starters: string[] = [];
  for (const path of await sources()) {
    if (/['"](node:)?child_process['"]/.test(await readFile(join(ROOT, path), 'utf8'))) starters.push(path);
  }
  expect(starters).not.toEqual([]);
  expect(starters.filter((path) => path !== OWN_PROGRAM && !path.startsWith('src/upstream/container/'))).toEqual([]);
});

it('every source file opens with a sentence that says what it is for', async () => {
  const silent: string[] = [];
  for (const path of await sources()) {
    if (!(await readFile(join(ROOT, path), 'utf8')).startsWith('/**')) silent.push(path);
  }
  expect(silent).toEqual([]);
});
