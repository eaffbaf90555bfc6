/** The engine's command: where it is, what it sees of our environment, and one call of it with a deadline. */
import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { ContainerRuntime } from '../../config/config.ts';
import { GatewayError } from '../../shared/errors.ts';

export interface Engine {
  readonly kind: 'docker' | 'podman';
  /** Absolute path of the command. */
  readonly command: string;
  /** The whole environment of the command: fixed, and what the operator set for it. Nothing of a server's. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface EngineOutput {
  /** Exit status; undefined when a signal ended it. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Ours, not the PATH of whoever started the gateway: a directory that others can write to must not name the command. */
const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** With these the operator says which engine to talk to; they come from the environment of the gateway alone. */
const HONOURED = {
  docker: [
    'DOCKER_HOST',
    'DOCKER_CONTEXT',
    'DOCKER_CONFIG',
    'DOCKER_CERT_PATH',
    'DOCKER_TLS',
    'DOCKER_TLS_VERIFY',
    'DOCKER_API_VERSION',
    'SSH_AUTH_SOCK',
    'XDG_RUNTIME_DIR',
  ],
  podman: [
    'CONTAINER_HOST',
    'CONTAINER_SSHKEY',
    'CONTAINER_CONNECTION',
    'CONTAINERS_CONF',
    'CONTAINERS_STORAGE_CONF',
    'CONTAINERS_REGISTRIES_CONF',
    'STORAGE_DRIVER',
    'STORAGE_OPTS',
    'REGISTRY_AUTH_FILE',
    'SSH_AUTH_SOCK',
    'DBUS_SESSION_BUS_ADDRESS',
    'XDG_RUNTIME_DIR',
    'XDG_CONFIG_HOME',
    'XDG_DATA_HOME',
  ],
} as const;

const MAX_OUTPUT_BYTES = 1024 * 1024;

/**
 * Finds the command once. `environment` is the gateway's own. Throws GatewayError `server_unavailable` that says
 * where it was looked for.
 */
export function findEngine(runtime: ContainerRuntime, environment: NodeJS.ProcessEnv = process.env): Engine {
  const { engine: kind, command } = runtime;
  const places = isAbsolute(command) ? [command] : SEARCH_PATH.split(':').map((directory) => join(directory, command));
  const found = !isAbsolute(command) && command.includes('/') ? undefined : places.find((path) => isExecutable(path));
  if (found === undefined) {
    const where = isAbsolute(command)
      ? `"${command}" is not an executable file`
      : `"${command}" is in none of ${SEARCH_PATH.split(':').join(', ')}`;
    const message = `The container runtime cannot be used: ${where}. Install ${kind}, or give the absolute path of its command in the configuration.`;
    throw new GatewayError('server_unavailable', message, { detail: message });
  }
  const honoured = HONOURED[kind].flatMap((name) =>
    environment[name] === undefined ? [] : [[name, environment[name]] as const],
  );
  return {
    kind,
    command: found,
    environment: { ...Object.fromEntries(honoured), HOME: environment['HOME'] ?? homedir(), PATH: SEARCH_PATH },
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * Runs the command to its end and keeps at most 1 MiB of each stream.
 * Rejects with GatewayError `server_timeout` at the deadline, `server_unavailable` when it cannot be run.
 */
export function callEngine(engine: Engine, args: readonly string[], timeoutMs: number): Promise<EngineOutput> {
  const { promise, resolve, reject } = Promise.withResolvers<EngineOutput>();
  const child = spawn(engine.command, args, {
    cwd: '/',
    env: engine.environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C in a terminal reaches the whole process group: it must not end the command that is tidying up.
    detached: true,
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const deadline = setTimeout(() => {
    child.kill('SIGKILL');
    // A helper that the command has started may hold its streams open for ever.
    child.stdout.destroy();
    child.stderr.destroy();
    const message = `"${engine.kind} ${args.slice(0, 2).join(' ')}" did not finish within ${timeoutMs} ms.`;
    reject(new GatewayError('server_timeout', message, { detail: message }));
  }, timeoutMs);
  child.once('error', (error) => {
    clearTimeout(deadline);
    reject(cannotRun(engine, error));
  });
  child.once('close', (status) => {
    clearTimeout(deadline);
    resolve({ status: status ?? undefined, stdout: stdout(), stderr: stderr() });
  });
  return promise;
}

/** Runs the command without a deadline and lets it write to our stderr. Resolves with its exit status; rejects like `callEngine`. */
export function showEngine(engine: Engine, args: readonly string[]): Promise<number | undefined> {
  const child = spawn(engine.command, args, { cwd: '/', env: engine.environment, stdio: ['ignore', 2, 2] });
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(cannotRun(engine, error)));
    child.once('close', (status) => resolve(status ?? undefined));
  });
}

/** What a failed start of the engine's command becomes. */
export function cannotRun(engine: Engine, cause: unknown): GatewayError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
  const hint = code === 'E2BIG' ? ' (the arguments and variables of the server are too large together)' : '';
  const message = `The command ${engine.command} cannot be run: ${code}${hint}.`;
  return new GatewayError('server_unavailable', message, { detail: message, cause });
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const pieces: Buffer[] = [];
  let size = 0;
  stream.on('data', (piece: Buffer) => {
    if (size < MAX_OUTPUT_BYTES) pieces.push(piece.subarray(0, MAX_OUTPUT_BYTES - size));
    size += piece.length;
  });
  return () => Buffer.concat(pieces).toString('utf8');
}
