/**
 * The options of `docker run` and `podman run`: the few that mean something in a container specification, and why
 * each of the others is refused. An option that is in neither list is refused as unknown.
 */
import type { Mount } from './config.ts';
import { parseByteSize } from './values/byte-size.ts';
import { envNameFault } from './values/env-name.ts';
import { parseBindMount, parseMount } from './values/mount.ts';

/** A value and the argument that it came from. */
export interface Given<T> {
  readonly value: T;
  readonly index: number;
}

/** What accepted options said. */
export interface ContainerOptions {
  /** `value` is undefined for `-e NAME`. */
  readonly env: Given<{ readonly name: string; readonly value: string | undefined }>[];
  readonly mounts: Given<Mount>[];
  /** Capabilities named by `--cap-drop`. */
  readonly dropped: Given<string>[];
  network?: Given<'none'>;
  user?: Given<string>;
  workdir?: Given<string>;
  readOnly?: Given<true>;
  memory?: Given<number>;
  cpus?: Given<number>;
  pids?: Given<number>;
}

export interface OptionFault {
  readonly message: string;
  readonly suggestion: string;
}

export interface AcceptedOption {
  readonly takesValue: boolean;
  /** May stand more than once. */
  readonly repeats?: boolean;
  /** `shown` is how the value may be quoted. Returns what is wrong. */
  apply(value: string, into: ContainerOptions, index: number, shown: string): OptionFault | undefined;
}

export interface RefusedOption {
  readonly takesValue: boolean;
  readonly reason: string;
  readonly instead: string;
}

/** The field that says the same in words of its own. */
const field = (name: string): string => `Use the server's field '${name}' instead.`;
const REMOVE = 'Remove it.';

/** A switch that only repeats what every container gets. */
function always(what: string): AcceptedOption {
  return {
    takesValue: false,
    apply: (value) => (isTrue(value) ? undefined : { message: `cannot be switched off: ${what}`, suggestion: REMOVE }),
  };
}

/** A value option that may only say what every container gets. */
function only(values: readonly string[], what: string): AcceptedOption {
  return {
    takesValue: true,
    repeats: true,
    apply: (value, _into, _index, shown) =>
      values.includes(value)
        ? undefined
        : { message: `may only be '${values.join("' or '")}' here, got ${shown}: ${what}`, suggestion: REMOVE },
  };
}

export const ACCEPTED: ReadonlyMap<string, AcceptedOption> = new Map<string, AcceptedOption>([
  ['rm', always('containers are always removed when they end')],
  ['interactive', always('the gateway talks to the server over standard input')],
  ['init', always('every container has an init process')],
  [
    'read-only',
    {
      takesValue: false,
      apply(value, into, index) {
        if (!isTrue(value))
          return {
            message: 'cannot be switched off among the arguments',
            suggestion: 'Remove it; a writable root file system is the default.',
          };
        into.readOnly = { value: true, index };
        return undefined;
      },
    },
  ],
  [
    'env',
    {
      takesValue: true,
      repeats: true,
      apply(value, into, index, shown) {
        const equals = value.indexOf('=');
        const name = equals === -1 ? value : value.slice(0, equals);
        // The whole argument is quoted only where it came from the environment and appears as its expression.
        const fault = envNameFault(name, shown.startsWith("'") ? undefined : shown);
        if (fault !== undefined) return fault;
        into.env.push({ value: { name, value: equals === -1 ? undefined : value.slice(equals + 1) }, index });
        return undefined;
      },
    },
  ],
  [
    'volume',
    {
      takesValue: true,
      repeats: true,
      apply(value, into, index, shown) {
        const parsed = parseMount(value, shown, true);
        if (!parsed.ok) return parsed;
        into.mounts.push({ value: parsed.mount, index });
        return undefined;
      },
    },
  ],
  [
    'mount',
    {
      takesValue: true,
      repeats: true,
      apply(value, into, index, shown) {
        const parsed = parseBindMount(value, shown);
        if (!parsed.ok) return parsed;
        into.mounts.push({ value: parsed.mount, index });
        return undefined;
      },
    },
  ],
  [
    'network',
    {
      takesValue: true,
      apply(value, into, index, shown) {
        if (value !== 'none') {
          return {
            message: `may only be 'none', got ${shown}: another network would put the container beside the host or beside other containers`,
            suggestion: 'Leave it out for a network of its own with a way out, or write "--network none".',
          };
        }
        into.network = { value, index };
        return undefined;
      },
    },
  ],
  [
    'user',
    {
      takesValue: true,
      apply(value, into, index, shown) {
        if (/^(?:root|0+)(?::|$)/.test(value))
          return {
            message: `root cannot be asked for among the arguments, got ${shown}`,
            suggestion: `${field('user')} There it is plain to see.`,
          };
        if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?$/.test(value))
          return {
            message: `must be a user such as "1000", "1000:1000" or "node", got ${shown}`,
            suggestion: 'Correct the value.',
          };
        into.user = { value, index };
        return undefined;
      },
    },
  ],
  [
    'workdir',
    {
      takesValue: true,
      apply(value, into, index, shown) {
        if (!value.startsWith('/'))
          return {
            message: `must be an absolute path inside the container, got ${shown}`,
            suggestion: 'Start it with "/".',
          };
        into.workdir = { value, index };
        return undefined;
      },
    },
  ],
  [
    'memory',
    {
      takesValue: true,
      apply(value, into, index, shown) {
        const bytes = parseByteSize(value);
        if (bytes === undefined)
          return {
            message: `must be a size such as "256m", got ${shown}`,
            suggestion: 'Write a number with b, k, m or g.',
          };
        into.memory = { value: bytes, index };
        return undefined;
      },
    },
  ],
  [
    'cpus',
    {
      takesValue: true,
      apply(value, into, index, shown) {
        const cores = /^\d+(?:\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
        if (!(cores >= 0.01 && cores <= 1024))
          return {
            message: `must be a number between 0.01 and 1024, got ${shown}`,
            suggestion: 'Write for example "--cpus 0.5".',
          };
        into.cpus = { value: cores, index };
        return undefined;
      },
    },
  ],
  [
    'pids-limit',
    {
      takesValue: true,
      apply(value, into, index, shown) {
        const limit = /^\d{1,7}$/.test(value) ? Number(value) : 0;
        if (limit < 1 || limit > 1_000_000)
          return {
            message: `must be a positive integer (>= 1), got ${shown}: a container without a limit can fill the host's process table`,
            suggestion: 'Write for example "--pids-limit 256".',
          };
        into.pids = { value: limit, index };
        return undefined;
      },
    },
  ],
  [
    'cap-drop',
    {
      takesValue: true,
      repeats: true,
      apply(value, into, index, shown) {
        const name = value.toUpperCase().replace(/^CAP_/, '');
        if (!/^[A-Z_]+$/.test(name))
          return {
            message: `must name a capability, got ${shown}`,
            suggestion: 'Remove it: every capability is dropped anyway.',
          };
        into.dropped.push({ value: name, index });
        return undefined;
      },
    },
  ],
  [
    'security-opt',
    only(
      ['no-new-privileges', 'no-new-privileges:true', 'no-new-privileges=true'],
      'the other ones weaken the walls of the container',
    ),
  ],
  ['pull', only(['never'], 'images are never pulled implicitly; pull them before the start')],
  ['log-driver', only(['none'], 'any other driver sends what the server writes to another place')],
]);

const HOST = 'it opens the host to the container';
const HOST_FILE = 'it reads or writes a file of the host';
const NAMESPACE = 'it lets the container share what separates it from the host or from others';
const PRIVILEGE = 'it gives the container privileges that it is not meant to have';
const KERNEL = 'it changes limits or settings that the gateway keeps';
const NETWORK = "it changes the container's network, which is its own";
const LEAK = 'it sends what the server writes to another place';
const LIFECYCLE = 'the gateway itself starts, names, watches and ends its containers';
const IMAGE = 'the image is fixed by its name and nothing else';

const refused = new Map<string, RefusedOption>();
function refuse(takesValue: boolean, reason: string, names: string, instead = REMOVE): void {
  for (const name of names.split(' ')) refused.set(name, { takesValue, reason, instead });
}

refuse(false, HOST, 'privileged use-api-socket rootfs env-host http-proxy');
refuse(
  true,
  HOST,
  'device device-cgroup-rule gpus volume-driver hooks-dir init-path chrootdirs secret preserve-fd preserve-fds',
  "Remove it; directories of the host are given with the field 'mounts'.",
);
refuse(true, HOST, 'volumes-from', "Remove it; give the directories with the field 'mounts'.");
refuse(true, HOST_FILE, 'cidfile label-file pidfile conmon-pidfile pod-id-file authfile decryption-key');
refuse(true, HOST_FILE, 'env-file', field('env'));
refuse(
  true,
  NAMESPACE,
  'pid ipc uts userns cgroupns cgroup-parent cgroups cgroup-conf pod gidmap uidmap subuidname subgidname hostuser requires image-volume',
);
refuse(true, PRIVILEGE, 'cap-add', field('capabilities'));
refuse(true, PRIVILEGE, 'group-add group-entry passwd-entry seccomp-policy personality systemd sdnotify annotation');
refuse(false, PRIVILEGE, 'passwd');
refuse(true, PRIVILEGE, 'runtime isolation module');
refuse(
  true,
  KERNEL,
  'sysctl oom-score-adj shm-size shm-size-systemd storage-opt blkio-weight blkio-weight-device device-read-bps device-read-iops device-write-bps device-write-iops cpu-count cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpuset-cpus cpuset-mems io-maxbandwidth io-maxiops kernel-memory memory-reservation memory-swap memory-swappiness umask',
);
refuse(true, KERNEL, 'ulimit', field('resources.openFiles'));
refuse(false, KERNEL, 'oom-kill-disable read-only-tmpfs');
refuse(true, KERNEL, 'tmpfs', 'Remove it; with a read-only root file system /tmp is a tmpfs.');
refuse(true, NETWORK, 'net', 'Write "--network none", or leave it out.');
refuse(
  true,
  NETWORK,
  'network-alias net-alias add-host dns dns-opt dns-option dns-search domainname hostname ip ip6 link link-local-ip mac-address expose publish',
);
refuse(false, NETWORK, 'publish-all no-hosts no-hostname');
refuse(true, LEAK, 'log-opt');
refuse(false, LIFECYCLE, 'detach replace rmi no-healthcheck sig-proxy quiet help');
refuse(
  true,
  LIFECYCLE,
  'restart name label stop-signal stop-timeout timeout health-cmd health-interval health-retries health-start-interval health-start-period health-timeout health-on-failure health-startup-cmd health-startup-interval health-startup-retries health-startup-success health-startup-timeout detach-keys attach',
);
refuse(true, IMAGE, 'platform arch os variant creds retry retry-delay');
refuse(false, IMAGE, 'disable-content-trust tls-verify');
refuse(true, 'what the container runs is said by a field of its own', 'entrypoint', field('entrypoint'));
refuse(true, KERNEL, 'env-merge unsetenv tz', field('env'));
refuse(false, KERNEL, 'unsetenv-all', field('env'));
refuse(
  false,
  'a pseudo-terminal corrupts the framing of messages',
  'tty',
  'Remove it and keep "-i" alone: "-it" becomes "-i".',
);

export const REFUSED: ReadonlyMap<string, RefusedOption> = refused;

/** Short options and the long ones that they stand for. */
export const SHORT: ReadonlyMap<string, string> = new Map([
  ['a', 'attach'],
  ['c', 'cpu-shares'],
  ['d', 'detach'],
  ['e', 'env'],
  ['h', 'hostname'],
  ['i', 'interactive'],
  ['l', 'label'],
  ['m', 'memory'],
  ['p', 'publish'],
  ['P', 'publish-all'],
  ['q', 'quiet'],
  ['t', 'tty'],
  ['u', 'user'],
  ['v', 'volume'],
  ['w', 'workdir'],
]);

/** What the engines read as true. */
function isTrue(value: string): boolean {
  return ['1', 't', 'T', 'TRUE', 'true', 'True'].includes(value);
}
