/** Runs a program to its end and tells what became of it; for set-up steps and tests, not for the gateway. */
import { spawn } from 'node:child_process';

export interface Finished {
  /** Exit status; undefined when it was killed or could not be started. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Another user to run it as, where this is root. */
  readonly uid?: number;
  readonly gid?: number;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Text for stdin; without it stdin is empty. */
  readonly input?: string;
  /** Shows the output on this process's stderr while it comes. */
  readonly show?: boolean;
  /** Kills the program (SIGKILL) when aborted. */
  readonly signal?: AbortSignal;
  /** Gives it a process group of its own, of which all are killed: for programs that start others. */
  readonly group?: true;
}

/** Never rejects: a program that cannot be started has no status, and its error text in `stderr`. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      uid: options.uid,
      gid: options.gid,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      killSignal: 'SIGKILL',
      detached: options.group === true,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const { pid } = child;
    const onAbort = (): void => {
      if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    };
    if (options.group === true) options.signal?.addEventListener('abort', onAbort, { once: true });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (options.show === true) process.stderr.write(text);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (options.show === true) process.stderr.write(text);
    });
    child.once('error', (error) => resolve({ status: undefined, stdout, stderr: `${stderr}${error.message}` }));
    child.once('exit', () => options.signal?.removeEventListener('abort', onAbort));
    child.once('close', (code) => resolve({ status: code ?? undefined, stdout, stderr }));
    // A program that exits before it has read its input closes the pipe; its status says enough.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}
