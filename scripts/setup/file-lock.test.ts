import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { withFileLock } from './file-lock.ts';
import { run } from './run.ts';

it('lets one holder in at a time, and the next one after a failure', async () => {
  const name = randomUUID();
  let inside = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    inside += 1;
    most = Math.max(most, inside);
    await sleep(5);
    inside -= 1;
  };
  const failing = async (): Promise<void> => {
    await work();
    throw new Error('refused');
  };
  const all = await Promise.allSettled([
    withFileLock(name, failing),
    withFileLock(name, work),
    withFileLock(name, work),
  ]);
  expect(all.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
  expect(most).toBe(1);
});

it('takes over the lock of a process that is gone', async () => {
  const name = randomUUID();
  const gone = await run(process.execPath, ['--print', 'process.pid']);
  await writeFile(join(tmpdir(), `gatehouse-${name}.lock`), gone.stdout.trim());
  expect(await withFileLock(name, async () => Promise.resolve('done'))).toBe('done');
});
