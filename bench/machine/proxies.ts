/** The commands of nginx and haproxy: those of the machine, or unpacked from Debian's packages where one is missing. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { PATHS } from './paths.ts';
import { run } from './processes.ts';

export interface Proxies {
  /** The command of each, without arguments. */
  readonly nginx: readonly string[];
  readonly haproxy: readonly string[];
}

const PACKAGES = ['nginx', 'haproxy', 'liblua5.3-0', 'libopentracing1', 'libopentracing-c-wrapper0'];

let known: Proxies | undefined;

/** Looks once. Installing the packages would start a service on port 80, so they are only unpacked. */
export function proxies(): Proxies {
  known ??= findProxies();
  return known;
}

function findProxies(): Proxies {
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
