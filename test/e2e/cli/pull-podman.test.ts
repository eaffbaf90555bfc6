/** `gatehouse pull` with podman, against a registry on loopback. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Finished, run } from '../../../scripts/setup/run.ts';
import { TINY_SERVER } from '../../containment/tiny-server.ts';
import { rawClient } from '../raw-client.ts';
import { runMain } from '../../rig/gateway-process.ts';
import { startGateway } from '../../rig/gateway.ts';
import { podmanImage, podmanMissing } from '../../rig/podman.ts';
import { startRegistry } from '../../rig/registry.ts';

const reason = await podmanMissing();

/** A folder with a configuration, and a registry that podman is told to speak plain HTTP with. */
async function site(): Promise<
  AsyncDisposable & {
    readonly image: string;
    readonly registry: string;
    readonly file: string;
    podman(...args: string[]): Promise<Finished>;
    gatehouse(...args: string[]): Promise<Finished>;
    readonly env: Readonly<Record<string, string>>;
  }
> {
  const parts = new AsyncDisposableStack();
  const registry = parts.use(await startRegistry());
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-pull-'));
  parts.defer(() => rm(folder, { recursive: true }));
  const image = `${registry.address}/tests/box:1`;
  const env = { CONTAINERS_REGISTRIES_CONF: join(folder, 'registries.conf') };
  await writeFile(env.CONTAINERS_REGISTRIES_CONF, `[[registry]]\nlocation = "${registry.address}"\ninsecure = true\n`);
  const podman = async (...args: string[]): Promise<Finished> => {
    const done = await run('podman', args, { env });
    if (done.status !== 0) throw new Error(`podman ${args.join(' ')}: ${done.stderr}`);
    return done;
  };
  return {
    image,
    registry: registry.address,
    file: join(folder, 'config.toml'),
    env,
    podman,
    async gatehouse(...args) {
      const process = runMain(args, '', env);
      const { status } = await process.exited;
      return { status, stdout: process.stdout, stderr: process.stderr };
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** An image of which this engine has a digest that no registry has: built here, with content of its own. */
async function builtHere(place: Awaited<ReturnType<typeof site>>, label: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-image-'));
  try {
    await writeFile(join(folder, 'Dockerfile'), `FROM ${await podmanImage()}\nLABEL test=${label}\n`);
    return (await place.podman('build', '--quiet', '--tag', place.image, folder)).stdout.trim();
  } finally {
    await rm(folder, { recursive: true });
  }
}

const configuration = (image: string): string => `[gateway]
agent_id = "test-agent-0123456789"
container_runtime = "podman"
require_digests = true

[servers.box]
container = "${image}"
network = "none"
entrypoint = "sh"
entrypoint_args = ["-c", ${JSON.stringify(TINY_SERVER)}]
`;

describe.skipIf(reason !== '')(`gatehouse pull with podman${reason === '' ? '' : ` (left out: ${reason})`}`, () => {
  // The engine lists digests in the order of their digits: with more than one image one is likely to be listed wrongly.
  it.each(['one', 'two'])(
    'pins the digest that the registry has, though the engine knows another one: image %s',
    { timeout: 300_000 },
    async (label) => {
      await using place = await site();
      const { image, file } = place;
      const id = await builtHere(place, `${label}-${place.registry}`);
      try {
        await place.podman('push', '--quiet', image);
        await place.podman('untag', image);
        const served = await fetch(`http://${place.registry}/v2/tests/box/manifests/1`);
        const digest = served.headers.get('docker-content-digest') ?? '';
        await writeFile(file, configuration(image));

        const pulled = await place.gatehouse('pull', '--write', file);
        expect([pulled.status, pulled.stderr]).toEqual([0, expect.stringContaining(`podman pull ${image}`)]);
        expect(await readFile(file, 'utf8')).toBe(configuration(`${image}@${digest}`));
        expect((await place.gatehouse('pull', '--check', file)).status).toBe(0);
        // With several digests at hand a look that asks nobody does not claim to know which one is right.
        await writeFile(file, configuration(image).replace('require_digests = true\n', ''));
        expect((await place.gatehouse('pull', '--check', file)).stdout).toContain('has several digests here');
      } finally {
        await run('podman', ['rmi', '--force', id]);
      }
    },
  );

  it('starts the gateway on what it pinned, and tells what it could not get', { timeout: 300_000 }, async () => {
    await using place = await site();
    const { image, file } = place;
    const id = await builtHere(place, place.registry);
    try {
      await place.podman('push', '--quiet', image);
      await place.podman('rmi', '--force', id);
      await writeFile(file, configuration(image));
      expect((await place.gatehouse('pull', '--check', file)).status).toBe(1);
      expect((await place.gatehouse('pull', '--write', file)).status).toBe(0);
      await using gateway = await startGateway({ config: await readFile(file, 'utf8'), env: place.env });
      const client = await rawClient(gateway.url('box'), gateway.authorization);
      expect((await client.request('tools/call', { name: 'hi', arguments: {} })).answer.result).toBeDefined();

      await writeFile(file, configuration(image.replace('box', 'gone')));
      const refused = await place.gatehouse('pull', file);
      expect([refused.status, refused.stdout]).toEqual([1, expect.stringContaining('podman could not pull it')]);
    } finally {
      await run('podman', ['rmi', '--force', id]);
    }
  });
});
