/** Every accepted option in every spelling that the engines know, and what each becomes. */
import type { ContainerSpec } from '../../src/config/config.ts';
import { type AcceptedArguments, IMAGE } from './container-arguments.corpus.ts';

const MIB = 1024 * 1024;
const USUAL = { memory: 512 * MIB, cpus: 1, pids: 256, openFiles: 4096 };
const TRUE = ['1', 't', 'T', 'true', 'TRUE', 'True'];

/** The command line around options, which may stand on either side of `--rm` and `-i`. */
const after = (...options: readonly string[]): readonly string[] => ['run', '--rm', '-i', ...options, IMAGE];
const before = (...options: readonly string[]): readonly string[] => ['run', ...options, '--rm', '-i', IMAGE];
const grouped = (letters: string, ...rest: readonly string[]): readonly string[] => [
  'run',
  '--rm',
  `-i${letters}`,
  ...rest,
  IMAGE,
];

/** An option with a value: two words or one, long or short, alone or behind other letters. */
function valued(name: string, value: string, spec: Partial<ContainerSpec>, letter?: string): AcceptedArguments[] {
  const lists = [
    after(`--${name}`, value),
    after(`--${name}=${value}`),
    before(`--${name}`, value),
    ...(letter === undefined
      ? []
      : [
          after(`-${letter}`, value),
          after(`-${letter}${value}`),
          after(`-${letter}=${value}`),
          grouped(letter, value),
          grouped(`${letter}${value}`),
          grouped(`${letter}=${value}`),
        ]),
  ];
  return lists.map((args) => ({ what: args.slice(1, -1).join(' '), args, spec }));
}

/** A switch: bare, and with each word that the engines read as true. */
function switched(name: string, spec: Partial<ContainerSpec>, letter?: string): AcceptedArguments[] {
  const words = [`--${name}`, ...TRUE.map((word) => `--${name}=${word}`)];
  const lists = [...words, ...(letter === undefined ? [] : TRUE.map((word) => `-${letter}=${word}`))];
  return lists.map((word) => ({ what: word, args: after(word), spec }));
}

const resources = (own: Partial<ContainerSpec['resources']>): Partial<ContainerSpec> => ({
  resources: { ...USUAL, ...own },
});
const mounted = (source: string, target: string, mode: 'ro' | 'rw'): Partial<ContainerSpec> => ({
  mounts: [{ source: `/srv/gatehouse/${source}`, target, mode }],
});

export const ACCEPTED_SPELLINGS: readonly AcceptedArguments[] = [
  ...switched('rm', {}),
  ...switched('interactive', {}, 'i'),
  ...switched('init', {}),
  ...switched('read-only', { readOnly: true }),

  ...valued('env', 'A=b', { env: { A: 'b' } }, 'e'),
  ...valued('env', 'A_1.b-c==x,y z', { env: { 'A_1.b-c': '=x,y z' } }, 'e'),
  ...valued('env', 'FROM_GATEWAY', { env: { FROM_GATEWAY: 'g' } }, 'e'),
  ...valued('volume', '/srv/gatehouse/ro/a:/a:ro', mounted('ro/a', '/a', 'ro'), 'v'),
  ...valued('volume', '/srv/gatehouse/rw/a:/a:rw', mounted('rw/a', '/a', 'rw'), 'v'),
  ...valued('volume', '/srv/gatehouse/rw//b/../a/:/x/./y/', mounted('rw/a', '/x/y', 'rw'), 'v'),
  ...valued('mount', 'type=bind,source=/srv/gatehouse/ro/a,target=/a,readonly', mounted('ro/a', '/a', 'ro')),
  ...valued('mount', 'type=bind,src=/srv/gatehouse/ro/a,dst=/a,ro', mounted('ro/a', '/a', 'ro')),
  ...valued('mount', 'ro=1,destination=/a,src=/srv/gatehouse/ro/a,type=bind', mounted('ro/a', '/a', 'ro')),
  ...valued('mount', 'type=bind,src=/srv/gatehouse/rw/b,dst=/b,readonly=false', mounted('rw/b', '/b', 'rw')),
  ...valued('network', 'none', { network: 'none' }),
  ...valued('user', '1000', { user: '1000' }, 'u'),
  ...valued('user', '1000:1001', { user: '1000:1001' }, 'u'),
  ...valued('workdir', '/tmp', { workdir: '/tmp' }, 'w'),
  ...valued('memory', '64m', resources({ memory: 64 * MIB }), 'm'),
  ...valued('memory', '0.5G', resources({ memory: 512 * MIB }), 'm'),
  ...valued('memory', '65536K', resources({ memory: 64 * MIB }), 'm'),
  ...valued('memory', '67108864b', resources({ memory: 64 * MIB }), 'm'),
  ...valued('cpus', '0.5', resources({ cpus: 0.5 })),
  ...valued('cpus', '1', {}),
  ...valued('pids-limit', '64', resources({ pids: 64 })),

  ...valued('cap-drop', 'ALL', {}),
  ...valued('cap-drop', 'all', {}),
  ...valued('cap-drop', 'CAP_NET_RAW', {}),
  ...valued('security-opt', 'no-new-privileges', {}),
  ...valued('security-opt', 'no-new-privileges:true', {}),
  ...valued('security-opt', 'no-new-privileges=true', {}),
  ...valued('pull', 'never', {}),
  ...valued('log-driver', 'none', {}),

  {
    what: 'all of them at once',
    args: after(
      ...['--init', '--read-only', '-eA=b', '--env', 'C=d', '-v', '/srv/gatehouse/ro/a:/a:ro', '--network=none'],
      ...['--mount', 'type=bind,src=/srv/gatehouse/rw/b,dst=/b', '-u1000:1000', '-w', '/tmp', '-m=128m'],
      ...['--cpus', '0.25', '--pids-limit=32', '--cap-drop=ALL', '--security-opt=no-new-privileges', '--pull=never'],
    ),
    spec: {
      readOnly: true,
      env: { A: 'b', C: 'd' },
      mounts: [
        { source: '/srv/gatehouse/ro/a', target: '/a', mode: 'ro' },
        { source: '/srv/gatehouse/rw/b', target: '/b', mode: 'rw' },
      ],
      network: 'none',
      user: '1000:1000',
      workdir: '/tmp',
      resources: { memory: 128 * MIB, cpus: 0.25, pids: 32, openFiles: 4096 },
    },
  },
];
