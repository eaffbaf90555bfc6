/** `gatehouse pull` and `requireDigests`, against a registry on loopback. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../../scripts/setup/run.ts';
import { TINY_SERVER } from '../../containment/tiny-server.ts';
import { dockerMissing } from '../../rig/docker.ts';
import { runMain } from '../../rig/gateway-process.ts';
import { startGateway } from '../../rig/gateway.ts';
import { busyboxImage } from '../../rig/images.ts';
import { startRegistry } from '../../rig/registry.ts';

async function gatehouse(...args: string[]): Promise<{ status: number | undefined; stdout: string; stderr: string }> {
  const process = runMain(args, '');
  const { status } = await process.exited;
  return { status, stdout: process.stdout, stderr: process.stderr };
}

async function docker(...args: string[]): Promise<string> {
  const done = await run('docker', args);
  if (done.status !== 0) throw new Error(`docker ${args.join(' ')}: ${done.stderr}`);
  return done.stdout.trim();
}

describe.skipIf(dockerMissing())('gatehouse pull', () => {
  it(
    'gets an image, pins its digest, and only then the gateway starts where digests are demanded',
    { timeout: 300_000 },
    async () => {
      await using registry = await startRegistry();
      const image = `${registry.address}/tests/box:1`;
      const folder = await mkdtemp(join(tmpdir(), 'gatehouse-pull-'));
      const file = join(folder, 'config.toml');
      const text = `# kept as it is
[gateway]
agent_id = "test-agent-0123456789"
require_digests = true

[servers.box]
container = "${image}" # the image
entrypoint = "sh"
entrypoint_args = ["-c", ${JSON.stringify(TINY_SERVER)}]
`;
      try {
        await docker('tag', await busyboxImage(), image);
        await docker('push', '--quiet', image);
        await docker('rmi', image);
        await writeFile(file, text);

        const unpinned = await gatehouse('validate', file);
        expect([unpinned.status, unpinned.stdout]).toEqual([1, expect.stringContaining('is not pinned by digest')]);
        expect((await gatehouse('pull', '--check', file)).status).toBe(1);

        const pulled = await gatehouse('pull', file);
        expect(pulled.stderr).toContain('Pulling from tests/box');
        expect(pulled.status).toBe(0);
        const pinned = /^127\.0\.0\.1:\d+\/tests\/box:1@sha256:[0-9a-f]{64}$/m.exec(pulled.stdout)?.[0] ?? '';
        expect(pinned).not.toBe('');
        expect(await readFile(file, 'utf8')).toBe(text);

        const written = await gatehouse('pull', '--write', '--json', file);
        expect(written.status).toBe(0);
        expect(JSON.parse(written.stdout)).toMatchObject({
          images: [{ reference: image, state: 'pinnable', pinned, servers: ['box'] }],
        });
        expect(await readFile(file, 'utf8')).toBe(text.replace(image, pinned));
        expect((await gatehouse('validate', file)).status).toBe(0);
        expect((await gatehouse('pull', '--check', file)).status).toBe(0);

        await using gateway = await startGateway({ config: await readFile(file, 'utf8') });
        expect(gateway.document.mcpServers['box']?.url).toContain('/mcp/box');

        const other = pinned.replace(/[0-9a-f]{64}$/, '0'.repeat(64));
        await writeFile(file, text.replace(image, other));
        const missing = await gatehouse('pull', '--check', file);
        expect([missing.status, missing.stdout]).toEqual([1, expect.stringContaining('it is not on this machine')]);
      } finally {
        await run('docker', ['rmi', '--force', image]);
        await rm(folder, { recursive: true });
      }
    },
  );

  it('tells which image it could not get, and goes on with the others', async () => {
    await using registry = await startRegistry();
    const local = await busyboxImage();
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-pull-'));
    const file = join(folder, 'config.json');
    try {
      const servers = { gone: { container: `${registry.address}/no/such:1` }, local: { container: local } };
      await writeFile(
        file,
        JSON.stringify({ mcpServers: servers, gateway: { port: 1, domain: 'localhost', agentId: 'x' } }),
      );
      const checked = await gatehouse('pull', '--check', '--json', '--config', file);
      expect(checked.status).toBe(1);
      expect(JSON.parse(checked.stdout)).toMatchObject({
        images: [
          { servers: ['gone'], state: 'missing' },
          { servers: ['local'], state: 'local' },
        ],
      });
      const pulled = await gatehouse('pull', file);
      expect(pulled.status).toBe(1);
      expect(pulled.stdout).toContain('/no/such:1: docker could not pull it');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it.each([
    [['pull'], 'name one configuration'],
    [['pull', 'a', '--config', 'b'], 'name one configuration'],
    [['pull', '--write', '-'], '--write needs a file'],
    [['pull', '--write', '--check', 'a'], 'cannot be used with'],
    [['pull', '/no/such/file.toml'], 'cannot be read'],
  ])('refuses %j', async (args, says) => {
    const refused = await gatehouse(...args);
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining(says)]);
  });
});
