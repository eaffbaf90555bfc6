/** Every accepted argument list of the corpus, started in Docker, and what Docker says of the container. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ContainerSpec } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import {
  containerOf,
  engineSays,
  left,
  newHost,
  shellServer,
  Wire,
} from '../../src/upstream/container/test/containers.ts';
import { ACCEPTED_ARGUMENTS } from '../config-golden/container-arguments.corpus.ts';
import { dockerMissing } from '../rig/docker.ts';

interface Inspected {
  readonly HostConfig: Readonly<Record<string, unknown>>;
  readonly Config: { readonly User: string; readonly WorkingDir: string; readonly Tty: boolean };
}

/** The directory that stands for the one of the corpus. */
const CORPUS_ROOT = '/srv/gatehouse';

describe.skipIf(dockerMissing())('every accepted argument list', () => {
  let root = '';
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'gatehouse-corpus-'));
    for (const folder of ['ro/a', 'rw/a', 'rw/b']) await mkdir(join(root, folder), { recursive: true });
  });
  afterAll(() => rm(root, { recursive: true }));

  it.concurrent.each(ACCEPTED_ARGUMENTS.map((entry) => [entry.what, entry.args] as const))(
    'T-ISO-001 starts with every limit: %s',
    { timeout: 60_000 },
    async (_what, args) => {
      const spec = await specOf(
        args.map((argument) => argument.replaceAll(CORPUS_ROOT, root)),
        root,
      );
      const { image: _image, entrypoint: _entrypoint, args: _args, ...rest } = spec;
      await using host = newHost();
      // The small image knows no users by name.
      const server = await shellServer({ ...rest, user: spec.user === 'node' ? '1000' : spec.user });
      await using wire = new Wire(host, server);
      await wire.open();
      expect(await wire.ask('{"alive":true}')).toBe('{"alive":true}');
      const text = await engineSays(host.engine, 'container', 'inspect', await containerOf(host));
      const [{ HostConfig: actual, Config: config }] = JSON.parse(text) as [Inspected];
      expect(actual).toMatchObject({
        AutoRemove: true,
        Init: true,
        Privileged: false,
        CapAdd: null,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        PidsLimit: spec.resources.pids,
        Memory: spec.resources.memory,
        MemorySwap: spec.resources.memory,
        NanoCpus: spec.resources.cpus * 1e9,
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
        ReadonlyRootfs: spec.readOnly,
      });
      expect(actual['NetworkMode']).toMatch(spec.network === 'none' ? /^none$/ : /^gatehouse-/);
      const mounts = (actual['Mounts'] ?? []) as readonly { Source: string; Target: string; ReadOnly?: boolean }[];
      expect(mounts.map(({ Source, Target, ReadOnly }) => [Source, Target, ReadOnly === true ? 'ro' : 'rw'])).toEqual(
        spec.mounts.map(({ source, target, mode }) => [source, target, mode]),
      );
      expect(config.Tty).toBe(false);
      expect(config.WorkingDir).toBe(spec.workdir ?? '');
      await wire.transport.close();
      expect(await left(host)).toEqual([]);
    },
  );
});

async function specOf(args: readonly string[], root: string): Promise<ContainerSpec> {
  const text = `[gateway]\nagent_id = "x"\n\n[servers.x]\ncommand = "docker"\nargs = ${JSON.stringify(args)}\n`;
  const result = await loadConfig({
    source: { kind: 'toml', name: 'corpus', text },
    env: { MCP_GATEWAY_ALLOWED_MOUNT_ROOTS: `${root}/ro:ro,${root}/rw:rw`, FROM_GATEWAY: 'g' },
  });
  const server = result.ok ? result.config.servers[0] : undefined;
  if (server?.kind !== 'container') throw new Error(JSON.stringify(result));
  return server.container;
}
