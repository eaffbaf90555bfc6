/** One worker as the owner sees it: a child process, what is asked of it, and how it ends. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Questioner } from './channel.ts';
import type { Notice, QuestionKind, Questions } from './messages.ts';

export interface WorkerEnd {
  /** For people: `signal SIGKILL`, `status 1`. */
  readonly how: string;
}

/** How long a worker that was told to end may take, before it is killed. */
const END_TIMEOUT_MS = 5_000;
/** Lines of a worker longer than this are cut: its log holds none that are. */
const MAX_LINE_LENGTH = 4 * 1024 * 1024;

/** The program of a worker: the file beside `main`, as source or as built. */
const PROGRAM = new URL(`../worker${extname(import.meta.url)}`, import.meta.url);

export class WorkerProcess {
  readonly pid: number;
  readonly ended: Promise<WorkerEnd>;
  readonly #child: ChildProcess;
  readonly #questions: Questioner;
  #isEnding = false;

  /** `onLines` takes whole lines of its log. Throws what the operating system says when there can be no more processes. */
  constructor(onLines: (lines: string) => void) {
    const child = fork(fileURLToPath(PROGRAM), [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.#questions = new Questioner(child);
    child.on('message', (message) => this.#questions.receive(message));
    // A child that could not be started ends with this; everything else that fails ends it as well.
    const failed = once(child, 'error').then(([error]: unknown[]): WorkerEnd => ({ how: String(error) }));
    const exited = once(child, 'exit').then(([status, signal]: unknown[]): WorkerEnd => ({
      how: typeof signal === 'string' ? `signal ${signal}` : `status ${String(status)}`,
    }));
    this.ended = Promise.race([failed, exited]).then((end) => {
      this.#questions.end();
      return end;
    });
    relayLines(child, onLines);
  }

  /** True once it was told to end. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** As `Questioner.ask`. */
  ask<K extends QuestionKind>(kind: K, ask: Questions[K]['ask'], timeoutMs: number): Promise<Questions[K]['answer']> {
    return this.#questions.ask(kind, ask, timeoutMs);
  }

  notice(notice: Notice): void {
    this.#questions.notice(notice);
  }

  /** Resolves when the process is gone. */
  async end(): Promise<void> {
    this.#isEnding = true;
    const timer = setTimeout(() => this.kill(), END_TIMEOUT_MS);
    await this.ask('end', undefined, END_TIMEOUT_MS).catch(() => undefined);
    await this.ended;
    clearTimeout(timer);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

function relayLines(child: ChildProcess, onLines: (lines: string) => void): void {
  let rest = '';
  child.stderr?.setEncoding('utf8');
  child.stderr?.on('data', (text: string) => {
    const end = text.lastIndexOf('\n');
    if (end === -1) {
      rest = (rest + text).slice(-MAX_LINE_LENGTH);
      return;
    }
    onLines(rest + text.slice(0, end + 1));
    rest = text.slice(end + 1);
  });
  child.stderr?.on('end', () => {
    if (rest !== '') onLines(`${rest}\n`);
  });
}
