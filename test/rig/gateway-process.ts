/** A program of ours as a child process: its output, its end, and waiting for either. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** After SIGTERM the process gets so long to drain before a test kills it. */
const STOP_TIMEOUT_MS = 60_000;

export interface Exit {
  /** undefined when a signal ended it. */
  readonly status: number | undefined;
  readonly signal: string | undefined;
}

export interface GatewayProcess extends AsyncDisposable {
  readonly pid: number;
  /** All of stdout and stderr so far. */
  readonly stdout: string;
  readonly stderr: string;
  readonly exited: Promise<Exit>;
  kill(signal: NodeJS.Signals): void;
  /** The log lines on stderr that are JSON, parsed. */
  logs(): Record<string, unknown>[];
  /** Waits until `look` gives something, looking again at each output. Rejects when the process ends before that. */
  until<T>(look: (process: GatewayProcess) => T | undefined): Promise<T>;
  /** SIGTERM, and SIGKILL when it has not ended in a minute. Also what disposing does. */
  stop(): Promise<Exit>;
}

/** What every program of a test gets of this process's environment: the switches let all tests run without the fast path, or with several processes. */
export function inheritedEnvironment(): Record<string, string> {
  const inherited: Record<string, string> = {};
  for (const name of ['PATH', 'HOME', 'MCP_GATEWAY_FAST_PATH', 'MCP_GATEWAY_WORKERS']) {
    const value = process.env[name];
    if (value !== undefined) inherited[name] = value;
  }
  return inherited;
}

/** Runs any `gatehouse` command. Inherits PATH and HOME, the switches of `inheritedEnvironment` and nothing else. `input` is all of stdin. */
export function runMain(
  args: readonly string[],
  input = '',
  env: Readonly<Record<string, string>> = {},
): GatewayProcess {
  return runScript([MAIN, ...args], { input, env });
}

/** Runs a script with this Node, in the same way. */
export function runScript(
  args: readonly string[],
  options: { readonly input?: string; readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {},
): GatewayProcess {
  const env = { ...inheritedEnvironment(), ...options.env };
  const child = spawn(process.execPath, args, { stdio: 'pipe', env, cwd: options.cwd });
  const output = { stdout: '', stderr: '' };
  const watchers = new Set<() => void>();
  const collect = (stream: 'stdout' | 'stderr') => (text: string) => {
    output[stream] += text;
    for (const watcher of watchers) watcher();
  };
  child.stdout.setEncoding('utf8').on('data', collect('stdout'));
  child.stderr.setEncoding('utf8').on('data', collect('stderr'));
  // A command that refuses its arguments never reads its input.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const exited = once(child, 'close').then(([status, signal]: unknown[]): Exit => ({
    status: typeof status === 'number' ? status : undefined,
    signal: typeof signal === 'string' ? signal : undefined,
  }));

  const self: GatewayProcess = {
    pid: child.pid ?? -1,
    get stdout() {
      return output.stdout;
    },
    get stderr() {
      return output.stderr;
    },
    exited,
    kill: (signal) => void child.kill(signal),
    logs: () => output.stderr.split('\n').flatMap(parseObject),
    until: async (look) => {
      const found = look(self);
      if (found !== undefined) return found;
      return new Promise((resolve, reject) => {
        const watcher = (): void => {
          const later = look(self);
          if (later === undefined) return;
          watchers.delete(watcher);
          resolve(later);
        };
        watchers.add(watcher);
        void exited.then((exit) => {
          if (!watchers.delete(watcher)) return;
          const end = `status ${exit.status ?? '-'}, signal ${exit.signal ?? '-'}`;
          reject(new Error(`the program ended (${end})\n--- stdout\n${output.stdout}\n--- stderr\n${output.stderr}`));
        });
      });
    },
    stop: async () => {
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      const exit = await exited;
      clearTimeout(force);
      return exit;
    },
    [Symbol.asyncDispose]: async () => void (await self.stop()),
  };
  return self;
}

function parseObject(line: string): Record<string, unknown>[] {
  if (!line.startsWith('{')) return [];
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? [{ ...value }] : [];
  } catch {
    return [];
  }
}
