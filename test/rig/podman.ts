/** Whether tests can use podman on this machine, and the image that they use there. Needs no docker. */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withFileLock } from '../../scripts/setup/file-lock.ts';
import { run } from '../../scripts/setup/run.ts';

/** Podman asks for more processes than a root without limits may have in some places (decided by podman, not by us). */
const LIMITS = ['--ulimit=nofile=256:256', '--ulimit=nproc=256:256'];

let image: Promise<string> | undefined;

/**
 * Why podman cannot be tested here; empty when it can. Tried with as few options as podman needs on its own, so that
 * a fault in our options fails the tests instead of leaving them out.
 */
export async function podmanMissing(): Promise<string> {
  if ((await run('podman', ['--version'])).status !== 0)
    return 'podman is not installed: apt-get install podman runc catatonit';
  const trial = ['run', '--rm', '--init', '--network=none', ...LIMITS, '--pull=never', await podmanImage(), 'true'];
  const result = await run('podman', trial);
  return result.status === 0 ? '' : `podman cannot run a container here: ${result.stderr.trim().split('\n')[0]}`;
}

/** Two megabytes with a shell, as `busyboxImage` is in docker. */
export function podmanImage(): Promise<string> {
  image ??= build();
  return image;
}

async function build(): Promise<string> {
  const identity = createHash('sha256').update(await readFile('/bin/busybox'));
  const name = `localhost/gatehouse-test-podman:${identity.digest('hex').slice(0, 16)}`;
  const exists = async (): Promise<boolean> => (await run('podman', ['image', 'exists', name])).status === 0;
  if (await exists()) return name;
  return withFileLock('image-podman', async () => {
    if (await exists()) return name;
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-image-'));
    try {
      await mkdir(join(folder, 'bin'));
      await copyFile('/bin/busybox', join(folder, 'bin/busybox'));
      const lines = [
        'FROM scratch',
        'COPY bin /bin',
        'RUN ["/bin/busybox", "--install", "-s", "/bin"]',
        'ENV PATH=/bin',
      ];
      await writeFile(join(folder, 'Dockerfile'), `${lines.join('\n')}\n`);
      const built = await run('podman', ['build', '--quiet', '--network=none', ...LIMITS, '--tag', name, folder]);
      if (built.status !== 0) throw new Error(`podman build of ${name} failed:\n${built.stderr}`);
      return name;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}
