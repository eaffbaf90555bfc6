/** Finds an installed PostgreSQL and runs one for a test: a server of its own, in a folder that is gone afterwards. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from './run.ts';

export interface PostgresServer extends AsyncDisposable {
  readonly port: number;
  /** Of the superuser; nobody can connect without it. */
  readonly password: string;
  readonly pid: number;
  /** Where its data is. */
  readonly folder: string;
  /** `postgres://…` for a database of this name. */
  url(database: string): string;
  log(): Promise<string>;
}

/** Debian keeps it out of the path, by version. */
const DEBIAN_VERSIONS = '/usr/lib/postgresql';
const ATTEMPTS = 3;
const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 20_000;

/** The folder of `initdb` and `postgres`; undefined when it is not installed. */
export function postgresPrograms(): string | undefined {
  const versions = existsSync(DEBIAN_VERSIONS) ? readdirSync(DEBIAN_VERSIONS).map(Number) : [];
  const debian = versions
    .sort((one, other) => other - one)
    .map((version) => join(DEBIAN_VERSIONS, `${version}`, 'bin'));
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return [...debian, ...path].find(
    (folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')),
  );
}

/** `dataParent`: where to put the tables, such as on a small disk; it must let every user pass. The log of writes stays outside. */
export async function startPostgres(dataParent?: string): Promise<PostgresServer> {
  const programs = postgresPrograms();
  if (programs === undefined) throw new Error('PostgreSQL is not installed');
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-postgres-'));
  const data = dataParent === undefined ? join(folder, 'data') : await mkdtemp(join(dataParent, 'data-'));
  try {
    const user = await unprivilegedUser();
    if (user !== undefined) for (const path of [folder, data]) await giveTo(user, path);
    const password = randomBytes(12).toString('hex');
    await initialize(programs, { folder, data, password, user });
    for (let attempt = 1; ; attempt += 1) {
      const started = await start(programs, { folder, data, password, user });
      if (started !== undefined) return started;
      // Somebody else was faster to take the port that was free.
      if (attempt === ATTEMPTS) throw new Error(`PostgreSQL does not start:\n${await readLog(folder)}`);
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

interface Unprivileged {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to be run by root. */
async function unprivilegedUser(): Promise<Unprivileged | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
    if (uid.status === 0 && gid.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new Error('PostgreSQL cannot be run by root, and there is no other user here');
}

interface Cluster {
  /** Holds everything that is not said otherwise. */
  readonly folder: string;
  readonly data: string;
  readonly password: string;
  readonly user: Unprivileged | undefined;
}

async function giveTo({ uid, gid }: Unprivileged, path: string): Promise<void> {
  if (existsSync(path)) await chown(path, uid, gid);
}

async function initialize(programs: string, { folder, data, password, user }: Cluster): Promise<void> {
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (user !== undefined) await giveTo(user, passwordFile);
  const args = ['--username=gatehouse', `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8'];
  const places = [`--waldir=${join(folder, 'wal')}`, data];
  const done = await run(join(programs, 'initdb'), [...args, '--locale=C', '--no-sync', ...places], {
    cwd: folder,
    ...user,
  });
  if (done.status !== 0) throw new Error(`initdb failed: ${done.stderr}`);
  await rm(passwordFile);
}

async function start(programs: string, { folder, data, password, user }: Cluster): Promise<PostgresServer | undefined> {
  const port = await freePort();
  const args = ['-D', data, '-h', '127.0.0.1', '-p', `${port}`, '-k', folder];
  const server = spawn(join(programs, 'postgres'), [...args, '-c', 'logging_collector=off'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
    ...user,
  });
  let text = '';
  server.stderr.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  // Whoever ends this process in a hurry does not leave the server behind.
  const onExit = (): void => void server.kill('SIGQUIT');
  process.once('exit', onExit);
  const exited = new Promise<void>((resolve) => {
    server.once('close', () => resolve()).once('error', () => resolve());
  });
  void exited.then(() => process.off('exit', onExit));
  if (!(await ready(programs, port, server))) {
    await stop(server, exited);
    await writeFile(join(folder, 'log'), text);
    return undefined;
  }
  return {
    port,
    password,
    pid: server.pid ?? 0,
    folder,
    url: (database) => `postgres://gatehouse:${password}@127.0.0.1:${port}/${database}`,
    log: async () => Promise.resolve(text),
    async [Symbol.asyncDispose]() {
      await stop(server, exited);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function ready(programs: string, port: number, server: ChildProcess): Promise<boolean> {
  const deadline = Date.now() + START_DEADLINE_MS;
  while (server.exitCode === null && server.signalCode === null && Date.now() < deadline) {
    const { status } = await run(join(programs, 'pg_isready'), ['-q', '-h', '127.0.0.1', '-p', `${port}`]);
    if (status === 0) return true;
    await sleep(50);
  }
  return false;
}

/** SIGINT ends it at once, but tidily (pg_ctl calls it "fast"). */
async function stop(server: ChildProcess, exited: Promise<void>): Promise<void> {
  server.kill('SIGINT');
  const force = setTimeout(() => server.kill('SIGQUIT'), STOP_DEADLINE_MS);
  await exited;
  clearTimeout(force);
}

async function readLog(folder: string): Promise<string> {
  return readFile(join(folder, 'log'), 'utf8').catch(() => '');
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => {
    probe.listen(0, '127.0.0.1', resolve);
  });
  const address = probe.address();
  await new Promise<void>((resolve) => {
    probe.close(() => resolve());
  });
  return typeof address === 'object' && address !== null ? address.port : 0;
}
