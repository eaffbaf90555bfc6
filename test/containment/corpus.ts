/** Everything of the corpus that is accepted, started in an engine, and where the engine says something else than the specification. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { ContainerSpec } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Engine } from '../../src/upstream/container/engine-command.ts';
import { docker, ECHO, engineSays, newHost, shellServer, Wire } from '../../src/upstream/container/test/containers.ts';
import { listOwned } from '../../src/upstream/container/engine.ts';
import { ACCEPTED_SPELLINGS } from '../config-golden/accepted-spellings.corpus.ts';
import { ACCEPTED_ARGUMENTS } from '../config-golden/container-arguments.corpus.ts';
import { ACCEPTED_ENTRIES, configurationOf } from '../config-golden/server-entries.corpus.ts';
import { busyboxImage } from '../rig/images.ts';

export interface CorpusEntry {
  readonly what: string;
  readonly spec: ContainerSpec;
}

export interface Launched extends CorpusEntry {
  readonly inspected: Inspected;
}

/** The part of `container inspect` that is looked at. */
export interface Inspected {
  readonly Args: readonly string[];
  readonly HostConfig: Readonly<Record<string, unknown>>;
  readonly Config: {
    readonly Env: readonly string[];
    readonly User: string;
    readonly WorkingDir: string;
    readonly Tty: boolean;
    readonly OpenStdin: boolean;
  };
}

/** The directory that stands for the one of the corpus. */
const CORPUS_ROOT = '/srv/gatehouse';

/** The directories that the corpus mounts. */
export async function corpusRoot(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'gatehouse-corpus-'));
  for (const folder of ['ro/a', 'rw/a', 'rw/b']) await mkdir(join(path, folder), { recursive: true });
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

/** What each accepted entry comes to: command lines as TOML, whole entries as JSON. */
export async function acceptedCorpus(root: string): Promise<readonly CorpusEntry[]> {
  const lines = [...ACCEPTED_ARGUMENTS, ...ACCEPTED_SPELLINGS].map(({ what, args }) => ({
    what,
    kind: 'toml' as const,
    fields: { command: 'docker', args },
  }));
  const entries = ACCEPTED_ENTRIES.map(({ what, fields }) => ({ what, kind: 'json' as const, fields }));
  return Promise.all(
    [...lines, ...entries].map(async ({ what, kind, fields }) => {
      const text = configurationOf(kind, fields).replaceAll(CORPUS_ROOT, root);
      const result = await loadConfig({
        source: { kind, name: 'corpus', text },
        env: { MCP_GATEWAY_ALLOWED_MOUNT_ROOTS: `${root}/ro:ro,${root}/rw:rw`, FROM_GATEWAY: 'g' },
      });
      const server = result.ok ? result.config.servers[0] : undefined;
      if (server?.kind !== 'container') throw new Error(`${what}: ${JSON.stringify(result)}`);
      return { what: `${kind}: ${what}`, spec: server.container };
    }),
  );
}

/** One entry for each specification: equal specifications are the same command, which is made from nothing else. */
export function distinct(entries: readonly CorpusEntry[]): readonly CorpusEntry[] {
  return [...new Map(entries.map((entry) => [JSON.stringify(entry.spec), entry])).values()];
}

/** Starts every entry, so many at a time, asks each for an answer, and the engine for what it has started. */
export async function launchAll(
  entries: readonly CorpusEntry[],
  atOnce: number,
  options?: { readonly engine: Engine; readonly image: string },
): Promise<{ readonly launched: readonly Launched[]; readonly left: number }> {
  const { engine, image } = options ?? { engine: docker(), image: await busyboxImage() };
  await using host = newHost(engine);
  const launched: Launched[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < entries.length; index = next++) {
      const entry = entries[index];
      if (entry === undefined) return;
      const { args, user, ...rest } = entry.spec;
      const own = { ...rest, image, entrypoint: 'sh', args: ['-c', ECHO, 'server', ...args] };
      // The small image knows no users by name.
      const server = await shellServer({ ...own, user: user === 'node' ? '1000' : user, name: `corpus-${index}` });
      await using wire = new Wire(host, server);
      await wire.open();
      const answer = await wire.ask('{"alive":true}');
      if (answer !== '{"alive":true}') throw new Error(`${entry.what} answers ${answer}`);
      const owned = await listOwned(engine, host.instance.id);
      const id = owned.find((one) => one.kind === 'container' && one.server === server.name)?.id ?? '';
      const [inspected] = JSON.parse(await engineSays(engine, 'container', 'inspect', id)) as [Inspected];
      launched.push({ ...entry, inspected });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { launched, left: (await listOwned(engine, host.instance.id)).length };
}

/** What docker says of every container of ours, whatever its specification. */
const ALWAYS: Readonly<Record<string, unknown>> = {
  AutoRemove: true,
  Init: true,
  Privileged: false,
  CapDrop: ['ALL'],
  SecurityOpt: ['no-new-privileges'],
  IpcMode: 'private',
  PidMode: '',
  UTSMode: '',
  UsernsMode: '',
  LogConfig: { Type: 'none', Config: {} },
  RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
  Binds: null,
  VolumesFrom: null,
  Devices: [],
  DeviceRequests: null,
  GroupAdd: null,
  PortBindings: {},
  PublishAllPorts: false,
  ExtraHosts: null,
  Links: null,
};

/** Every point in which a container of docker is not what its specification says, or lacks what every container has. */
export function differences({ what, spec, inspected }: Launched): readonly string[] {
  const { HostConfig: host, Config: config } = inspected;
  const { resources } = spec;
  const mounts = (host['Mounts'] ?? []) as readonly { Source: string; Target: string; ReadOnly?: boolean }[];
  const limits = (host['Ulimits'] ?? []) as readonly { Name: string; Soft: number; Hard: number }[];
  const points: readonly (readonly [string, unknown, unknown])[] = [
    ...Object.entries(ALWAYS).map(([field, expected]) => [field, host[field], expected] as const),
    ['CapAdd', capabilityNames(host['CapAdd']), spec.capabilities],
    ['PidsLimit', host['PidsLimit'], resources.pids],
    ['Memory', host['Memory'], resources.memory],
    ['MemorySwap', host['MemorySwap'], resources.memory],
    ['NanoCpus', host['NanoCpus'], resources.cpus * 1e9],
    ['ReadonlyRootfs', host['ReadonlyRootfs'], spec.readOnly],
    ['Tmpfs', Object.keys(host['Tmpfs'] ?? {}), spec.readOnly ? ['/tmp'] : []],
    [
      'Ulimits',
      limits.map(({ Name, Soft, Hard }) => `${Name} ${Soft} ${Hard}`).toSorted(),
      ['core 0 0', `nofile ${resources.openFiles} ${resources.openFiles}`],
    ],
    [
      'Mounts',
      mounts.map(({ Source, Target, ReadOnly }) => [Source, Target, ReadOnly === true ? 'ro' : 'rw']),
      spec.mounts.map(({ source, target, mode }) => [source, target, mode]),
    ],
    ['NetworkMode', /^(?:none|gatehouse-)/.exec(String(host['NetworkMode']))?.[0], networkOf(spec)],
    ['Tty', config.Tty, false],
    ['OpenStdin', config.OpenStdin, true],
    ['WorkingDir', config.WorkingDir, spec.workdir ?? ''],
    ['User', config.User, spec.user === 'node' ? '1000' : (spec.user ?? '')],
    [
      'Env',
      Object.entries(spec.env)
        .filter(([name, value]) => !config.Env.includes(`${name}=${value}`))
        .map(([name]) => name),
      [],
    ],
    ['Args', inspected.Args.slice(inspected.Args.length - spec.args.length), spec.args],
  ];
  return points.flatMap(([field, actual, expected]) =>
    isDeepStrictEqual(actual, expected)
      ? []
      : [`${what}: ${field} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`],
  );
}

function capabilityNames(value: unknown): readonly string[] {
  return ((value ?? []) as readonly string[]).map((name) => name.replace(/^CAP_/, ''));
}

function networkOf({ network }: ContainerSpec): string {
  return network === 'none' ? 'none' : 'gatehouse-';
}
