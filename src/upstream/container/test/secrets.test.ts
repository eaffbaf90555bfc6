import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dockerMissing } from '../../../../test/rig/docker.ts';
import { callEngine, type Engine } from '../engine-command.ts';
import { containerOf, docker, engineSays, newHost, shellServer, Wire } from './containers.ts';

/** Argument lists and environments of all processes of this machine that can be read. */
function processes(): { args: string; env: string }[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => {
      try {
        return [
          { args: readFileSync(`/proc/${pid}/cmdline`, 'latin1'), env: readFileSync(`/proc/${pid}/environ`, 'latin1') },
        ];
      } catch {
        return [];
      }
    });
}

describe.skipIf(dockerMissing())('secrets of a server', () => {
  it('T-ISO-003 stand in no argument list while the server runs, and reach it whole', async () => {
    await using host = newHost();
    // Written so that this process does not hold it in its own arguments or environment either.
    const secret = ['s3cr3t', host.instance.id, 'value'].join('-');
    const env = {
      API_TOKEN: `${secret}\nsecond line of ${secret}`,
      HTTP_PROXY: `http://user:${secret}@proxy`,
      EMPTY: '',
    };
    await using wire = new Wire(
      host,
      await shellServer({
        env,
        script: 'read -r line; echo "$API_TOKEN" | tr "\\n" "~"; echo "$HTTP_PROXY ${EMPTY-unset}."; cat',
      }),
    );
    await wire.open();
    expect(await wire.ask('go')).toBe(`${secret}~second line of ${secret}~http://user:${secret}@proxy .`);
    const all = processes();
    const commands = all.filter(({ args }) => args.includes(host.instance.id));
    expect(commands.length).toBeGreaterThan(0);
    expect(all.filter(({ args }) => args.includes(secret))).toEqual([]);
    // The command of the engine has the ordinary variable, and not the one that it would obey itself.
    for (const { env: environment } of commands.filter(({ args }) => args.includes('run\0'))) {
      expect(environment).toContain(`API_TOKEN=${secret}`);
      expect(environment).not.toContain('HTTP_PROXY');
    }
    const [container] = JSON.parse(await engineSays(host.engine, 'container', 'inspect', await containerOf(host))) as [
      { Args: string[]; Path: string; Config: { Labels: Record<string, string> } },
    ];
    expect(JSON.stringify([container.Path, container.Args, container.Config.Labels])).not.toContain(secret);
    await expect.poll(() => readdirSync('/dev/shm').filter((name) => name.startsWith('gatehouse-'))).toEqual([]);
  });

  it('T-ISO-002 reach only the server that they are for, and neither the log nor error texts', async () => {
    await using host = newHost();
    const secret = `s3cr3t-${host.instance.id}`;
    await using owner = new Wire(
      host,
      await shellServer({ env: { API_TOKEN: secret }, script: 'echo "token $API_TOKEN" >&2; exit 3' }),
    );
    await using other = new Wire(host, await shellServer({ script: 'read -r line; env | tr "\\n" "~"; echo; cat' }));
    await Promise.all([owner.open(), other.open()]);
    expect(await other.ask('go')).not.toContain('API_TOKEN');
    const reason = await owner.closed;
    expect(reason.message).toMatch(/exited with status 3/);
    expect(reason.detail).not.toContain('token');
    await expect
      .poll(() => [...owner.stderr, ...owner.transport.lastWords()])
      .toEqual(['token [redacted]', 'token [redacted]']);
  });

  const hostile = {
    DOCKER_HOST: 'tcp://127.0.0.1:1',
    DOCKER_CONFIG: '/nowhere',
    DOCKER_CONTEXT: 'none',
    LD_PRELOAD: '/nowhere.so',
    PATH: '/bin:/mine',
    HOME: '/mine',
  };
  it('cannot steer the command of the engine, and are variables like any other inside', async () => {
    await using host = newHost();
    await using wire = new Wire(
      host,
      await shellServer({
        env: hostile,
        script: 'unset LD_PRELOAD; read -r line; echo "$DOCKER_HOST $DOCKER_CONFIG $DOCKER_CONTEXT $PATH $HOME"; cat',
      }),
    );
    await wire.open();
    expect(await wire.ask('go')).toBe('tcp://127.0.0.1:1 /nowhere none /bin:/mine /mine');
  });

  it('do not steer it even under a name that nobody has thought of', async () => {
    const engine: Engine = docker();
    const seen = await callEngine({ ...engine, command: '/usr/bin/env' }, [], 60_000);
    expect(seen.stdout).toContain('PATH=/usr/local/sbin:');
    expect(
      Object.keys(engine.environment).filter(
        (name) => !/^(?:DOCKER_[A-Z_]+|SSH_AUTH_SOCK|XDG_RUNTIME_DIR|HOME|PATH)$/.test(name),
      ),
    ).toEqual([]);
  });
});
