/** What becomes of a configuration's container servers: the command that would be run, and what is closed or opened in it and why. */
import type { Config, ContainerServerConfig } from '../config/config.ts';
import { DEFAULT_CPUS, DEFAULT_MEMORY_BYTES, DEFAULT_OPEN_FILES, DEFAULT_PIDS } from '../config/defaults.ts';
import { configSecrets, environmentSecrets } from '../telemetry/config-secrets.ts';
import { createRedactor, type Redactor } from '../telemetry/redaction.ts';
import { NAME_PREFIX, runCommand } from '../upstream/container/run-command.ts';
import { findNft, type Nft } from '../upstream/container/wall/nft.ts';
import { WITHOUT_WALL } from '../upstream/container/wall/server-wall.ts';

export interface Measure {
  readonly what: string;
  readonly value: string;
  /** `hardened`: closed on every server, or closed further by a field. `relaxed`: opened by a field. `set`: said by a field and neither. */
  readonly state: 'hardened' | 'relaxed' | 'set';
  /** The field that said so, in the words of TOML; undefined = the default. */
  readonly field: string | undefined;
  readonly why: string;
}

export interface Explanation {
  readonly server: string;
  readonly image: string;
  readonly isPinned: boolean;
  /** Command and arguments. Parts that only a start knows stand in angle brackets. Holds no secret. */
  readonly argv: readonly string[];
  /** Names of the variables inside the container; never values. */
  readonly environment: readonly string[];
  readonly measures: readonly Measure[];
}

/**
 * One explanation for each container server, in the order of the configuration. `nft` is what this process may use; a
 * gateway that is run in another way may have more or less.
 */
export function explain(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  nft: Nft = nftFor(config, env),
): readonly Explanation[] {
  const redactor = createRedactor();
  redactor.addSecrets([...configSecrets(config), ...environmentSecrets(env)]);
  const { engine, command } = config.gateway.containerRuntime;
  return config.servers.flatMap((server) =>
    server.kind === 'container' ? [explainServer(server, engine, command, nft, redactor)] : [],
  );
}

function nftFor(config: Config, { DOCKER_HOST }: Readonly<Record<string, string | undefined>>): Nft {
  const environment: Record<string, string> = DOCKER_HOST === undefined ? {} : { DOCKER_HOST };
  return findNft({ kind: config.gateway.containerRuntime.engine, environment });
}

function explainServer(
  server: ContainerServerConfig,
  engine: 'docker' | 'podman',
  command: string,
  nft: Nft,
  redactor: Redactor,
): Explanation {
  const { container } = server;
  const run = runCommand({
    engine,
    server: server.name,
    spec: container,
    name: `${NAME_PREFIX}<server>-<run>`,
    labels: { 'gatehouse.server': server.name, 'gatehouse.instance': '<run>' },
    network: container.network === 'none' ? undefined : `${NAME_PREFIX}<server>-<run>`,
    proxy: typeof container.network === 'object' ? 'http://<proxy>:3128' : undefined,
    stopTimeoutSeconds: 10,
  });
  return {
    server: server.name,
    image: redactor.text(container.image),
    isPinned: container.image.includes('@sha256:'),
    argv: [command, ...run.args].map((argument) => redactor.text(argument)),
    environment: Object.keys(container.env).toSorted(),
    measures: measures(server, reach(container.network, engine, nft), redactor),
  };
}

const always = (what: string, value: string, why: string): Measure => ({
  what,
  value,
  state: 'hardened',
  field: undefined,
  why,
});

function measures(
  { container: spec, isolation }: ContainerServerConfig,
  network: Measure,
  redactor: Redactor,
): readonly Measure[] {
  const { resources } = spec;
  return [
    always('privileges', 'no-new-privileges', 'a set-uid program inside gains nothing'),
    capabilities(spec.capabilities),
    network,
    spec.readOnly
      ? {
          ...set(
            'root file system',
            'read-only, tmpfs on /tmp',
            'read_only',
            'what is written is gone with the container',
          ),
          state: 'hardened',
        }
      : set(
          'root file system',
          'writable, in a layer that is thrown away',
          undefined,
          'many servers write to it; read_only = true closes it',
        ),
    limit(
      'memory',
      spec.resources.memory,
      DEFAULT_MEMORY_BYTES,
      'resources.memory',
      `${mebibytes(resources.memory)}, no swap`,
    ),
    limit('processors', resources.cpus, DEFAULT_CPUS, 'resources.cpus', String(resources.cpus)),
    limit('processes', resources.pids, DEFAULT_PIDS, 'resources.pids', String(resources.pids)),
    limit('open files', resources.openFiles, DEFAULT_OPEN_FILES, 'resources.open_files', String(resources.openFiles)),
    ...spec.mounts.map(({ source, target, mode }): Measure => ({
      what: 'mount',
      value: redactor.text(`${source} on ${target}, ${mode === 'ro' ? 'read-only' : 'writable'}`),
      state: 'relaxed',
      field: 'mounts',
      why: 'below an allowed root; checked again just before the start',
    })),
    user(spec.user),
    always('image', 'never pulled implicitly', '`gatehouse pull` gets it'),
    always('pseudo-terminal, ports, devices, host namespaces', 'none', 'no field can ask for them'),
    always('logs of the engine', 'none', 'the engine would keep a copy of every message'),
    always('variables', `${Object.keys(spec.env).length}, by name`, 'values never stand in an argument list'),
    set('who shares a process', isolation, isolation === 'auto' ? undefined : 'isolation', 'docs/decisions/0004'),
  ];
}

function set(what: string, value: string, field: string | undefined, why: string): Measure {
  return { what, value, state: 'set', field, why };
}

function capabilities(granted: readonly string[]): Measure {
  return granted.length === 0
    ? always('capabilities', 'none', 'all are dropped')
    : {
        what: 'capabilities',
        value: granted.join(', '),
        state: 'relaxed',
        field: 'capabilities',
        why: 'given back after all were dropped',
      };
}

function reach(network: ContainerServerConfig['container']['network'], engine: 'docker' | 'podman', nft: Nft): Measure {
  const what = 'network';
  if (network === 'none')
    return { what, value: 'none', state: 'hardened', field: 'network', why: 'only the loopback interface' };
  if (network === 'isolated') return always(what, 'of its own, with a way out', apart(engine, nft));
  return {
    what,
    value: `of its own, only to ${network.allow.join(', ')}`,
    state: 'hardened',
    field: 'network.allow',
    why: 'a proxy lets only these hosts pass; there is no other way out and no name service',
  };
}

/** What keeps the server from reaching others. */
function apart(engine: 'docker' | 'podman', nft: Nft): string {
  if (engine === 'podman') return 'podman keeps it apart from other networks';
  return 'missing' in nft
    ? `only Docker's own rules keep it apart from other servers, because ${nft.missing}. ${WITHOUT_WALL}`
    : "Docker's rules keep it apart from other networks, and a table of the gateway's own (nft) from other servers even while Docker changes its rules";
}

function user(name: string | undefined): Measure {
  if (name === undefined) return set('user', 'as the image says', undefined, 'root inside has no capabilities');
  const isRoot = /^(?:root|0+)(?::|$)/.test(name);
  return {
    what: 'user',
    value: name,
    state: isRoot ? 'relaxed' : 'hardened',
    field: 'user',
    why: isRoot ? 'asked for by name' : 'not root',
  };
}

function limit(what: string, value: number, usual: number, field: string, shown: string): Measure {
  if (value === usual) return always(what, shown, 'the default');
  const isMore = value > usual;
  return {
    what,
    value: shown,
    state: isMore ? 'relaxed' : 'hardened',
    field,
    why: `${isMore ? 'more' : 'less'} than the default`,
  };
}

function mebibytes(bytes: number): string {
  return `${Math.round((bytes / 1024 / 1024) * 10) / 10} MiB`;
}

/** The explanations for people. */
export function formatExplanations(explanations: readonly Explanation[]): string {
  if (explanations.length === 0) return 'no server runs in a container\n';
  return explanations.map(formatExplanation).join('\n');
}

function formatExplanation({ server, image, isPinned, argv, environment, measures: all }: Explanation): string {
  const rows = all.map(({ what, value, state, field, why }) => [state, what, value, field ?? '(default)', why]);
  return [
    `server ${server}: ${image}${isPinned ? '' : ' (not pinned by digest)'}`,
    '',
    `  ${argv.map(quote).join(' \\\n    ')}`,
    '',
    ...(environment.length === 0 ? [] : [`  variables inside: ${environment.join(', ')}`, '']),
    ...table([['', 'what', 'value', 'field', 'why'], ...rows]).map((line) => `  ${line}`),
    '',
  ].join('\n');
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** As a shell would have to read it. */
function quote(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`;
}
