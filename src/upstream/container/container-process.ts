/** The engine's command while it runs one container: its three streams and its end. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { bytesInLine, toLine } from '../../mcp/framing.ts';
import type { MessageText } from '../transport.ts';
import { cannotRun, type Engine } from './engine-command.ts';
import { openNamelessFile } from './nameless-file.ts';
import type { RunCommand } from './run-command.ts';

export interface ProcessEnd {
  /** Exit status; undefined when a signal ended the command. */
  readonly status: number | undefined;
  readonly signal: string | undefined;
}

export interface ProcessOutput {
  onStdout(piece: Buffer): void;
  onStderr(piece: Buffer): void;
}

/** What was written just before the end arrives within this time after it, or never. */
const LATE_OUTPUT_MS = 100;
const LF = Buffer.from('\n');

export class ContainerProcess {
  /** Resolves when the command has ended and its output was read. Never rejects. */
  readonly ended: Promise<ProcessEnd>;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  /**
   * Lines of this turn of the event loop. They leave in one write: each write is copied by the engine's command, by the
   * engine and by its shim, and wakes each of them.
   */
  #held = '';
  /** Of what is held. */
  #taken: PromiseWithResolvers<void> | undefined;

  private constructor(child: ChildProcessByStdio<Writable, Readable, Readable>, output: ProcessOutput) {
    this.#child = child;
    const { promise, resolve } = Promise.withResolvers<ProcessEnd>();
    this.ended = promise;
    child.stdout.on('data', (piece: Buffer) => output.onStdout(piece));
    child.stderr.on('data', (piece: Buffer) => output.onStderr(piece));
    // Broken pipes are told to those who write; an error event that nobody hears would end the gateway.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => undefined);
    child.on('error', () => undefined);
    child.once('exit', (status, signal) => {
      const end: ProcessEnd = { status: status ?? undefined, signal: signal ?? undefined };
      const late = setTimeout(() => resolve(end), LATE_OUTPUT_MS);
      child.once('close', () => {
        clearTimeout(late);
        resolve(end);
      });
    });
  }

  /** Rejects with GatewayError `server_unavailable` when the command cannot be run. */
  static async start(engine: Engine, command: RunCommand, output: ProcessOutput): Promise<ContainerProcess> {
    let file: number | undefined;
    try {
      file = command.environmentFile === undefined ? undefined : openNamelessFile(command.environmentFile);
      const child = spawn(engine.command, command.args, {
        cwd: '/',
        // The engine's own settings last: no variable of a server ever takes their place.
        env: { ...command.environment, ...engine.environment },
        stdio: ['pipe', 'pipe', 'pipe', ...(file === undefined ? [] : [file])],
        // A process group of its own: Ctrl-C in the gateway's terminal must not end servers before calls are drained.
        detached: true,
      }) as ChildProcessByStdio<Writable, Readable, Readable>;
      await started(child);
      return new ContainerProcess(child, output);
    } catch (error) {
      throw cannotRun(engine, error);
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }

  /** Bytes, about, that were written here and not yet read there. */
  get queuedBytes(): number {
    return this.#child.stdin.writableLength + this.#held.length;
  }

  /** Writes a message as a line. Resolves when the pipe has taken it; rejects when it never will. */
  write(message: MessageText): Promise<void> {
    if (typeof message !== 'string') return this.#writePieces(message);
    this.#held += toLine(message);
    if (this.#taken === undefined) {
      this.#taken = Promise.withResolvers();
      setImmediate(() => this.#flush());
    }
    return this.#taken.promise;
  }

  /** Reads no more of its output for now. */
  pause(): void {
    this.#child.stdout.pause();
  }

  resume(): void {
    this.#child.stdout.resume();
  }

  /** Closes stdin: the way in which MCP asks a server to end. */
  endInput(): void {
    this.#flush();
    this.#child.stdin.end();
  }

  /** For large messages: without a copy. */
  #writePieces(pieces: readonly Buffer[]): Promise<void> {
    this.#flush();
    const { stdin } = this.#child;
    return new Promise((resolve, reject) => {
      stdin.cork();
      for (const piece of pieces) stdin.write(bytesInLine(piece));
      stdin.write(LF, (error) => (error ? reject(error) : resolve()));
      stdin.uncork();
    });
  }

  #flush(): void {
    const taken = this.#taken;
    if (taken === undefined) return;
    this.#taken = undefined;
    this.#child.stdin.write(this.#held, (error) => (error ? taken.reject(error) : taken.resolve()));
    this.#held = '';
  }

  /** Ends the command at once. The container may live on. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

function started(child: ChildProcessByStdio<Writable, Readable, Readable>): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
}
