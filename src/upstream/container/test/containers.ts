/** Servers in real containers for the tests of this folder: a shell script plays the MCP server. */
import { randomBytes } from 'node:crypto';
import { busyboxImage } from '../../../../test/rig/images.ts';
import type { ContainerServerConfig, ContainerSpec } from '../../../config/config.ts';
import type { GatewayError } from '../../../shared/errors.ts';
import type { Transport } from '../../transport.ts';
import { ContainerHost } from '../container-host.ts';
import { createContainerTransport, type ContainerTransportOptions } from '../container-transport.ts';
import { callEngine, findEngine, type Engine } from '../engine-command.ts';
import { listOwned } from '../engine.ts';

export const docker = (): Engine => findEngine({ engine: 'docker', command: 'docker' });

/** Answers each line with itself; ends when its input ends, as servers should. */
export const ECHO = 'while IFS= read -r line; do printf "%s\\n" "$line"; done';

export interface ServerOptions extends Partial<ContainerSpec> {
  readonly name?: string;
  /** What the shell runs. Default `ECHO`. */
  readonly script?: string;
}

export async function shellServer(options: ServerOptions = {}): Promise<ContainerServerConfig> {
  const { name = `test-${randomBytes(3).toString('hex')}`, script = ECHO, ...spec } = options;
  return {
    kind: 'container',
    name,
    registration: {
      id: name,
      origin: { kind: 'file', name: 'test.toml' },
      access: { visibility: 'public', owner: undefined, team: undefined },
      description: undefined,
      tags: [],
    },
    tools: undefined,
    start: 'boot',
    health: {
      intervalMs: undefined,
      timeoutMs: 10_000,
      failureThreshold: 3,
      successThreshold: 1,
      jitter: 0,
      longestPauseMs: 30_000,
      unreachable: 'hide',
      refreshIntervalMs: undefined,
    },
    startupTimeoutMs: 120_000,
    toolTimeoutMs: 60_000,
    registry: undefined,
    customType: undefined,
    isolation: 'auto',
    container: {
      image: spec.image ?? (await busyboxImage()),
      entrypoint: 'sh',
      args: ['-c', script],
      env: {},
      mounts: [],
      network: 'none',
      workdir: undefined,
      user: undefined,
      readOnly: false,
      capabilities: [],
      resources: { memory: 64 * 1024 * 1024, cpus: 1, pids: 64, openFiles: 256 },
      ...spec,
    },
  };
}

/** A transport with everything that it said. */
export class Wire implements AsyncDisposable {
  readonly transport: Transport;
  readonly server: string;
  readonly messages: string[] = [];
  readonly stderr: string[] = [];
  readonly notices: string[] = [];
  /** Resolves with the reason that `onClose` gave. */
  readonly closed: Promise<GatewayError>;
  closings = 0;
  /** Messages that were too long. */
  dropped = 0;
  readonly #close = Promise.withResolvers<GatewayError>();
  #waiting: (() => void)[] = [];

  constructor(host: ContainerHost, server: ContainerServerConfig, options: Partial<ContainerTransportOptions> = {}) {
    this.server = server.name;
    this.closed = this.#close.promise;
    this.transport = createContainerTransport({
      server,
      host,
      checkMounts: (mounts) => Promise.resolve(mounts),
      onStderr: (line) => this.stderr.push(line),
      onNotice: (text) => this.notices.push(text),
      inputClosedGraceMs: 500,
      closeTimeoutMs: 1000,
      ...options,
    });
  }

  open(signal: AbortSignal = new AbortController().signal): Promise<void> {
    return this.transport.open(
      {
        onMessage: (message) => {
          this.messages.push(typeof message === 'string' ? message : message.text);
          for (const wake of this.#waiting.splice(0)) wake();
        },
        onDropped: () => (this.dropped += 1),
        onClose: (reason) => {
          this.closings += 1;
          this.#close.resolve(reason);
        },
      },
      signal,
    );
  }

  /** Sends a line and resolves with the next message after all that came before. Rejects when the wire is lost. */
  async ask(text: string): Promise<string> {
    const count = this.messages.length;
    await this.transport.send(text);
    return this.message(count);
  }

  /** The message number `index`, as soon as it is there. Rejects when the wire is lost before. */
  async message(index: number): Promise<string> {
    for (;;) {
      const found = this.messages[index];
      if (found !== undefined) return found;
      const { promise, resolve } = Promise.withResolvers<undefined>();
      this.#waiting.push(() => resolve(undefined));
      const reason = await Promise.race([promise, this.closed]);
      if (reason !== undefined) throw reason;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.transport.close();
  }
}

/** A host of its own that is disposed of with everything on it. */
export function newHost(engine: Engine = docker()): ContainerHost {
  return new ContainerHost(engine);
}

/** Name of the one container of a host. */
export async function containerOf(host: ContainerHost, server?: string): Promise<string> {
  const owned = await listOwned(host.engine, host.instance.id);
  const found = owned.find((one) => one.kind === 'container' && (server === undefined || one.server === server));
  if (found === undefined) throw new Error('there is no container');
  return found.id;
}

/** What the engine still has of a host, as `kind server`. */
export async function left(host: ContainerHost): Promise<string[]> {
  return (await listOwned(host.engine, host.instance.id)).map(({ kind, server }) => `${kind} ${server}`);
}

/** Output of one call of the engine; fails when the engine does. */
export async function engineSays(engine: Engine, ...args: string[]): Promise<string> {
  const output = await callEngine(engine, args, 120_000);
  if (output.status !== 0) throw new Error(`${args.join(' ')}: ${output.stderr}`);
  return output.stdout.trim();
}
