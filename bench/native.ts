/** Builds the load generator and the server behind the contenders, and fetches nginx and haproxy where they are missing. */
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PATHS } from './paths.ts';
import { run } from './processes.ts';

export interface Native {
  readonly load: string;
  readonly upstream: string;
}

export function buildNative(): Native {
  mkdirSync(PATHS.cache, { recursive: true });
  return { load: compile('load'), upstream: compile('upstream') };
}

function compile(name: string): string {
  const [source, program] = [join(PATHS.native, `${name}.c`), join(PATHS.cache, name)];
  if (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs)
    run(['gcc', '-O2', '-Wall', '-Wextra', '-o', program, source]);
  return program;
}

export interface Proxies {
  /** The command of each, without arguments. */
  readonly nginx: readonly string[];
  readonly haproxy: readonly string[];
}

const PACKAGES = ['nginx', 'haproxy', 'liblua5.3-0', 'libopentracing1', 'libopentracing-c-wrapper0'];

/**
 * Those of the machine. On Debian, where one is missing, its package is unpacked into the cache: installing it would
 * start a service on port 80.
 */
export function findProxies(): Proxies {
  if (found('nginx') && found('haproxy')) return { nginx: ['nginx'], haproxy: ['haproxy'] };
  const root = join(PATHS.cache, 'debian');
  if (!existsSync(join(root, 'usr/sbin/haproxy'))) {
    mkdirSync(root, { recursive: true });
    run(['apt-get', 'download', '-qq', ...PACKAGES], { cwd: root });
    for (const file of readdirSync(root)) if (file.endsWith('.deb')) run(['dpkg-deb', '-x', file, '.'], { cwd: root });
  }
  const libraries = run(['sh', '-c', `ls -d ${root}/usr/lib/*-linux-gnu`]).trim();
  const program = (name: string): string[] => ['env', `LD_LIBRARY_PATH=${libraries}`, join(root, 'usr/sbin', name)];
  return { nginx: program('nginx'), haproxy: program('haproxy') };
}

function found(program: string): boolean {
  return ['/usr/sbin', '/usr/local/sbin', '/usr/bin'].some((folder) => existsSync(join(folder, program)));
}
