/** The engine's own word on the end of containers: sooner than the end of its command, and with the reason. */
import { spawn, type ChildProcess } from 'node:child_process';
import { LineReader } from '../../mcp/framing.ts';
import type { Engine } from './engine-command.ts';
import { LABELS } from './gateway-instance.ts';

export interface ContainerDeath {
  /** Exit status of the container. */
  readonly status: number;
  /** The kernel has killed processes of it for their use of memory. */
  readonly outOfMemory: boolean;
}

export interface WatchedContainer {
  /** Resolves when the engine tells; stays pending when it never does. Never rejects. */
  readonly died: Promise<ContainerDeath>;
  release(): void;
}

interface Watched {
  outOfMemory: boolean;
  readonly resolve: (death: ContainerDeath) => void;
}

const LONGEST_EVENT_BYTES = 4096;
const TERM_MS = 600_000;

/**
 * Runs one `docker events` while a container is watched, for a term at a time: a gateway that is killed leaves it
 * without a reader, and it ends with the next event or with its term. The next one is told again what this one was told,
 * so that nothing is missed in between. Where it fails, or the engine is podman, whose command ends together with the
 * container, nobody is told and the end of the engine's command has to do.
 */
export class DeathWatch {
  readonly #engine: Engine;
  readonly #instanceId: string;
  readonly #termMs: number;
  readonly #watched = new Map<string, Watched>();
  #events: ChildProcess | undefined;

  constructor(engine: Engine, instanceId: string, termMs = TERM_MS) {
    this.#engine = engine;
    this.#instanceId = instanceId;
    this.#termMs = termMs;
  }

  watch(name: string): WatchedContainer {
    const { promise, resolve } = Promise.withResolvers<ContainerDeath>();
    this.#watched.set(name, { outOfMemory: false, resolve });
    if (this.#engine.kind === 'docker') this.#events ??= this.#start();
    return { died: promise, release: () => this.#release(name) };
  }

  #release(name: string): void {
    this.#watched.delete(name);
    if (this.#watched.size > 0) return;
    this.#events?.kill('SIGKILL');
    this.#events = undefined;
  }

  /** `since`: milliseconds since 1970; without it from now on. */
  #start(since?: number): ChildProcess {
    const startedAt = Date.now();
    const until = startedAt + this.#termMs;
    const range = ['--until', seconds(until), ...(since === undefined ? [] : ['--since', seconds(since)])];
    const filters = ['type=container', 'event=die', 'event=oom', `label=${LABELS.instance}=${this.#instanceId}`];
    const format = '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}';
    const args = ['events', ...range, '--format', format, ...filters.flatMap((filter) => ['--filter', filter])];
    const child = spawn(this.#engine.command, args, {
      cwd: '/',
      env: this.#engine.environment,
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    });
    const lines = new LineReader({ maxBytes: LONGEST_EVENT_BYTES });
    child.stdout.on('data', (piece: Buffer) => {
      for (const line of lines.push(piece)) this.#tell(line);
    });
    child.stdout.on('error', () => undefined);
    // The next container to be watched starts another one.
    const forget = (): void => {
      if (this.#events === child) this.#events = undefined;
    };
    child.once('error', forget);
    child.once('exit', (status) => {
      if (this.#events !== child) return;
      // An engine whose clock is ahead of ours ends it too early: not again and again.
      const atTerm = status === 0 && Date.now() - startedAt > this.#termMs / 2;
      this.#events = atTerm ? this.#start(startedAt) : undefined;
    });
    return child;
  }

  #tell(line: string): void {
    const [action, name = '', status] = line.split(' ');
    const watched = this.#watched.get(name);
    if (watched === undefined) return;
    if (action === 'oom') watched.outOfMemory = true;
    else if (action === 'die') watched.resolve({ status: Number(status), outOfMemory: watched.outOfMemory });
  }
}

/** As the engine's command takes them: seconds since 1970. */
function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3);
}
