/** The published package: what `npm run build` makes of the sources runs without them. */
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { run } from '../../scripts/setup/run.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

it('runs what was built, with the dependencies that it names', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-package-'));
  try {
    const tsc = join(ROOT, 'node_modules/.bin/tsc');
    const built = await run(tsc, ['-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist')], { cwd: ROOT });
    expect(built).toEqual({ status: 0, stdout: '', stderr: '' });
    await cp(join(ROOT, 'bin'), join(folder, 'bin'), { recursive: true });
    await cp(join(ROOT, 'package.json'), join(folder, 'package.json'));
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));

    const command = join(folder, 'bin/gatehouse.js');
    const version = await run(process.execPath, [command, 'version', '--json']);
    expect(JSON.parse(version.stdout)).toMatchObject({ name: 'gatehouse', specVersion: '1.17.0' });
    const validated = await run(process.execPath, [command, 'validate', '-'], {
      input: '{"mcpServers":{}, "gateway":{}}',
    });
    expect(validated.status).toBe(1);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
