import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkMount, type MountPolicy, mountPolicyFrom } from './mount-policy.ts';

let root: string;

beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'gatehouse-mounts-')));
  for (const name of ['ro', 'rw', 'outside', 'home', 'work', 'temp']) await mkdir(join(root, name));
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

async function policy(
  env: Record<string, string> = { MCP_GATEWAY_ALLOWED_MOUNT_ROOTS: `${root}/ro,${root}/rw:rw` },
): Promise<MountPolicy> {
  const directories = { working: join(root, 'work'), temporary: join(root, 'temp'), home: join(root, 'home') };
  return (await mountPolicyFrom(env, directories)).policy;
}

async function check(source: string, mode: 'ro' | 'rw' = 'ro', with_?: MountPolicy): Promise<string> {
  const result = await checkMount({ source, target: '/x', mode }, with_ ?? (await policy()));
  return result.ok ? result.mount.source : result.message;
}

describe('checkMount', () => {
  it('T-CFG-015 allows a directory below a root, and the root itself', async () => {
    await mkdir(join(root, 'rw/a'));
    expect(await check(`${root}/rw/a`, 'rw')).toBe(`${root}/rw/a`);
    expect(await check(`${root}/rw`, 'rw')).toBe(`${root}/rw`);
    expect(await check(`${root}/ro`)).toBe(`${root}/ro`);
  });

  it('allows a directory that does not exist yet', async () => {
    expect(await check(`${root}/ro/not/yet`)).toBe(`${root}/ro/not/yet`);
  });

  it('T-ISO-007 refuses writing where only reading is allowed', async () => {
    expect(await check(`${root}/ro`, 'rw')).toContain('read-write access');
  });

  it('refuses what is outside, beside, or above the roots', async () => {
    for (const source of [`${root}/outside`, `${root}/rw-beside`, root, `${root}/rw/../outside`, '/opt']) {
      expect(await check(source), source).toContain('rejected');
    }
  });

  it('follows links before it decides, and answers with where they lead', async () => {
    await symlink(join(root, 'outside'), join(root, 'rw/escape'));
    await symlink(join(root, 'ro'), join(root, 'rw/to-ro'));
    await symlink(join(root, 'rw'), join(root, 'outside/to-rw'));
    expect(await check(`${root}/rw/escape`)).toContain('outside the allowed mount roots');
    expect(await check(`${root}/rw/escape/deeper`)).toContain('outside the allowed mount roots');
    expect(await check(`${root}/rw/to-ro`, 'rw')).toContain('read-write access');
    expect(await check(`${root}/outside/to-rw`, 'rw')).toBe(`${root}/rw`);
  });

  it('sees a link that changed after the configuration was read', async () => {
    const rules = await policy();
    await mkdir(join(root, 'rw/a'));
    expect(await check(`${root}/rw/a`, 'rw', rules)).toBe(`${root}/rw/a`);
    await rm(join(root, 'rw/a'), { recursive: true });
    await symlink('/etc', join(root, 'rw/a'));
    expect(await check(`${root}/rw/a`, 'rw', rules)).toContain('rejected');
  });

  it('follows links to what does not exist yet, and gives up on circles', async () => {
    await symlink('/etc/not-there-yet', join(root, 'rw/dangling'));
    await symlink(join(root, 'rw/circle-b'), join(root, 'rw/circle-a'));
    await symlink(join(root, 'rw/circle-a'), join(root, 'rw/circle-b'));
    expect(await check(`${root}/rw/dangling`)).toContain('/etc/not-there-yet');
    expect(await check(`${root}/rw/circle-a`)).toContain('cannot be resolved');
    await writeFile(join(root, 'rw/file'), '');
    expect(await check(`${root}/rw/file/below`)).toContain('cannot be resolved');
  });

  it('never allows the system, the engines, or a home, even where a root says so', async () => {
    const wide = await policy({
      MCP_GATEWAY_ALLOWED_MOUNT_ROOTS: '/etc:rw,/run:rw,/var:rw,/proc:rw,/dev:rw,/sys:rw,/home:rw',
      DOCKER_HOST: `unix://${root}/ro/engine.sock`,
    });
    for (const source of [
      '/',
      '/etc',
      '/run',
      '/var',
      '/var/run',
      '/var/run/docker.sock',
      '/run/docker.sock',
      '/var/lib/docker',
      '/var/lib/docker/volumes/x',
      '/proc',
      '/proc/1',
      '/sys/kernel',
      '/dev',
      '/dev/null',
      '/home',
      `${root}/home`,
      `${root}/ro/engine.sock`,
      `${root}/ro`,
    ]) {
      expect(await check(source, 'ro', wide), source).toContain('rejected');
    }
    expect(await check('/etc/gatehouse-not-there', 'ro', wide)).toBe('/etc/gatehouse-not-there');
  });

  it('refuses a link to the socket of an engine', async () => {
    await symlink('/var/run/docker.sock', join(root, 'rw/innocent'));
    expect(await check(`${root}/rw/innocent`)).toContain('no container may see');
  });
});

describe('mountPolicyFrom', () => {
  it('allows the workspace and the working directory for reading, the temporary directory for writing', async () => {
    const rules = await policy({ GITHUB_WORKSPACE: join(root, 'outside') });
    expect(await check(`${root}/outside/src`, 'ro', rules)).toBe(`${root}/outside/src`);
    expect(await check(`${root}/work/src`, 'rw', rules)).toContain('read-write access');
    expect(await check(`${root}/temp/out`, 'rw', rules)).toBe(`${root}/temp/out`);
    expect(await check(`${root}/ro`, 'ro', rules)).toContain('outside');
  });

  it('allows nothing when the list is empty', async () => {
    expect(await check(`${root}/work`, 'ro', await policy({ MCP_GATEWAY_ALLOWED_MOUNT_ROOTS: '' }))).toContain(
      '(none)',
    );
  });

  it('takes roots without their links, so that a link cannot hide a system directory', async () => {
    await symlink('/proc', join(root, 'rw/proc'));
    const rules = await policy({ MCP_GATEWAY_ALLOWED_MOUNT_ROOTS: `${root}/rw/proc:rw` });
    expect(await check(`${root}/rw/proc/self`, 'ro', rules)).toContain('rejected');
  });

  it('leaves out entries that are no roots, and says which', async () => {
    const directories = { working: '/', temporary: '/', home: '/' };
    const { policy: rules, ignored } = await mountPolicyFrom(
      { MCP_GATEWAY_ALLOWED_MOUNT_ROOTS: ` ${root}/ro:ro , relative, /,${root}/rw:rx,,` },
      directories,
    );
    expect(rules.roots).toEqual([{ path: `${root}/ro`, mode: 'ro' }]);
    expect(ignored).toEqual(['relative', '/', `${root}/rw`]);
  });
});
