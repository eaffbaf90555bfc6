/** Finds an installed PostgreSQL and runs one for a test: a server of its own, in a folder that is gone afterwards. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.ts';
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
  /** Ends the server and leaves its data; `hard` is a crash of it. */
  halt(how?: 'hard'): Promise<void>;
  /** Starts it again, at the same port with the same data. */
  resume(): Promise<void>;
}

/** Debian keeps it out of the path, by version. */
const DEBIAN_VERSIONS = '/usr/lib/postgresql';
const ATTEMPTS = 3;
const START_DEADLINE_MS = 90_000;
const STOP_DEADLINE_MS = 60_000;
const QUIT_DEADLINE_MS = 20_000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

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
  // From here on whatever ends this process takes everything along.
  const leftovers = new Leftovers(folder);
  try {
    const data = dataParent === undefined ? join(folder, 'data') : await mkdtemp(join(dataParent, 'data-'));
    const user = await unprivilegedUser();
    if (user !== undefined) for (const path of [folder, data]) await giveTo(user, path);
    const cluster = { programs, folder, data, password: randomBytes(12).toString('hex'), user, leftovers };
    await initialize(cluster);
    for (let attempt = 1; ; attempt += 1) {
      const port = await freePort();
      const started = await start(cluster, port);
      if (started !== undefined) return serverOf(cluster, port, started);
      // Somebody else was faster to take the port that was free.
      if (attempt === ATTEMPTS) throw new Error(`PostgreSQL does not start:\n${leftovers.log}`);
    }
  } catch (error) {
    await leftovers[Symbol.asyncDispose]();
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
  /** Folder of `initdb` and `postgres`. */
  readonly programs: string;
  /** Holds everything that is not said otherwise. */
  readonly folder: string;
  readonly data: string;
  readonly password: string;
  readonly user: Unprivileged | undefined;
  readonly leftovers: Leftovers;
}

async function giveTo({ uid, gid }: Unprivileged, path: string): Promise<void> {
  if (existsSync(path)) await chown(path, uid, gid);
}

async function initialize({ programs, folder, data, password, user, leftovers }: Cluster): Promise<void> {
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (user !== undefined) await giveTo(user, passwordFile);
  const args = ['--username=gatehouse', `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8'];
  const places = [`--waldir=${join(folder, 'wal')}`, data];
  const done = await run(join(programs, 'initdb'), [...args, '--locale=C', '--no-sync', ...places], {
    cwd: folder,
    signal: leftovers.ended,
    group: true,
    ...user,
  });
  if (done.status !== 0) throw new Error(`initdb failed: ${done.stderr}`);
  await rm(passwordFile);
}

interface Running {
  readonly server: ChildProcess;
  readonly exited: Promise<void>;
}

/** undefined when it does not come up. */
async function start({ programs, folder, data, user, leftovers }: Cluster, port: number): Promise<Running | undefined> {
  const args = ['-D', data, '-h', '127.0.0.1', '-p', `${port}`, '-k', folder];
  const server = spawn(join(programs, 'postgres'), [...args, '-c', 'logging_collector=off'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
    ...user,
  });
  leftovers.owns(server);
  server.stderr.setEncoding('utf8').on('data', (piece: string) => leftovers.note(piece));
  const exited = new Promise<void>((resolve) => {
    server.once('close', () => resolve()).once('error', () => resolve());
  });
  if (await ready(programs, folder, port, server)) return { server, exited };
  await stop(server, exited);
  return undefined;
}

function serverOf(cluster: Cluster, port: number, first: Running): PostgresServer {
  const { password, folder, leftovers } = cluster;
  let running = first;
  return {
    port,
    password,
    folder,
    get pid() {
      return running.server.pid ?? 0;
    },
    url: (database) => `postgres://gatehouse:${password}@127.0.0.1:${port}/${database}`,
    log: async () => Promise.resolve(leftovers.log),
    async halt(how) {
      if (how === 'hard') running.server.kill('SIGQUIT');
      await stop(running.server, running.exited);
    },
    async resume() {
      const again = await start(cluster, port);
      if (again === undefined) throw new Error(`PostgreSQL does not start again:\n${leftovers.log}`);
      running = again;
    },
    async [Symbol.asyncDispose]() {
      await stop(running.server, running.exited);
      await leftovers[Symbol.asyncDispose]();
    },
  };
}

/** Sees to it that neither server nor folder stays behind, also when a signal ends this process in the middle. */
class Leftovers implements AsyncDisposable {
  readonly #folder: string;
  readonly #ended = new AbortController();
  #server: ChildProcess | undefined;
  #text = '';
  readonly #onExit = (): void => this.#cleanUp();
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this.#cleanUp();
    this.#stopListening();
    // Nobody else who listens wants more time: the signal does what it would have done.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };

  constructor(folder: string) {
    this.#folder = folder;
    process.once('exit', this.#onExit);
    for (const signal of SIGNALS) process.once(signal, this.#onSignal);
  }

  /** Ends what is being run on the way to a server. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  get log(): string {
    return this.#text;
  }

  note(text: string): void {
    this.#text += text;
  }

  owns(server: ChildProcess): void {
    this.#server = server;
    // It may have been on its way when the signal came.
    if (this.#ended.signal.aborted) server.kill('SIGQUIT');
  }

  /** Without a turn of the event loop: there may be none any more. The server gives up at once. */
  #cleanUp(): void {
    this.#ended.abort();
    if (this.#server?.kill('SIGQUIT') === true) waitForEnd(this.#server.pid ?? 0);
    removeNow(this.#folder);
  }

  #stopListening(): void {
    process.off('exit', this.#onExit);
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopListening();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Asked in its own folder: at its port somebody else may answer, who was faster to take it. */
async function ready(programs: string, folder: string, port: number, server: ChildProcess): Promise<boolean> {
  const deadline = Date.now() + START_DEADLINE_MS;
  while (server.exitCode === null && server.signalCode === null && Date.now() < deadline) {
    const { status } = await run(join(programs, 'pg_isready'), ['-q', '-h', folder, '-p', `${port}`]);
    if (status === 0) return true;
    await sleep(50);
  }
  return false;
}

/** SIGINT ends it at once, but tidily (pg_ctl calls it "fast"). */
async function stop(server: ChildProcess, exited: Promise<void>): Promise<void> {
  if (server.exitCode === null && server.signalCode === null) server.kill('SIGINT');
  const force = setTimeout(() => server.kill('SIGQUIT'), STOP_DEADLINE_MS);
  await exited;
  clearTimeout(force);
}

/** Those who were killed may have a write under way. */
function removeNow(folder: string): void {
  const deadline = Date.now() + QUIT_DEADLINE_MS;
  for (;;) {
    try {
      return rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

/** What it writes in its last moments would stay behind. */
function waitForEnd(pid: number): void {
  const deadline = Date.now() + QUIT_DEADLINE_MS;
  const pause = new Int32Array(new SharedArrayBuffer(4));
  while (isAlive(pid) && Date.now() < deadline) Atomics.wait(pause, 0, 0, 10);
}

/** Its parent, which is waiting here, has not taken note of its end: it is a zombie then. */
function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
