/** What a container of which nothing was said looks like to the server in it, as it tells itself. */
import { newHost, shellServer, Wire } from '../../src/upstream/container/test/containers.ts';
import { DEFAULT_CPUS, DEFAULT_MEMORY_BYTES, DEFAULT_OPEN_FILES, DEFAULT_PIDS } from '../../src/config/defaults.ts';

/** Runs each line that it is sent as a shell command and answers with the output as one line. */
const SHELL = 'while IFS= read -r line; do sh -c "$line" 2>&1 | tr "\\n\\t" "; "; echo; done';

const CGROUP = '/sys/fs/cgroup';

/** Subject, and the command that reads it from the inside. */
const QUESTIONS: readonly (readonly [string, string])[] = [
  ['user', 'id -u'],
  [
    'capabilities: effective, permitted, bounding, ambient',
    "grep -E '^Cap(Eff|Prm|Bnd|Amb)' /proc/self/status | tr -s '\\t ' ' ' | cut -d' ' -f2 | sort -u",
  ],
  ['no new privileges', 'grep NoNewPrivs /proc/self/status | tr -dc 0-9'],
  ['seccomp (2 = filter)', "grep -E '^Seccomp:' /proc/self/status | tr -dc 0-9"],
  ['first process', "tr '\\0' ' ' < /proc/1/cmdline | cut -c1-20"],
  ['network interfaces', "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"],
  ['IPv6 beside loopback', "grep -vc ' lo$' /proc/net/if_inet6"],
  ['memory limit', `cat ${CGROUP}/memory.max 2>/dev/null || cat ${CGROUP}/memory/memory.limit_in_bytes`],
  [
    'swap on top',
    `cat ${CGROUP}/memory.swap.max 2>/dev/null || echo "none: memory and swap together have the same limit"`,
  ],
  [
    'processor limit (quota, period in µs)',
    `cat ${CGROUP}/cpu.max 2>/dev/null || cat ${CGROUP}/cpu/cpu.cfs_quota_us ${CGROUP}/cpu/cpu.cfs_period_us`,
  ],
  ['process limit', `cat ${CGROUP}/pids.max 2>/dev/null || cat ${CGROUP}/pids/pids.max`],
  ['open files', 'ulimit -n'],
  ['core dumps', 'ulimit -c'],
  [
    'root file system',
    "grep ' / ' /proc/mounts | cut -d' ' -f4 | cut -d, -f1 | sed 's/rw/writable, thrown away with the container/'",
  ],
  ['writing to /proc/sys', 'echo 1 > /proc/sys/kernel/panic && echo written || echo refused'],
  ['devices', "ls /dev | grep -vE '^(fd|std.*|core|ptmx|pts|shm|mqueue)$'"],
  ['mounting', 'mount -t tmpfs none /tmp 2>&1 | head -1'],
  ['raw sockets', 'ping -c1 -W1 127.0.0.1 2>&1 | tail -1 | cut -c1-60'],
  ['host name', 'hostname | sed "s/^[0-9a-f]\\{12\\}$/an id of its own/"'],
  ["engine's socket", 'ls /var/run/docker.sock /run/podman 2>/dev/null || echo none'],
  ['variables', 'env | cut -d= -f1 | sort'],
];

/** Rows of subject and answer. */
export async function lookInside(): Promise<readonly (readonly [string, string])[]> {
  await using host = newHost();
  const resources = {
    memory: DEFAULT_MEMORY_BYTES,
    cpus: DEFAULT_CPUS,
    pids: DEFAULT_PIDS,
    openFiles: DEFAULT_OPEN_FILES,
  };
  await using wire = new Wire(host, await shellServer({ script: SHELL, network: 'isolated', resources }));
  await wire.open();
  const rows: [string, string][] = [];
  for (const [subject, command] of QUESTIONS) {
    const answer = await wire.ask(`${command}; echo .`);
    rows.push([
      subject,
      answer
        .replace(/;? ?\.; ?$/, '')
        .replaceAll(';', ', ')
        .trim(),
    ]);
  }
  return rows;
}
