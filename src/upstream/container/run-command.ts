/** The one place where a container specification becomes the argument list of `docker run` or `podman run`. */
import type { ContainerSpec, Mount } from '../../config/config.ts';
import { GatewayError } from '../../shared/errors.ts';
import { containerEnvironment } from './container-environment.ts';

export interface RunOptions {
  readonly engine: 'docker' | 'podman';
  /** The configured name of the MCP server, for error texts. */
  readonly server: string;
  readonly spec: ContainerSpec;
  /** Name of the container, unique on the engine. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Name of the server's own network; unused when the specification says `none`. */
  readonly network: string | undefined;
  /** URL of the proxy that is the only way out of that network; undefined where there is another, or none. */
  readonly proxy?: string | undefined;
  /** Seconds from SIGTERM to SIGKILL when the engine itself stops the container. */
  readonly stopTimeoutSeconds: number;
}

export interface RunCommand {
  /** Arguments after the engine's command. Hold no value of a variable. */
  readonly args: readonly string[];
  /** Variables that the command must find in its environment. Secret. */
  readonly environment: Readonly<Record<string, string>>;
  /** What the command must be able to read from descriptor 3; undefined = nothing. Secret. */
  readonly environmentFile: string | undefined;
}

/** All names of networks that we create begin so; no other network can come out of a specification. */
export const NAME_PREFIX = 'gatehouse-';

/** What lies in /tmp counts as memory of the container: a full /tmp must be an error to the server, not its end. */
const LARGEST_TMP_BYTES = 64 * 1024 * 1024;
const TMP_SHARE_OF_MEMORY = 1 / 4;

/**
 * Generates the command from the specification; nothing is passed through. Every value stands in one argument with
 * its option (`--user=…`), so that none can be read as an option of its own, and `--` ends the options before the image.
 * Throws GatewayError `server_unavailable` for a specification that would switch off a limit: the engines read
 * zero and negative limits as "none".
 */
export function runCommand(options: RunOptions): RunCommand {
  const { engine, server, spec } = options;
  const { memory, cpus, pids, openFiles } = spec.resources;
  const refuse = refusalFor(server);
  for (const [limit, value] of Object.entries({ memory, pids, openFiles })) {
    if (!Number.isSafeInteger(value) || value <= 0) refuse(`the limit "${limit}" must be a positive whole number`);
  }
  if (!Number.isFinite(cpus) || cpus < 0.01) refuse('the limit "cpus" must be at least 0.01');
  if (!/^[a-zA-Z0-9]/.test(spec.image) || /[\s\p{Cc}]/u.test(spec.image)) refuse('the name of the image is not one');
  const environment = containerEnvironment(server, { ...spec.env, ...proxyVariables(options.proxy) });

  const args = [
    'run',
    '--rm',
    '--interactive',
    // Reaps what the server leaves behind and hands signals on, which most servers do not do as process 1.
    '--init',
    '--pull=never',
    `--name=${options.name}`,
    ...Object.entries(options.labels).map(([label, value]) => `--label=${label}=${value}`),
    `--network=${networkOf(options, refuse)}`,
    // The engine would ask name servers of the host for names that the container asks it for: a way out for secrets.
    ...(options.proxy === undefined ? [] : ['--dns=0.0.0.0']),
    '--cap-drop=ALL',
    ...spec.capabilities.map((capability) => `--cap-add=${capabilityName(capability, refuse)}`),
    '--security-opt=no-new-privileges',
    `--pids-limit=${pids}`,
    `--memory=${memory}`,
    // The same as the memory: no swap on top of it.
    `--memory-swap=${memory}`,
    `--cpus=${cpus}`,
    `--ulimit=nofile=${openFiles}:${openFiles}`,
    '--ulimit=core=0:0',
    ...(engine === 'podman' ? PODMAN_EXTRAS : []),
    '--ipc=private',
    // The engine would keep a copy of every message otherwise.
    '--log-driver=none',
    // A health check is a command of the image that runs beside the server; ours is the protocol's ping.
    '--no-healthcheck',
    `--stop-timeout=${options.stopTimeoutSeconds}`,
    ...(spec.readOnly
      ? ['--read-only', ...(engine === 'podman' ? ['--read-only-tmpfs=false'] : []), `--tmpfs=${tmpfsFor(memory)}`]
      : []),
    ...(spec.user === undefined ? [] : [`--user=${spec.user}`]),
    ...(spec.workdir === undefined ? [] : [`--workdir=${spec.workdir}`]),
    ...(spec.entrypoint === undefined ? [] : [`--entrypoint=${spec.entrypoint}`]),
    ...spec.mounts.map((mount) => `--mount=${mountValue(mount)}`),
    ...(environment.file === undefined ? [] : ['--env-file=/dev/fd/3']),
    ...Object.keys(environment.inherited).map((name) => `--env=${name}`),
    '--',
    spec.image,
    ...spec.args,
  ];
  if (args.some((argument) => argument.includes('\0'))) refuse('an argument holds a NUL character');
  return { args, environment: environment.inherited, environmentFile: environment.file };
}

const PODMAN_EXTRAS = [
  // Podman asks for 2^20 processes for each user by default, which fails where the gateway itself may not have so many.
  '--ulimit=nproc=4096:4096',
  // Podman hands proxy settings of its own environment into containers unless told not to.
  '--http-proxy=false',
];

/** Under the names that programs know; Node obeys them when told to (24 and later). */
function proxyVariables(proxy: string | undefined): Readonly<Record<string, string>> {
  if (proxy === undefined) return {};
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy'];
  return {
    ...Object.fromEntries(names.map((name) => [name, proxy])),
    NO_PROXY: 'localhost,127.0.0.1,::1',
    no_proxy: 'localhost,127.0.0.1,::1',
    NODE_USE_ENV_PROXY: '1',
  };
}

function networkOf({ spec, network, proxy }: RunOptions, refuse: (why: string) => never): string {
  if (spec.network === 'none') return 'none';
  // `host`, `bridge` and `container:…` are names as well, as far as the engines are concerned.
  if (typeof spec.network === 'object' && proxy === undefined) return refuse('its allow-list has no proxy');
  if (network === undefined || !network.startsWith(NAME_PREFIX)) return refuse('it has no network of its own');
  return network;
}

function capabilityName(capability: string, refuse: (why: string) => never): string {
  const name = capability.toUpperCase().replace(/^CAP_/, '');
  if (!/^[A-Z][A-Z0-9_]*$/.test(name) || name === 'ALL')
    return refuse(`"${capability.slice(0, 40)}" is not one capability`);
  return name;
}

function tmpfsFor(memory: number): string {
  const size = Math.min(LARGEST_TMP_BYTES, Math.floor(memory * TMP_SHARE_OF_MEMORY));
  return `/tmp:rw,noexec,nosuid,nodev,size=${size},mode=1777`;
}

/** The engines read this value as one record of comma-separated values (RFC 4180). */
function mountValue({ source, target, mode }: Mount): string {
  const fields = ['type=bind', `source=${source}`, `target=${target}`, ...(mode === 'ro' ? ['readonly'] : [])];
  return fields.map((field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(',');
}

function refusalFor(server: string): (why: string) => never {
  return (why) => {
    const message = `Server "${server}" cannot be started: ${why}.`;
    throw new GatewayError('server_unavailable', message, { server, detail: message });
  };
}
