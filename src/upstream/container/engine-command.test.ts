import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callEngine, findEngine } from './engine-command.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-engine-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A stand-in for the command of the engine. */
async function command(script: string): Promise<string> {
  const path = join(folder, `docker-${Math.random().toString(36).slice(2)}`);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

describe('findEngine', () => {
  it('takes nothing from the PATH of the gateway and hands on only what steers the engine', async () => {
    const own = await command('env');
    const engine = findEngine(
      { engine: 'docker', command: own },
      {
        PATH: `${folder}:/evil`,
        HOME: '/home/op',
        DOCKER_HOST: 'unix:///x',
        LD_PRELOAD: '/evil.so',
        GITHUB_TOKEN: 'ghp_secret',
      },
    );
    const seen = await callEngine(engine, [], 60_000);
    const names = seen.stdout.split('\n').map((line) => line.split('=')[0] ?? '');
    expect(names.filter((name) => !['', 'PWD', 'OLDPWD', 'SHLVL', '_'].includes(name)).sort()).toEqual([
      'DOCKER_HOST',
      'HOME',
      'PATH',
    ]);
    expect(seen.stdout).not.toContain('evil');
  });

  it.each(['no-such-engine', '/no/such/engine', './docker', '../docker', '/etc/passwd', '/etc'])(
    'does not find %s, and says what to do',
    (name) => {
      expect(() => findEngine({ engine: 'docker', command: name })).toThrow(
        /Install docker, or give the absolute path/,
      );
    },
  );
});

describe('callEngine', () => {
  it('ends a command that takes too long', async () => {
    const engine = findEngine({ engine: 'docker', command: await command('exec sleep 1000') });
    await expect(callEngine(engine, ['network', 'create', 'x'], 200)).rejects.toMatchObject({
      code: 'server_timeout',
      message: '"docker network create" did not finish within 200 ms.',
    });
  });

  it('keeps only so much of a flood', async () => {
    const engine = findEngine({ engine: 'docker', command: await command('head -c 5000000 /dev/zero; exit 3') });
    const output = await callEngine(engine, [], 60_000);
    expect(output.status).toBe(3);
    expect(output.stdout).toHaveLength(1024 * 1024);
  });

  it('says so when the command cannot be run', async () => {
    const path = join(folder, 'docker-broken');
    await writeFile(path, '#!/no/such/interpreter\n');
    await chmod(path, 0o755);
    const engine = findEngine({ engine: 'docker', command: path });
    await expect(callEngine(engine, [], 60_000)).rejects.toMatchObject({
      code: 'server_unavailable',
      message: expect.stringContaining(path),
    });
  });
});
