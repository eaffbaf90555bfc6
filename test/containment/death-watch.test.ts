/** The engine's word on the end of containers, over the terms of its command. */
import { randomBytes } from 'node:crypto';
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { DeathWatch } from '../../src/upstream/container/death-watch.ts';
import { findEngine } from '../../src/upstream/container/engine-command.ts';
import { LABELS } from '../../src/upstream/container/gateway-instance.ts';
import { dockerMissing } from '../rig/docker.ts';
import { busyboxImage } from '../rig/images.ts';

const TERM_MS = 1_000;

/** Command lines of the watch of this instance. */
function watches(instance: string): readonly string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return command.includes(' events ') && command.includes(instance) ? [command] : [];
    } catch {
      // It has ended since.
      return [];
    }
  });
}

describe.skipIf(dockerMissing())('the watch over containers', () => {
  it('tells of their end in any of its terms, and has ended when nothing is watched', async () => {
    const instance = `test-${randomBytes(6).toString('hex')}`;
    const watch = new DeathWatch(findEngine({ engine: 'docker', command: 'docker' }), instance, TERM_MS);
    const image = await busyboxImage();
    const names = ['first', 'second'].map((name) => `${instance}-${name}`);
    const options = ['--detach', '--rm', '--network', 'none', '--label', `${LABELS.instance}=${instance}`];
    const docker = (...args: string[]): string => execFileSync('docker', args, { encoding: 'utf8' });
    let first: readonly string[] | undefined;
    const containers = names.map((name) => {
      const watched = watch.watch(name);
      // At once: starting containers may take longer than a term.
      first ??= watches(instance);
      docker('run', '--name', name, ...options, image, 'sleep', '600');
      return watched;
    });
    try {
      await expect.poll(() => watches(instance).some((command) => command.includes('--since'))).toBe(true);
      expect(first).toEqual([expect.not.stringContaining('--since')]);
      for (const [index, name] of names.entries()) {
        await pause(TERM_MS);
        docker('kill', name);
        expect(await containers[index]?.died).toEqual({ status: 137, outOfMemory: false });
      }
    } finally {
      for (const container of containers) container.release();
      for (const name of names) spawnSync('docker', ['rm', '--force', name], { stdio: 'ignore' });
    }
    await expect.poll(() => watches(instance)).toEqual([]);
  });
});
