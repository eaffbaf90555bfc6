/** Argument lists as operators and attackers write them, and what becomes of each. Used by more than one test. */
import type { ContainerSpec } from '../../src/config/config.ts';

export interface RefusedArguments {
  readonly why: string;
  /** The value of `args` beside `command = "docker"`. */
  readonly args: readonly string[];
  /** Part of one of the messages. */
  readonly says: string;
}

export interface AcceptedArguments {
  readonly what: string;
  readonly args: readonly string[];
  /** What the container then says; all else is as by default. */
  readonly spec: Partial<ContainerSpec>;
}

export const IMAGE = 'mcp/time';

/** A whole command line around options. */
function run(...options: readonly string[]): readonly string[] {
  return ['run', '--rm', '-i', ...options, IMAGE];
}

function refused(why: string, says: string, ...lists: readonly (readonly string[])[]): RefusedArguments[] {
  return lists.map((args) => ({ why, args, says }));
}

/** Each option by itself and in the spellings that an option of its arity has. */
function refusedOption(why: string, name: string, value?: string, letter?: string): RefusedArguments[] {
  if (value === undefined) {
    return [
      ...refused(why, `--${name}`, run(`--${name}`), run(`--${name}=true`)),
      ...(letter === undefined ? [] : refused(why, `-${letter}`, run(`-${letter}`), run(`-i${letter}`))),
    ];
  }
  return [
    ...refused(why, `--${name}`, run(`--${name}`, value), run(`--${name}=${value}`)),
    ...(letter === undefined
      ? []
      : refused(
          why,
          `-${letter}`,
          run(`-${letter}`, value),
          run(`-${letter}${value}`),
          run(`-${letter}=${value}`),
          run(`-i${letter}`, value),
        )),
  ];
}

const UNSEEN = 'no container may see';

export const REFUSED_ARGUMENTS: readonly RefusedArguments[] = [
  // Before `run`, and in its place.
  ...refused(
    'another daemon',
    "stands before 'run'",
    ['-H', 'tcp://10.0.0.1:2375', ...run()],
    ['--host=tcp://10.0.0.1:2375', ...run()],
  ),
  ...refused('another context', "stands before 'run'", ['--context', 'other', ...run()], ['-c', 'other', ...run()]),
  ...refused('a directory with credential helpers', "stands before 'run'", ['--config', '/tmp/evil', ...run()]),
  ...refused(
    'another trust',
    "stands before 'run'",
    ['--tlsverify=false', ...run()],
    ['--tlscacert', '/tmp/ca', ...run()],
    ['--debug', ...run()],
  ),
  ...refused(
    'not run at all',
    "must start with 'run'",
    [],
    ['exec', 'x', 'sh'],
    ['compose', 'up'],
    ['container', ...run()],
    ['build', '.'],
    ['Run', '-i'],
    ['RUN', '--rm', '-i', IMAGE],
    ['run ', '--rm'],
    [' run', '--rm'],
    [IMAGE],
  ),
  ...refused(
    'run twice',
    "second 'run'",
    ['run', '--rm', '-i', 'run', IMAGE],
    ['run', '--rm', '-i', 'RUN', IMAGE],
    ['run', '--rm', '-i', ' run', IMAGE],
  ),
  ...refused(
    'no image',
    'no image',
    ['run', '--rm', '-i'],
    ['run', '--rm', '-i', '-e', 'A=b'],
    ['run', '--rm', '-i', '--network', 'none'],
  ),
  ...refused(
    'not an image',
    'is not an image reference',
    ['run', '--rm', '-i', 'UPPER'],
    ['run', '--rm', '-i', 'a b'],
    ['run', '--rm', '-i', ''],
    ['run', '--rm', '-i', 'img@sha256:abc'],
    ['run', '--rm', '-i', 'img:'],
    ['run', '--rm', '-i', '/bin/sh'],
    ['run', '--rm', '-i', '-'],
    ['run', '--rm', '-i', 'http://host/img'],
    ['run', '--rm', '-i', 'img\u200b'],
  ),
  ...refused('kept after its end', '--rm is missing', ['run', '-i', IMAGE]),
  ...refused(
    'kept after its end',
    '--rm',
    ['run', '--rm=false', '-i', IMAGE],
    ['run', '--rm=0', '-i', IMAGE],
    ['run', '--rm=', '-i', IMAGE],
    ['run', '--rm', '--rm=false', '-i', IMAGE],
  ),
  ...refused('deaf', '-i is missing', ['run', '--rm', IMAGE], ['run', '--rm', IMAGE, '-i']),
  ...refused('deaf', '-i', ['run', '--rm', '-i=false', IMAGE]),
  ...refused('deaf', '--interactive', ['run', '--rm', '--interactive=false', IMAGE]),

  // Tricks on the parser.
  ...refused('the end of options', "'--'", ['run', '--rm', '-i', '--', IMAGE], ['run', '--', '--rm', '-i', IMAGE]),
  ...refused(
    'a hyphen of another alphabet',
    'only looks like a hyphen',
    ['run', '--rm', '-i', '\u2013v', '/:/x', IMAGE],
    ['run', '--rm', '-i', '\u2014privileged', IMAGE],
    ['run', '--rm', '-i', '\u2212v', '/:/x', IMAGE],
    ['run', '--rm', '-i', '\uff0dv', '/:/x', IMAGE],
    ['run', '--rm', '-i', '\u2010-privileged', IMAGE],
  ),
  ...refused(
    'a control character',
    'control character',
    run('--network\n', 'none'),
    run('-e\tA'),
    ['run', '--rm', '-i', `${IMAGE}\n--privileged`],
    ['run', '--rm', '-i', 'img\r'],
    run('--user', '1000\n0'),
  ),
  ...refused('a NUL', 'NUL', run('-e', 'A=b\u0000c'), [...run(), 'a\u0000b']),
  ...refused(
    'an unknown option',
    'not on the list',
    run('--unknown'),
    run('--unknown=value'),
    run('--priv'),
    run('--volum', '/:/x'),
    run('---privileged'),
    run('-x'),
    run('-ix'),
    run('-V'),
    run('-E', 'A=b'),
    run('--Privileged'),
    run('--PRIVILEGED'),
    run('--no-such', 'value'),
    run('--=x'),
  ),
  ...refused(
    'a value that is missing',
    'needs a value',
    ['run', '--rm', '-i', '-e'],
    run('--network='),
    run('-e='),
    run('--user', ''),
  ),
  ...refused(
    'an option given twice',
    'given twice',
    run('--network', 'none', '--network=none'),
    run('-u', '1000', '--user', '1001'),
    run('-m', '64m', '--memory=1g'),
    run('-w/a', '-w/b'),
    run('--cpus', '1', '--cpus', '2'),
    run('--pids-limit', '9', '--pids-limit', '10'),
  ),
  ...refused('options hidden in a group', '-t', run('-it'), run('-ti'), run('-itv', '/:/x')),
  ...refused('options hidden in a group', UNSEEN, run('-iv', '/:/x'), run('-iv/:/x'), run('-iv=/:/x')),

  // Terminals, life, names.
  ...refusedOption('a terminal corrupts framing', 'tty', undefined, 't'),
  ...refusedOption('started in the background', 'detach', undefined, 'd'),
  ...refusedOption('started again behind our back', 'restart', 'always'),
  ...refusedOption('a name of its own', 'name', 'fixed'),
  ...refusedOption('labels by which we find our own', 'label', 'gatehouse.owner=x', 'l'),
  ...refusedOption('another platform', 'platform', 'linux/arm64'),
  ...refusedOption('pulled', 'pull', 'always'),
  ...refusedOption('pulled', 'pull', 'missing'),
  ...refusedOption('another entry point, which has a field', 'entrypoint', 'sh'),
  ...refusedOption('a command of its own', 'health-cmd', 'curl attacker'),
  ...refusedOption('signals', 'stop-signal', 'KILL'),
  ...refusedOption('deadlines', 'stop-timeout', '9999'),
  ...refusedOption('attached elsewhere', 'attach', 'stdout', 'a'),
  ...refusedOption('podman: takes the place of another', 'replace'),
  ...refusedOption('help', 'help'),

  // The host.
  ...refusedOption('all privileges', 'privileged'),
  ...refusedOption('a device', 'device', '/dev/sda'),
  ...refusedOption('devices', 'device-cgroup-rule', 'c *:* rwm'),
  ...refusedOption('devices', 'gpus', 'all'),
  ...refusedOption('mounts of others', 'volumes-from', 'other'),
  ...refusedOption('a driver that mounts anything', 'volume-driver', 'local'),
  ...refusedOption('the engine itself', 'use-api-socket'),
  ...refusedOption('a file of the host is read', 'env-file', '/etc/passwd'),
  ...refusedOption('a file of the host is read', 'label-file', '/etc/passwd'),
  ...refusedOption('a file of the host is written', 'cidfile', '/etc/cron.d/x'),
  ...refusedOption('podman: a file of the host is written', 'pidfile', '/etc/cron.d/x'),
  ...refusedOption('podman: the root file system is a host directory', 'rootfs'),
  ...refusedOption('podman: the whole environment', 'env-host'),
  ...refusedOption('podman: hooks run on the host', 'hooks-dir', '/tmp/hooks'),
  ...refused(
    'a mount of the host',
    UNSEEN,
    run('-v', '/:/x'),
    run('-v=/:/x'),
    run('-v/:/x'),
    run('--volume', '/:/x'),
    run('--volume=/:/x:ro'),
    run('-v', '/proc:/x'),
    run('-v', '/sys:/x:ro'),
    run('-v', '/dev:/x'),
    run('-v', '/etc:/x'),
    run('-v', '/run:/x'),
    run('-v', '/var:/x'),
    run('-v', '/home:/x'),
    run('-v', '/root:/x'),
    run('-v', '/run/docker.sock:/x'),
    run('-v', '/var/run/docker.sock:/var/run/docker.sock'),
    run('-v', '/run/containerd/containerd.sock:/x'),
    run('-v', '/srv/../etc:/x'),
    run('-v', '//:/x'),
    run('-v', '/./:/x'),
  ),
  ...refused(
    'a mount outside the roots',
    'outside the allowed mount roots',
    run('-v', '/etc/ssh:/x:ro'),
    run('-v', '/opt/data:/x'),
    run('-v', '/srv/gatehouse/rw/../../other:/x'),
  ),
  ...refused(
    'a mount that may not be written',
    'read-write access',
    run('-v', '/srv/gatehouse/ro/a:/a'),
    run('-v', '/srv/gatehouse/ro/a:/a:rw'),
    run('--mount', 'type=bind,source=/srv/gatehouse/ro/a,target=/a'),
  ),
  ...refused(
    'a mount that is none',
    'mount',
    run('-v', 'name:/x'),
    run('-v', './a:/x'),
    run('-v', '~/a:/x'),
    run('-v', '/x'),
    run('-v', '/a:b'),
    run('-v', '/srv/gatehouse/rw/a:/:rw'),
    run('-v', '/srv/gatehouse/rw/a:/x:z'),
    run('-v', '/srv/gatehouse/rw/a:/x:ro,shared'),
    run('-v', '/srv/gatehouse/rw/a:/x:rshared'),
    run('-v', '/srv/gatehouse/rw/a:/x:ro:Z'),
  ),
  ...refused(
    'a mount by other means',
    'mount',
    run('--mount', 'type=volume,source=x,target=/x'),
    run('--mount', 'type=volume,target=/x,volume-opt=type=none,volume-opt=o=bind,volume-opt=device=/'),
    run('--mount', 'type=tmpfs,target=/x'),
    run('--mount', 'type=bind,source=/srv/gatehouse/rw/a,target=/x,bind-propagation=shared'),
    run('--mount', 'source=/srv/gatehouse/rw/a,target=/x'),
    run('--mount', 'type=image,source=x,target=/x'),
    run('--mount', 'type=bind,source=/srv/gatehouse/rw/a'),
    run('--mount', 'type=bind,target=/x'),
    run('--mount', 'type=bind,src=/srv/gatehouse/rw/a,source=/,target=/x'),
    run('--mount', '"type=bind,source=/,target=/x"'),
    run('--mount', 'type=bind,source=/srv/gatehouse/rw/a,target=/x,readonly=maybe'),
    run('--mount=type=npipe,source=x,target=/x'),
  ),
  ...refused(
    'a mount by other means',
    UNSEEN,
    run('--mount', 'type=bind,source=/,target=/x,readonly'),
    run('--mount=type=bind,src=/etc,dst=/x'),
  ),

  // What separates containers.
  ...refusedOption("the host's processes", 'pid', 'host'),
  ...refusedOption("the host's memory", 'ipc', 'host'),
  ...refusedOption("the host's name", 'uts', 'host'),
  ...refusedOption("the host's users", 'userns', 'host'),
  ...refusedOption("the host's control groups", 'cgroupns', 'host'),
  ...refusedOption('another control group', 'cgroup-parent', '/x'),
  ...refusedOption("the host's network", 'network', 'host'),
  ...refusedOption("another container's network", 'network', 'container:other'),
  ...refusedOption('the shared network', 'network', 'bridge'),
  ...refusedOption('a network with options', 'network', 'name=none,alias=x'),
  ...refusedOption('an alias that help does not show', 'net', 'host'),
  ...refusedOption('an alias that help does not show', 'net-alias', 'x'),
  ...refusedOption('an alias that help does not show', 'dns-opt', 'x'),
  ...refusedOption('names on a network', 'network-alias', 'x'),
  ...refusedOption('its own resolver', 'dns', '10.0.0.1'),
  ...refusedOption('names of the host', 'add-host', 'x:host-gateway'),
  ...refusedOption('links', 'link', 'other'),
  ...refusedOption('open ports', 'publish', '8080:80', 'p'),
  ...refusedOption('open ports', 'publish-all', undefined, 'P'),
  ...refusedOption('a fixed address', 'ip', '172.17.0.9'),
  ...refusedOption('another name', 'hostname', 'x', 'h'),

  // Privileges and limits.
  ...refusedOption('a capability', 'cap-add', 'SYS_ADMIN'),
  ...refusedOption('a capability', 'cap-add', 'ALL'),
  ...refusedOption('no filter of system calls', 'security-opt', 'seccomp=unconfined'),
  ...refusedOption('no filter of system calls, with a colon', 'security-opt', 'seccomp:unconfined'),
  ...refusedOption("a filter of one's own", 'security-opt', 'seccomp=/tmp/p.json'),
  ...refusedOption('no AppArmor', 'security-opt', 'apparmor=unconfined'),
  ...refusedOption('no labels', 'security-opt', 'label=disable'),
  ...refusedOption("the kernel's paths", 'security-opt', 'systempaths=unconfined'),
  ...refusedOption('new privileges', 'security-opt', 'no-new-privileges=false'),
  ...refusedOption('new privileges, with a colon', 'security-opt', 'no-new-privileges:false'),
  ...refusedOption('root', 'user', 'root', 'u'),
  ...refusedOption('root', 'user', '0', 'u'),
  ...refusedOption('root', 'user', '00:0', 'u'),
  ...refusedOption('not a user', 'user', '--privileged'),
  ...refusedOption('further groups', 'group-add', 'docker'),
  ...refusedOption('kernel settings', 'sysctl', 'net.ipv4.ip_forward=1'),
  ...refusedOption('another runtime', 'runtime', 'evil'),
  ...refusedOption('another isolation', 'isolation', 'process'),
  ...refusedOption('not killed', 'oom-kill-disable'),
  ...refusedOption('killed last', 'oom-score-adj', '-1000'),
  ...refusedOption('no limit of processes', 'pids-limit', '-1'),
  ...refusedOption('no limit of processes', 'pids-limit', '0'),
  ...refusedOption('no limit of processes', 'pids-limit', '1e9'),
  ...refusedOption('limits', 'ulimit', 'nofile=1000000'),
  ...refusedOption('swap', 'memory-swap', '-1'),
  ...refusedOption('not a size', 'memory', 'lots', 'm'),
  ...refusedOption('not a number', 'cpus', 'all'),
  ...refusedOption('no cores', 'cpus', '0'),
  ...refusedOption('shared memory', 'shm-size', '1g'),
  ...refusedOption('a writable file system', 'tmpfs', '/x'),
  ...refused('a writable root in the end', '--read-only', run('--read-only', '--read-only=false')),
  ...refused('no init', '--init', run('--init=false')),

  // Ways out.
  ...refusedOption('output sent away', 'log-driver', 'syslog'),
  ...refusedOption('output sent away', 'log-opt', 'syslog-address=tcp://attacker'),

  // Variables.
  ...refused('a pattern of podman', 'cannot be the name', run('-e', 'SECRET*'), run('-e', '*')),
  ...refused(
    'not a name',
    'cannot be the name',
    run('-e', '1A=b'),
    run('-e', 'A B=c'),
    run('-e', '--privileged'),
    run('-e', '=x'),
  ),
  ...refused(
    'a variable without a value',
    'has no value',
    run('-e', 'NOT_SET'),
    run('--env=NOT_SET'),
    run('-eNOT_SET'),
  ),
];

const MIB = 1024 * 1024;

export const ACCEPTED_ARGUMENTS: readonly AcceptedArguments[] = [
  { what: 'the least', args: ['run', '--rm', '-i', IMAGE], spec: {} },
  { what: 'in a group', args: ['run', '-i', '--rm', IMAGE], spec: {} },
  { what: 'in long words', args: ['run', '--rm=true', '--interactive', IMAGE], spec: {} },
  { what: 'true in another way', args: ['run', '--rm=1', '--interactive=T', '--init=True', IMAGE], spec: {} },
  { what: 'a tag', args: ['run', '--rm', '-i', 'mcp/time:1.2'], spec: { image: 'mcp/time:1.2' } },
  {
    what: 'a registry with a port',
    args: ['run', '--rm', '-i', 'localhost:5000/a/b:1'],
    spec: { image: 'localhost:5000/a/b:1' },
  },
  {
    what: 'a digest',
    args: ['run', '--rm', '-i', `mcp/time@sha256:${'ab'.repeat(32)}`],
    spec: { image: `mcp/time@sha256:${'ab'.repeat(32)}` },
  },
  {
    what: 'arguments after the image',
    args: [...run(), 'serve', '--port', '1'],
    spec: { args: ['serve', '--port', '1'] },
  },
  {
    what: 'words that would be options before the image',
    args: [...run(), '--privileged', '-v', '/:/x', '--', 'run', '-t', '\u2013x', 'two\nlines'],
    spec: { args: ['--privileged', '-v', '/:/x', '--', 'run', '-t', '\u2013x', 'two\nlines'] },
  },
  { what: 'a variable', args: run('-e', 'A=b'), spec: { env: { A: 'b' } } },
  { what: 'a variable, glued', args: run('-eA=b'), spec: { env: { A: 'b' } } },
  { what: 'a variable, with equals', args: run('-e=A=b'), spec: { env: { A: 'b' } } },
  { what: 'a variable, in a group', args: ['run', '--rm', '-ie', 'A=b', IMAGE], spec: { env: { A: 'b' } } },
  { what: 'a variable, in a group and glued', args: ['run', '--rm', '-ieA=b', IMAGE], spec: { env: { A: 'b' } } },
  { what: 'a variable, in long words', args: run('--env', 'A=b', '--env=C=d=e'), spec: { env: { A: 'b', C: 'd=e' } } },
  { what: 'an empty variable', args: run('-e', 'A='), spec: { env: { A: '' } } },
  { what: 'a variable with line ends', args: run('-e', 'A=b\nc'), spec: { env: { A: 'b\nc' } } },
  { what: 'the same variable twice', args: run('-e', 'A=b', '-e', 'A=b'), spec: { env: { A: 'b' } } },
  { what: 'a variable of the gateway', args: run('-e', 'FROM_GATEWAY'), spec: { env: { FROM_GATEWAY: 'g' } } },
  {
    what: 'a variable that the engine reads',
    args: run('-e', 'HTTPS_PROXY=http://proxy:3128'),
    spec: { env: { HTTPS_PROXY: 'http://proxy:3128' } },
  },
  { what: 'no network', args: run('--network', 'none'), spec: { network: 'none' } },
  { what: 'no network, with equals', args: run('--network=none'), spec: { network: 'none' } },
  { what: 'a user', args: run('-u', '1000:1000'), spec: { user: '1000:1000' } },
  { what: 'a user, glued', args: run('-unode'), spec: { user: 'node' } },
  { what: 'a directory', args: run('-w', '/app'), spec: { workdir: '/app' } },
  { what: 'a directory, with equals', args: run('--workdir=/app'), spec: { workdir: '/app' } },
  { what: 'read-only', args: run('--read-only'), spec: { readOnly: true } },
  {
    what: 'memory',
    args: run('-m', '64m'),
    spec: { resources: { memory: 64 * MIB, cpus: 1, pids: 256, openFiles: 4096 } },
  },
  {
    what: 'memory, glued',
    args: run('-m1g'),
    spec: { resources: { memory: 1024 * MIB, cpus: 1, pids: 256, openFiles: 4096 } },
  },
  {
    what: 'cores',
    args: run('--cpus=0.5'),
    spec: { resources: { memory: 512 * MIB, cpus: 0.5, pids: 256, openFiles: 4096 } },
  },
  {
    what: 'processes',
    args: run('--pids-limit', '64'),
    spec: { resources: { memory: 512 * MIB, cpus: 1, pids: 64, openFiles: 4096 } },
  },
  {
    what: 'what every container has anyway',
    args: run(
      '--init',
      '--cap-drop',
      'ALL',
      '--cap-drop=NET_RAW',
      '--security-opt',
      'no-new-privileges',
      '--security-opt=no-new-privileges:true',
      '--pull=never',
      '--log-driver',
      'none',
    ),
    spec: {},
  },
  {
    what: 'a mount',
    args: run('-v', '/srv/gatehouse/ro/a:/a:ro'),
    spec: { mounts: [{ source: '/srv/gatehouse/ro/a', target: '/a', mode: 'ro' }] },
  },
  {
    what: 'a mount without a mode',
    args: run('--volume=/srv/gatehouse/rw/a:/a'),
    spec: { mounts: [{ source: '/srv/gatehouse/rw/a', target: '/a', mode: 'rw' }] },
  },
  {
    what: 'mounts in long words',
    args: run(
      '--mount',
      'type=bind,source=/srv/gatehouse/ro/a,target=/a,readonly',
      '--mount=type=bind,src=/srv/gatehouse/rw/b,dst=/b,ro=false',
    ),
    spec: {
      mounts: [
        { source: '/srv/gatehouse/ro/a', target: '/a', mode: 'ro' },
        { source: '/srv/gatehouse/rw/b', target: '/b', mode: 'rw' },
      ],
    },
  },
];
