/**
 * Which directories of the host a container may see. Checked when the configuration is loaded and again just before
 * each launch, because a symbolic link may have changed in between.
 */
import { readlink, realpath } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import type { Mount } from './config.ts';
import type { Environment } from './expand.ts';

/** Names the roots in place of the defaults. */
export const MOUNT_ROOTS_VARIABLE = 'MCP_GATEWAY_ALLOWED_MOUNT_ROOTS';

export interface MountRoot {
  /** Canonical: absolute and without symbolic links. */
  readonly path: string;
  readonly mode: 'ro' | 'rw';
}

export interface MountPolicy {
  readonly roots: readonly MountRoot[];
  /** Canonical paths of the engines' sockets and state: nothing that is, holds or lies in one of them can be mounted. */
  readonly engine: readonly string[];
  /** Canonical paths that cannot be mounted themselves, though directories in them can. */
  readonly whole: readonly string[];
}

/** The directories that the defaults are made of. */
export interface HostDirectories {
  readonly working: string;
  readonly temporary: string;
  readonly home: string;
}

export type MountCheck =
  /** `mount` has the canonical source: launch that one, not the one that was checked. */
  | { readonly ok: true; readonly mount: Mount }
  | { readonly ok: false; readonly message: string; readonly suggestion: string };

/** Whoever can write to one of these commands the engine, and with it the host. */
const ENGINE_PATHS = [
  '/run/docker.sock',
  '/var/run/docker.sock',
  '/run/docker',
  '/var/run/docker',
  '/var/lib/docker',
  '/etc/docker',
  '/run/containerd',
  '/var/run/containerd',
  '/var/lib/containerd',
  '/run/podman',
  '/var/run/podman',
  '/run/crio',
  '/var/lib/containers',
  '/run/containers',
  '/etc/containers',
];
/** Bounds the walk up a path and along links that lead in circles. */
const MAX_PATH_STEPS = 512;

/** Always closed, with all that is in them: the kernel and its devices. */
const KERNEL_PATHS = ['/proc', '/sys', '/dev'];
/** Closed as a whole; an allowed root may open a part. */
const WHOLE_PATHS = [
  '/',
  '/bin',
  '/boot',
  '/etc',
  '/home',
  '/lib',
  '/lib64',
  '/opt',
  '/root',
  '/run',
  '/sbin',
  '/srv',
  '/usr',
  '/usr/local',
  '/var',
  '/var/lib',
  '/var/run',
  '/Users',
  '/Volumes',
  '/private',
  '/System',
  '/Library',
];

export function hostDirectories(): HostDirectories {
  return { working: process.cwd(), temporary: tmpdir(), home: homedir() };
}

/**
 * Reads the allowed roots: `MCP_GATEWAY_ALLOWED_MOUNT_ROOTS=path[:ro|:rw],…` (empty: none), else the workspace of
 * GitHub Actions and the working directory for reading and the temporary directory for writing.
 * `ignored` holds entries that are no usable root.
 */
export async function mountPolicyFrom(
  env: Environment,
  directories: HostDirectories,
): Promise<{ policy: MountPolicy; ignored: readonly string[] }> {
  const ignored: string[] = [];
  const roots: MountRoot[] = [];
  const listed = env[MOUNT_ROOTS_VARIABLE];
  const entries: { path: string; mode: string }[] =
    listed === undefined
      ? [
          { path: env['GITHUB_WORKSPACE'] ?? '', mode: 'ro' },
          { path: directories.working, mode: 'ro' },
          { path: directories.temporary, mode: 'rw' },
        ]
      : listed
          .split(',')
          .filter((entry) => entry.trim() !== '')
          .map(readRoot);
  for (const { path, mode } of entries) {
    const canonical = isAbsolute(path) ? await canonicalPath(path) : undefined;
    if (canonical !== undefined && canonical !== '/' && (mode === 'ro' || mode === 'rw'))
      roots.push({ path: canonical, mode });
    else if (listed !== undefined) ignored.push(path);
  }
  const socket = /^unix:\/\/(\/.+)$/;
  const named = [env['DOCKER_HOST'], env['CONTAINER_HOST']].flatMap((address) => socket.exec(address ?? '')?.[1] ?? []);
  const rootless = env['XDG_RUNTIME_DIR'];
  const engine = [
    ...ENGINE_PATHS,
    ...named,
    ...(rootless === undefined ? [] : [join(rootless, 'docker.sock'), join(rootless, 'podman')]),
    join(directories.home, '.docker'),
    join(directories.home, '.local/share/docker'),
    join(directories.home, '.local/share/containers'),
  ];
  return {
    policy: {
      roots,
      engine: await canonicalAll([...engine, ...KERNEL_PATHS]),
      whole: await canonicalAll([...WHOLE_PATHS, directories.home]),
    },
    ignored,
  };
}

/**
 * Checks one mount against the policy. The file system is asked each time.
 * `expression` stands in messages in place of a source that came from the environment and may be secret.
 */
export async function checkMount(mount: Mount, policy: MountPolicy, expression?: string): Promise<MountCheck> {
  const source = await canonicalPath(mount.source);
  const written = expression ?? `"${mount.source}"`;
  const refuse = (reason: string, suggestion: string): MountCheck => {
    const real =
      source === undefined || source === mount.source || expression !== undefined ? '' : ` (really "${source}")`;
    return { ok: false, message: `mount ${written}${real} rejected: ${reason}`, suggestion };
  };
  if (source === undefined) {
    return refuse(
      'the path cannot be resolved (a loop of links, a file in place of a directory, or no permission)',
      'Mount an existing directory that the gateway may read.',
    );
  }
  const touchesEngine = policy.engine.some((path) => isWithin(source, path) || isWithin(path, source));
  if (touchesEngine || policy.whole.includes(source)) {
    return refuse(
      'it is, holds or belongs to a part of the host that no container may see',
      "Mount the one directory that the server needs, not a system directory or what surrounds an engine's socket.",
    );
  }
  const containing = policy.roots.filter((candidate) => isWithin(source, candidate.path));
  const longest = Math.max(...containing.map((candidate) => candidate.path.length));
  // The most specific root decides; of two entries for the same directory the one that allows more.
  const best = containing.filter((candidate) => candidate.path.length === longest);
  const [root] = best;
  if (root === undefined) {
    const list = policy.roots.map((allowed) => `${allowed.path}:${allowed.mode}`).join(', ');
    const example = expression === undefined ? `, for example "${source}:${mount.mode}"` : '';
    return refuse(
      `host source is outside the allowed mount roots (${list === '' ? 'none' : list})`,
      `Add the directory to ${MOUNT_ROOTS_VARIABLE}${example}.`,
    );
  }
  if (mount.mode === 'rw' && !best.some((candidate) => candidate.mode === 'rw')) {
    return refuse(
      `read-write access to this host root is not permitted by mount policy (${root.path} is allowed for reading)`,
      `End the mount with ":ro", or allow writing: ${MOUNT_ROOTS_VARIABLE}="${root.path}:rw".`,
    );
  }
  return { ok: true, mount: { ...mount, source } };
}

function readRoot(entry: string): { path: string; mode: string } {
  const match = /^(.*?)(?::([^:/]*))?$/.exec(entry.trim());
  return { path: match?.[1] ?? '', mode: match?.[2] ?? 'ro' };
}

/**
 * The path without symbolic links and dots; of a path that does not exist yet, its longest existing part.
 * A link to nothing is followed too: its target may exist by the time of the launch. Undefined when it cannot be told.
 */
async function canonicalPath(path: string): Promise<string | undefined> {
  let existing = resolve(path);
  let missing = '';
  for (let step = 0; step < MAX_PATH_STEPS; step += 1) {
    try {
      return join(await realpath(existing), missing);
    } catch (cause) {
      if (!isNotFound(cause)) return undefined;
    }
    const target = await readlink(existing).catch(() => undefined);
    if (target !== undefined) {
      existing = resolve(dirname(existing), target);
      continue;
    }
    const parent = dirname(existing);
    if (parent === existing) return undefined;
    missing = join(basename(existing), missing);
    existing = parent;
  }
  return undefined;
}

function isNotFound(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
}

async function canonicalAll(paths: readonly string[]): Promise<string[]> {
  return [
    ...new Set([
      ...paths.map((path) => resolve(path)),
      ...(await Promise.all(paths.map(canonicalPath))).filter((path) => path !== undefined),
    ]),
  ];
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}
