import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { postgresPrograms } from './postgres.ts';

const MODULE = fileURLToPath(new URL('./postgres.ts', import.meta.url));
const STARTER = `
  import { startPostgres } from ${JSON.stringify(MODULE)};
  console.log('starting');
  const server = await startPostgres();
  console.log('pid ' + server.pid);
  await new Promise((resolve) => setTimeout(resolve, 600_000));
`;

describe.skipIf(postgresPrograms() === undefined)('a process that starts PostgreSQL (PostgreSQL)', () => {
  it.each([
    ['SIGINT', 'while it is being prepared', 150],
    ['SIGTERM', 'while it is being prepared', 600],
    ['SIGINT', 'while it is coming up', undefined],
    ['SIGTERM', 'when it runs', 'running'],
  ] as const)('and is ended by %s %s leaves neither a server nor a folder', async (signal, _, when) => {
    const place = await mkdtemp(join(tmpdir(), 'gatehouse-signal-'));
    // Where this is root, the server is run by somebody else.
    await chmod(place, 0o755);
    try {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', STARTER], {
        env: { ...process.env, TMPDIR: place },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
      const exited = once(child, 'close');
      await expect.poll(() => said).toContain('starting');
      if (typeof when === 'number') await sleep(when);
      else if (when === 'running') await expect.poll(() => said, { timeout: 90_000 }).toContain('pid ');
      else await expect.poll(async () => postmastersBelow(place), { timeout: 90_000, interval: 5 }).toBeGreaterThan(0);
      child.kill(signal);
      expect(await exited).toEqual([null, signal]);
      await expect.poll(async () => serversBelow(place)).toEqual([]);
      expect(await readdir(place, { recursive: true })).toEqual([]);
    } finally {
      await rm(place, { recursive: true, force: true });
    }
  });
});

/** How many servers have written down that they are there. */
async function postmastersBelow(place: string): Promise<number> {
  const folders = await readdir(place);
  return folders.filter((folder) => existsSync(join(place, folder, 'data', 'postmaster.pid'))).length;
}

/** Processes whose command line names the folder. */
async function serversBelow(place: string): Promise<readonly string[]> {
  const child = spawn('ps', ['-eo', 'args'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  await once(child, 'close');
  return text.split('\n').filter((line) => line.includes(place) && /postgres|initdb/.test(line));
}
