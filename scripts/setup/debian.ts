/** Installs packages of the distribution where we may: on Debian and its relatives, as root. */
import { existsSync } from 'node:fs';
import { run } from './run.ts';

/** Undefined when all of it is installed now; otherwise one sentence that says why it is not. */
export async function installDebianPackages(packages: readonly string[]): Promise<string | undefined> {
  const missing = await missingPackages(packages);
  if (missing === undefined) return 'this is no Debian, so nothing was installed';
  if (missing.length === 0) return undefined;
  if (process.getuid?.() !== 0) return `only root may install ${missing.join(', ')}`;
  console.log(`Installing ${missing.join(', ')} with apt-get …`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update', '-qq'], { env });
  const installed = await run('apt-get', ['install', '-y', '-qq', ...missing], { env });
  if (installed.status === 0) return undefined;
  const reason = installed.stderr.split('\n').find((line) => line.startsWith('E:'));
  return `apt-get could not install ${missing.join(', ')}: ${reason ?? 'see its output'}`;
}

async function missingPackages(packages: readonly string[]): Promise<string[] | undefined> {
  if (!existsSync('/etc/debian_version')) return undefined;
  const listed = await run('dpkg-query', ['--show', '--showformat', '${db:Status-Status} ${Package}\n', ...packages]);
  const installed = new Set(listed.stdout.split('\n'));
  return packages.filter((name) => !installed.has(`installed ${name}`));
}
