/** A program that `npm start` runs beside itself and ends with itself. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Enough for every message that we look for, and no more: a program may go on talking for weeks. */
const KEPT_CHARACTERS = 1_000_000;

export interface Child {
  /** The exit status, once the program has ended by itself or was stopped. */
  readonly exited: Promise<number>;
  /** What it has said so far, at most the first megabyte. */
  readonly output: string;
  /** Waits until `look` finds something in the output; undefined when the program ends before. */
  until<T>(look: (output: string) => T | undefined): Promise<T | undefined>;
  /** SIGTERM; calling it again repeats the signal. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): void;
}

/** Runs a TypeScript file with this Node and reads one of its outputs. The other goes to the terminal. */
export function runChild(args: readonly string[], read: 'stdout' | 'stderr'): Child {
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', read === 'stdout' ? 'pipe' : 'inherit', read === 'stderr' ? 'pipe' : 'inherit'],
  });
  // Whoever ends this process in a hurry ends its children too.
  process.once('exit', () => child.kill('SIGTERM'));
  let output = '';
  let heard = (): void => {};
  child[read]?.setEncoding('utf8').on('data', (text: string) => {
    if (output.length < KEPT_CHARACTERS) output += text;
    heard();
  });
  const exited = once(child, 'close').then(([status]: unknown[]) => (typeof status === 'number' ? status : 1));
  return {
    exited,
    get output() {
      return output;
    },
    until: async (look) =>
      new Promise((resolve) => {
        heard = () => {
          const found = look(output);
          if (found !== undefined) resolve(found);
        };
        heard();
        void exited.then(() => resolve(undefined));
      }),
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
    },
    kill: () => void child.kill('SIGKILL'),
  };
}
