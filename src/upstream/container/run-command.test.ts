import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ContainerSpec } from '../../config/config.ts';
import { runCommand, type RunOptions } from './run-command.ts';

const SPEC: ContainerSpec = {
  image: 'ghcr.io/example/server:1',
  entrypoint: undefined,
  args: [],
  env: {},
  mounts: [],
  network: 'isolated',
  workdir: undefined,
  user: undefined,
  readOnly: false,
  capabilities: [],
  resources: { memory: 268_435_456, cpus: 0.5, pids: 64, openFiles: 1024 },
};

function options(spec: Partial<ContainerSpec> = {}, more: Partial<RunOptions> = {}): RunOptions {
  return {
    engine: 'docker',
    server: 'github',
    spec: { ...SPEC, ...spec },
    name: 'gatehouse-github-1',
    labels: { 'gatehouse.server': 'github' },
    network: 'gatehouse-net-1',
    stopTimeoutSeconds: 10,
    ...more,
  };
}

const argsOf = (spec: Partial<ContainerSpec> = {}, more: Partial<RunOptions> = {}): readonly string[] =>
  runCommand(options(spec, more)).args;

describe('runCommand', () => {
  it('T-ISO-001 hardens a container of which nothing was said', () => {
    expect(argsOf()).toEqual([
      'run',
      '--rm',
      '--interactive',
      '--init',
      '--pull=never',
      '--name=gatehouse-github-1',
      '--label=gatehouse.server=github',
      '--network=gatehouse-net-1',
      '--cap-drop=ALL',
      '--security-opt=no-new-privileges',
      '--pids-limit=64',
      '--memory=268435456',
      '--memory-swap=268435456',
      '--cpus=0.5',
      '--ulimit=nofile=1024:1024',
      '--ulimit=core=0:0',
      '--ipc=private',
      '--log-driver=none',
      '--no-healthcheck',
      '--stop-timeout=10',
      '--env=NO_COLOR',
      '--env=TERM',
      '--env=PYTHONUNBUFFERED',
      '--',
      'ghcr.io/example/server:1',
    ]);
  });

  it('says all that a specification can say', () => {
    const args = argsOf({
      args: ['--verbose', '-v', '/:/host'],
      entrypoint: '/bin/server',
      user: '1000:1000',
      workdir: '/work',
      readOnly: true,
      network: 'none',
      capabilities: ['NET_BIND_SERVICE', 'cap_chown'],
      mounts: [
        { source: '/srv/data', target: '/data', mode: 'ro' },
        { source: '/srv/a,b"c', target: '/out', mode: 'rw' },
      ],
    });
    for (const expected of [
      '--network=none',
      '--cap-add=NET_BIND_SERVICE',
      '--cap-add=CHOWN',
      '--read-only',
      '--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=67108864,mode=1777',
      '--user=1000:1000',
      '--workdir=/work',
      '--entrypoint=/bin/server',
      '--mount=type=bind,source=/srv/data,target=/data,readonly',
      '--mount=type=bind,"source=/srv/a,b""c",target=/out',
    ]) {
      expect(args.slice(0, args.indexOf('--'))).toContain(expected);
    }
    expect(args.slice(args.indexOf('--'))).toEqual(['--', 'ghcr.io/example/server:1', '--verbose', '-v', '/:/host']);
  });

  it('tells podman not to be more generous than docker', () => {
    const args = argsOf({ readOnly: true }, { engine: 'podman' });
    expect(args).toEqual(
      expect.arrayContaining(['--http-proxy=false', '--read-only-tmpfs=false', '--ulimit=nproc=4096:4096']),
    );
  });

  it('T-ISO-003 never puts the value of a variable into an argument', () => {
    const command = runCommand(
      options({ env: { TOKEN: 'secret-1', DOCKER_HOST: 'tcp://secret-2', PATH: '/secret-3' } }),
    );
    expect(command.args.join(' ')).not.toContain('secret');
    expect(command.args).toContain('--env=TOKEN');
    expect(command.args).toContain('--env-file=/dev/fd/3');
    expect(command.environment).toMatchObject({ TOKEN: 'secret-1' });
    expect(command.environment).not.toHaveProperty('DOCKER_HOST');
    expect(command.environmentFile).toBe('DOCKER_HOST=tcp://secret-2\nPATH=/secret-3\n');
  });

  it('lets no text of a specification become an option of its own', () => {
    const hostile = fc.oneof(
      fc.constantFrom(
        '--privileged',
        '-v=/:/x',
        '-v/:/x',
        '--',
        '--network=host',
        '--user',
        'run',
        '-itv',
        '=',
        ' --rm=false',
      ),
      fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
    );
    const mount = fc.record({ source: hostile, target: hostile, mode: fc.constantFrom('ro' as const, 'rw' as const) });
    const spec = fc.record({
      args: fc.array(hostile, { maxLength: 4 }),
      entrypoint: fc.option(hostile, { nil: undefined }),
      user: fc.option(hostile, { nil: undefined }),
      workdir: fc.option(hostile, { nil: undefined }),
      mounts: fc.array(mount, { maxLength: 3 }),
      readOnly: fc.boolean(),
      env: fc.dictionary(fc.stringMatching(/^[A-Z]{1,8}$/), fc.stringMatching(/^[a-z -]*$/)),
    });
    const known =
      /^--(?:rm|interactive|init|read-only|no-healthcheck|(?:pull|name|label|network|cap-drop|security-opt|pids-limit|memory|memory-swap|cpus|ulimit|ipc|log-driver|stop-timeout|tmpfs|user|workdir|entrypoint|mount|env-file|env)=[\s\S]*)$/;
    fc.assert(
      fc.property(spec, (written) => {
        const args = argsOf(written);
        const end = args.length - written.args.length - 2;
        expect(args.slice(end)).toEqual(['--', SPEC.image, ...written.args]);
        for (const arg of args.slice(1, end)) expect(arg).toMatch(known);
        for (const single of [
          '--network=',
          '--cap-drop=',
          '--security-opt=',
          '--pids-limit=',
          '--memory=',
          '--memory-swap=',
          '--ipc=',
        ]) {
          expect(args.slice(0, end).filter((arg) => arg.startsWith(single))).toHaveLength(1);
        }
      }),
    );
  });

  const limits = { memory: 1, cpus: 1, pids: 1, openFiles: 1 };
  it.each([
    ['no memory limit', { resources: { ...limits, memory: 0 } }],
    ['no limit of processes', { resources: { ...limits, pids: -1 } }],
    ['half a process', { resources: { ...limits, pids: 0.5 } }],
    ['no limit of cores', { resources: { ...limits, cpus: 0 } }],
    ['unknown cores', { resources: { ...limits, cpus: Number.NaN } }],
    ['no limit of open files', { resources: { ...limits, openFiles: Number.POSITIVE_INFINITY } }],
    ['all capabilities', { capabilities: ['all'] }],
    ['a capability that is an option', { capabilities: ['X --privileged'] }],
    ['an image that is an option', { image: '--privileged' }],
    ['an image with a space', { image: 'a b' }],
    ['no image', { image: '' }],
    ['NUL in an argument', { args: ['a\0b'] }],
  ])('refuses %s', (_, spec) => {
    expect(() => argsOf(spec)).toThrow(/^Server "github" cannot be started: /);
  });

  it.each([undefined, 'host', 'bridge', 'container:other', 'default'])(
    'T-ISO-004 refuses the network %s',
    (network) => {
      expect(() => argsOf({}, { network })).toThrow('it has no network of its own');
    },
  );
});
