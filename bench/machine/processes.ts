/** Programs under test: started on a processor of their own, ended with everything that they started. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processTree } from './processor-time.ts';
import { runFolder } from './run-folder.ts';

export interface Started extends AsyncDisposable {
  readonly pid: number;
  /** Path of what it writes to stderr. */
  readonly log: string;
  /** The first line on stdout that matches. Rejects when the program ends before, or has not said it within a minute. */
  line(pattern: RegExp): Promise<string>;
  signal(name: NodeJS.Signals): void;
  /** Writes a line to its stdin, which stays open only with `keepInput`. */
  tell(line: string): void;
}

export interface StartOptions {
  /** Name of its log file. */
  readonly name: string;
  /** Put before the command: see `pinned`. */
  readonly pinned: readonly string[];
  readonly input?: string;
  readonly keepInput?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Most files that it may have open, up to `openFilesAllowed`; default: what this process may have. */
  readonly files?: number;
}

const STOP_PATIENCE_MS = 10_000;
const LINE_PATIENCE_MS = 60_000;
const POLL_MS = 5;

/** The programs of this run, so that none is left when the run is broken off. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const { pid } of running) if (pid !== undefined) processTree(pid).toReversed().forEach(kill);
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

export function start(command: readonly string[], options: StartOptions): Started {
  const log = join(runFolder('logs'), `${options.name}.log`);
  const descriptor = openSync(log, 'w');
  const limited = options.files === undefined ? [] : ['prlimit', `--nofile=${options.files}:${options.files}`];
  const [program = '', ...args] = [...options.pinned, ...limited, ...command];
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', descriptor],
    env: { ...process.env, ...options.env },
  });
  closeSync(descriptor);
  running.add(child);
  const ended = once(child, 'close').finally(() => running.delete(child));
  ended.catch(() => undefined);
  child.stdin?.on('error', () => undefined);
  if (options.input !== undefined) child.stdin?.write(options.input);
  if (options.keepInput !== true) child.stdin?.end();
  let output = '';
  let over = false;
  const watchers = new Set<() => void>();
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    // Kept only while somebody waits for a line: some peers write one for each request.
    if (output.length < 1_000_000) output += text;
    for (const watcher of watchers) watcher();
  });
  void ended.then(() => {
    over = true;
    for (const watcher of watchers) watcher();
  });
  return {
    pid: child.pid ?? 0,
    log,
    signal: (name) => void child.kill(name),
    tell: (line) => void child.stdin?.write(`${line}\n`),
    line(pattern) {
      return new Promise((resolve, reject) => {
        const settle = (found: string | undefined, why: string): void => {
          watchers.delete(look);
          clearTimeout(timer);
          if (found === undefined) reject(new Error(`${options.name} ${why}: ${lastWords(log)}`));
          else resolve(found);
        };
        const look = (): void => {
          const found = pattern.exec(output)?.[0];
          if (found !== undefined || over) settle(found, 'ended early');
        };
        const timer = setTimeout(() => settle(undefined, 'did not get ready'), LINE_PATIENCE_MS);
        watchers.add(look);
        look();
      });
    },
    async [Symbol.asyncDispose]() {
      if (over) return;
      // What a program leaves behind when it ends is ours to end.
      const family = processTree(child.pid ?? 0);
      child.kill('SIGTERM');
      const timer = setTimeout(() => family.toReversed().forEach(kill), STOP_PATIENCE_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** How many files a program may have open here at most. */
export function openFilesAllowed(): number {
  return Number(run(['prlimit', '--nofile', '--output=HARD', '--noheadings']).trim());
}

/** What a log says last, on one line. */
function lastWords(file: string): string {
  return readFileSync(file, 'utf8').slice(-600).replaceAll(/\s+/g, ' ').trim();
}

/** Runs a program to its end and gives its stdout. Throws with its stderr when it fails. */
export function run(
  command: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): string {
  const [program = '', ...args] = command;
  const env = { ...process.env, ...options.env };
  const result = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, ...options, env });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`${command.join(' ')} failed: ${result.stderr.slice(-2_000)}`);
  return result.stdout;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}

/** Waits until something answers HTTP at the address, whatever it says. */
export async function untilAnswers(url: string, patienceMs = 30_000): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    try {
      await (await fetch(url, { method: 'GET' })).body?.cancel();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(POLL_MS);
    }
  }
}

/** Waits until a port of 127.0.0.1 takes connections. */
export async function untilListens(port: number, patienceMs = 30_000): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(POLL_MS);
    } finally {
      socket.destroy();
    }
  }
}
