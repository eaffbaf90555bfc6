/** Who owns a container: one run of one gateway process, recognisable after its death. */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface GatewayInstance {
  /** Unique; part of the names of its containers and networks. */
  readonly id: string;
  /** The process, so that it can be told from all others: machine, boot, process namespace, process id, start time. */
  readonly process: string;
}

/**
 * `rebooted`: the owner was of an earlier boot of this machine, or of a clone of it that shares the engine.
 * `unknown`: it ran where we cannot look (another machine, another process namespace).
 */
export type OwnerState = 'alive' | 'dead' | 'rebooted' | 'unknown';

export const LABELS = {
  /** On everything that we create; the value is the version of these labels. */
  marker: 'gatehouse.labels',
  instance: 'gatehouse.instance',
  /** Process id of the gateway, for people: `docker ps --filter label=gatehouse.owner=4711`. */
  owner: 'gatehouse.owner',
  process: 'gatehouse.process',
  server: 'gatehouse.server',
} as const;
const LABELS_VERSION = '1';

/** What every container and network of ours is found by. */
export const MARKER = `${LABELS.marker}=${LABELS_VERSION}`;

/** A new identity for this process. */
export function newInstance(): GatewayInstance {
  const { machine, boot, namespace } = here();
  return {
    id: randomBytes(6).toString('hex'),
    process: [machine, boot, namespace, process.pid, startTime(process.pid) ?? '0'].join('/'),
  };
}

export function labelsFor(instance: GatewayInstance, server: string): Readonly<Record<string, string>> {
  return {
    [LABELS.marker]: LABELS_VERSION,
    [LABELS.instance]: instance.id,
    [LABELS.owner]: String(process.pid),
    [LABELS.process]: instance.process,
    [LABELS.server]: server,
  };
}

/**
 * Whether the process that a label names still lives. A process id alone says nothing: it may have been given to
 * another process since, and in another namespace it means another process. When in doubt the answer is `unknown`,
 * because a container of a living gateway must never be taken away.
 */
export function ownerState(label: string): OwnerState {
  const [machine, boot, namespace, pid, started, ...more] = label.split('/');
  const place = here();
  if (started === undefined || more.length > 0 || !/^[1-9]\d*$/.test(pid ?? '')) return 'unknown';
  if (machine !== place.machine) return 'unknown';
  if (boot !== place.boot) return 'rebooted';
  if (namespace !== place.namespace) return 'unknown';
  const present = startTime(Number(pid));
  if (present === undefined) return 'dead';
  return present === started ? 'alive' : 'dead';
}

interface Place {
  readonly machine: string;
  readonly boot: string;
  readonly namespace: string;
}

function here(): Place {
  const machineId = read('/etc/machine-id') ?? '';
  return {
    machine: createHash('sha256').update(`${machineId}\0${hostname()}`).digest('hex').slice(0, 16),
    boot: read('/proc/sys/kernel/random/boot_id') ?? '0',
    namespace: /\d+/.exec(link('/proc/self/ns/pid') ?? '')?.[0] ?? '0',
  };
}

/** Start time of a process in clock ticks since boot; `0` where the system does not tell; undefined when there is none. */
function startTime(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return process.platform !== 'linux' && isRunning(pid) ? '0' : undefined;
  // The command's name, in parentheses, may hold anything: count from its end (proc_pid_stat(5): field 3 is the state).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function link(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
