import { chmodSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dockerMissing } from '../../../../test/rig/docker.ts';
import { GatewayError } from '../../../shared/errors.ts';
import { containerOf, engineSays, newHost, shellServer, Wire, type ServerOptions } from './containers.ts';

/** Tells what it sees as JSON strings, one for each line that it is sent: the line is a shell command. */
const SHELL = 'while IFS= read -r line; do sh -c "$line" 2>&1 | tr "\\n\\t" "~ "; echo; done';

interface HostConfig {
  readonly [field: string]: unknown;
}

async function inside(
  options: ServerOptions,
  commands: readonly string[],
): Promise<{ host: HostConfig; answers: string[]; inspected: string }> {
  await using host = newHost();
  await using wire = new Wire(host, await shellServer({ script: SHELL, ...options }));
  await wire.open();
  const answers: string[] = [];
  for (const command of commands) answers.push((await wire.ask(`${command}; echo end`)).replace(/~?end~$/, ''));
  const inspected = await engineSays(host.engine, 'container', 'inspect', await containerOf(host));
  const [container] = JSON.parse(inspected) as [{ HostConfig: HostConfig }];
  return { host: container.HostConfig, answers, inspected };
}

const STATUS = "grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status";

describe.skipIf(dockerMissing())('a container of which nothing was said', () => {
  it('T-ISO-001 has every limit, as the engine tells it', async () => {
    const { host } = await inside({ network: 'isolated' }, ['true']);
    expect(host).toMatchObject({
      AutoRemove: true,
      Init: true,
      Privileged: false,
      CapAdd: null,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      PidsLimit: 64,
      Memory: 64 * 1024 * 1024,
      MemorySwap: 64 * 1024 * 1024,
      NanoCpus: 1_000_000_000,
      IpcMode: 'private',
      PidMode: '',
      UTSMode: '',
      UsernsMode: '',
      LogConfig: { Type: 'none', Config: {} },
      RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
      Binds: null,
      Devices: [],
      GroupAdd: null,
      PortBindings: {},
      PublishAllPorts: false,
      ReadonlyRootfs: false,
    });
    expect(host['Ulimits']).toHaveLength(2);
    expect(host['Ulimits']).toContainEqual({ Name: 'nofile', Hard: 256, Soft: 256 });
    expect(host['Ulimits']).toContainEqual({ Name: 'core', Hard: 0, Soft: 0 });
    expect(host['NetworkMode']).toMatch(/^gatehouse-test-[0-9a-f]+-[0-9a-f]+-\d+$/);
    expect(host['MaskedPaths']).toContain('/proc/kcore');
    expect(host['ReadonlyPaths']).toContain('/proc/sys');
  });

  it('T-ISO-001 T-ISO-002 has every limit, as it looks from the inside', async () => {
    const { answers } = await inside({}, [
      STATUS,
      'ulimit -n; ulimit -c',
      'cat /proc/net/dev',
      'env | sort',
      'cat /proc/1/cmdline',
    ]);
    const [status, limits, network, environment, init] = answers;
    expect(status?.replaceAll(' ', '').split('~')).toEqual([
      ...['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map((set) => `${set}:0000000000000000`),
      'NoNewPrivs:1',
      'Seccomp:2',
    ]);
    expect(limits).toBe('256~0');
    // Two lines of headings and one interface.
    expect(
      network
        ?.split('~')
        .slice(2)
        .map((line) => line.trim().split(':')[0]),
    ).toEqual(['lo']);
    const names = environment?.split('~').map((line) => line.split('=')[0]);
    expect(names).toEqual(['HOME', 'HOSTNAME', 'NO_COLOR', 'PATH', 'PWD', 'PYTHONUNBUFFERED', 'SHLVL', 'TERM']);
    expect(init).toContain('docker-init');
  });

  it('cannot start more processes than it may', async () => {
    const { answers } = await inside({ resources: { memory: 64 * 1024 * 1024, cpus: 1, pids: 16, openFiles: 64 } }, [
      'i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done; echo started all',
    ]);
    expect(answers[0]).toContain("can't fork");
  });

  it('cannot use more memory than it may', async () => {
    const greedy = 'head -c 100000000 /dev/zero | tail -c 90000000 | wc -c';
    const resources = { memory: 32 * 1024 * 1024, cpus: 1, pids: 16, openFiles: 64 };
    // The kernel chooses whom it kills: the program that took too much, and at times the shell that answers, too.
    const outcome = await inside({ resources }, [greedy]).then(
      ({ answers }) => answers[0] ?? '',
      (error: unknown) => {
        if (error instanceof GatewayError) return error.message;
        throw error;
      },
    );
    expect(outcome).not.toContain('90000000');
    expect(outcome).toMatch(/^(?:0|.*Killed.*|.*memory.*)$/s);
  });
});

describe.skipIf(dockerMissing())('what a specification relaxes or tightens', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gatehouse-mount,"s-'));
    chmodSync(folder, 0o777);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('gives a read-only file system with a small /tmp, and nothing to execute in it', async () => {
    const { host, answers } = await inside({ readOnly: true }, [
      'echo x > /file',
      'echo x > /tmp/file && cat /tmp/file',
      'cp /bin/busybox /tmp/program; /tmp/program true',
      'head -c 100000000 /dev/zero > /tmp/large; wc -c < /tmp/large',
    ]);
    expect(host).toMatchObject({
      ReadonlyRootfs: true,
      Tmpfs: { '/tmp': 'rw,noexec,nosuid,nodev,size=16777216,mode=1777' },
    });
    expect(answers[0]).toContain('Read-only file system');
    expect(answers[1]).toBe('x');
    expect(answers[2]).toContain('Permission denied');
    expect(answers[3]).not.toContain('100000000');
  });

  it('T-ISO-006 T-ISO-007 T-ISO-008 mounts each directory in its mode, only in its own container', async () => {
    await writeFile(join(folder, 'given'), 'from the host');
    const write = 'cat /data/given; echo changed > /data/written';
    const readOnly = await inside({ mounts: [{ source: folder, target: '/data', mode: 'ro' }] }, [write]);
    expect(readOnly.answers[0]).toContain('from the host');
    expect(readOnly.answers[0]).toContain('Read-only file system');
    const writable = await inside({ mounts: [{ source: folder, target: '/data', mode: 'rw' }] }, [write]);
    expect(writable.answers[0]).toBe('from the host');
    expect(await readFile(join(folder, 'written'), 'utf8')).toBe('changed\n');
    const other = await inside({}, [write]);
    expect(other.answers[0]).toContain("can't open '/data/given'");
  });

  it('runs as the given user, in the given directory, with the given capability and no other', async () => {
    const { answers } = await inside({ user: '1234:1234', workdir: '/proc', capabilities: ['NET_BIND_SERVICE'] }, [
      'id -u; pwd',
      STATUS,
    ]);
    expect(answers[0]).toBe('1234~/proc');
    // Bit 10 is CAP_NET_BIND_SERVICE; a user other than root has it only in its bounding set.
    expect(answers[1]).toContain('CapBnd: 0000000000000400');
  });
});
