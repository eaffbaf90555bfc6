/** Programs under test: started on a processor of their own, ended with everything that they started. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PATHS } from './paths.ts';

export interface Started extends AsyncDisposable {
  readonly pid: number;
  /** The first line on stdout that matches. Rejects when the program ends before. */
  line(pattern: RegExp): Promise<string>;
}

export interface StartOptions {
  /** Name of its log file. */
  readonly name: string;
  /** The processor that it runs on; undefined = any. */
  readonly cpu?: number | undefined;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const STOP_PATIENCE_MS = 10_000;

/** The programs of this run, so that none is left when the run is broken off. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

/** True where the kernel lets us choose processors. */
export const canPin = spawnSync('taskset', ['-c', '0', 'true']).status === 0;

export function start(command: readonly string[], options: StartOptions): Started {
  mkdirSync(join(PATHS.cache, 'logs'), { recursive: true });
  const log = openSync(join(PATHS.cache, 'logs', `${options.name}.log`), 'w');
  const pinned =
    canPin && options.cpu !== undefined ? ['taskset', '-c', String(options.cpu), ...command] : [...command];
  const [program = '', ...args] = pinned;
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', log],
    env: { ...process.env, ...options.env },
  });
  closeSync(log);
  running.add(child);
  const ended = once(child, 'close').finally(() => running.delete(child));
  ended.catch(() => undefined);
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input ?? '');
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
    line(pattern) {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          const found = pattern.exec(output);
          if (found === null && !over) return;
          watchers.delete(look);
          if (found !== null) resolve(found[0]);
          else reject(new Error(`${options.name} ended early; see its log in ${PATHS.cache}/logs`));
        };
        watchers.add(look);
        look();
      });
    },
    async [Symbol.asyncDispose]() {
      if (over) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_PATIENCE_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** Runs a program to its end and gives its stdout. Throws with its stderr when it fails. */
export function run(command: readonly string[], options: { readonly cwd?: string } = {}): string {
  const [program = '', ...args] = command;
  const result = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, ...options });
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
      await sleep(50);
    }
  }
}
