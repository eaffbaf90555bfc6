/** A disk of a few megabytes that can be filled and made free again. */
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../scripts/setup/run.ts';

export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  /** Takes all the room that is left. */
  fill(): Promise<void>;
  free(): Promise<void>;
}

/** Only root may mount one. */
export function smallDiskMissing(): boolean {
  return process.platform !== 'linux' || process.getuid?.() !== 0;
}

/** A tmpfs, so it needs neither a device nor much time. */
export async function mountSmallDisk(megabytes: number): Promise<SmallDisk> {
  const path = await mkdtemp(join(tmpdir(), 'gatehouse-disk-'));
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0755`, 'tmpfs', path]);
  if (mounted.status !== 0) {
    await rm(path, { recursive: true, force: true });
    throw new Error(`no small disk can be mounted: ${mounted.stderr}`);
  }
  const ballast = join(path, 'ballast');
  return {
    path,
    async fill() {
      // Ever smaller pieces, so that no page is left over.
      for (const size of [65_536, 4_096, 256])
        for (let count = 0; count < (megabytes * 1_048_576) / size; count += 1) {
          const full = await appendFile(ballast, Buffer.alloc(size)).then(
            () => false,
            () => true,
          );
          if (full) break;
        }
    },
    free: async () => rm(ballast, { force: true }),
    async [Symbol.asyncDispose]() {
      await run('umount', ['--lazy', path]);
      await rm(path, { recursive: true, force: true });
    },
  };
}
