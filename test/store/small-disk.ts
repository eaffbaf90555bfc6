/** A disk of a few megabytes that can be filled and made free again, for a program in namespaces of its own. */
import { spawnSync } from 'node:child_process';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Finished, run } from '../../scripts/setup/run.ts';

const SCENARIOS = fileURLToPath(new URL('./full-disk.ts', import.meta.url));
/** Root needs no more; everybody else becomes so in a namespace of users, and stays who he is in it: PostgreSQL wants no root. */
const NAMESPACES = process.getuid?.() === 0 ? ['--mount'] : ['--user', '--map-current-user', '--keep-caps', '--mount'];
const MOUNT = 'mount -t tmpfs -o "size=$1,mode=0755" tmpfs "$2"';

/** Why there cannot be one here; empty when there can. */
export function smallDiskMissing(): string {
  if (process.platform !== 'linux') return 'it needs Linux';
  // Over the folder of temporary files, but for nobody else.
  const { status, stderr, error } = spawnSync('unshare', [...NAMESPACES, 'sh', '-c', MOUNT, 'sh', '1m', tmpdir()], {
    encoding: 'utf8',
  });
  if (status === 0) return '';
  return `no disk can be mounted, neither as root nor in a user namespace: ${error?.message ?? stderr.trim().split('\n')[0] ?? ''}`;
}

/** Runs a scenario of `full-disk.ts` on such a disk; it is gone with it. */
export async function runOnSmallDisk(megabytes: number, scenario: string): Promise<Finished> {
  const path = await mkdtemp(join(tmpdir(), 'gatehouse-disk-'));
  try {
    const script = `${MOUNT} && shift 2 && exec "$@"`;
    const program = [process.execPath, SCENARIOS, path, String(megabytes), scenario];
    return await run('unshare', [...NAMESPACES, 'sh', '-c', script, 'sh', `${megabytes}m`, path, ...program]);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

/** The disk, as the scenario sees it. */
export class SmallDisk {
  readonly path: string;
  readonly #ballast: string;
  readonly #bytes: number;

  constructor(path: string, megabytes: number) {
    this.path = path;
    this.#ballast = join(path, 'ballast');
    this.#bytes = megabytes * 1_048_576;
  }

  /** Takes all the room that is left, in ever smaller pieces, so that no page is left over. */
  async fill(): Promise<void> {
    for (const size of [65_536, 4_096, 256])
      for (let count = 0; count < this.#bytes / size; count += 1) {
        const full = await appendFile(this.#ballast, Buffer.alloc(size)).then(
          () => false,
          () => true,
        );
        if (full) break;
      }
  }

  /** Nobody may have a file on it open to write. */
  async forbidWriting(): Promise<void> {
    const { status, stderr } = await run('mount', ['-o', 'remount,ro', this.path]);
    if (status !== 0) throw new Error(stderr);
  }

  async free(): Promise<void> {
    await rm(this.#ballast, { force: true });
  }
}
