/** Counts what arrives at a neighbour that is probed without a pause while Docker changes its rules. */
import type { ContainerHost } from '../container-host.ts';
import { callEngine } from '../engine-command.ts';
import { containerOf, engineSays, shellServer, Wire } from './containers.ts';

export interface Visits {
  /** Connections that the visitor tried to make. */
  readonly tried: number;
  /** TCP segments that reached the neighbour, whether or not it listened. */
  readonly arrived: number;
  /** Segments that the neighbour counted when it tried to reach its own address. */
  readonly ownArrived: number;
}

/** Runs each line that it is sent as a shell command. */
const SHELL = 'while IFS= read -r line; do sh -c "$line" 2>&1 | tr "\\n" "~"; echo; done';
/** Counters of the container's own network: ActiveOpens and InSegs. */
const TRIED = `awk '/^Tcp: [0-9]/ { print $6 }' /proc/net/snmp`;
const ARRIVED = `awk '/^Tcp: [0-9]/ { print $11 }' /proc/net/snmp`;
/** One connection is tried after the other, without waiting for what becomes of those before. */
const probe = (address: string): string =>
  `(while :; do nc -w 1 ${address} 8080 & usleep 10000; done) >/dev/null 2>&1 </dev/null & echo started`;
const PROCESSES = 512;

/** So many connections are tried at least, however slow the machine is. */
const ENOUGH = 200;

/** Two servers of the host, each in a network of its own; so many more networks, or more, are made and removed one after the other. */
export async function probeWhileNetworksChange(host: ContainerHost, networks: number): Promise<Visits> {
  await using neighbour = await open(host, 'neighbour');
  await using visitor = await open(host, 'visitor');
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
  const name = await containerOf(host, 'neighbour');
  const address = await engineSays(host.engine, 'container', 'inspect', '--format', format, name);
  const atFirst = await count(neighbour, ARRIVED);
  await neighbour.ask(`nc -w 1 ${address} 8080 </dev/null; echo tried`);
  const before = await count(neighbour, ARRIVED);
  await visitor.ask(probe(address));
  for (let turn = 0; turn < networks || (await count(visitor, TRIED)) < ENOUGH; turn += 1) {
    const network = host.nameFor('passing');
    const labels = Object.entries(host.labelsFor('passing')).map(([label, value]) => `--label=${label}=${value}`);
    await engineSays(host.engine, 'network', 'create', ...labels, network);
    await callEngine(host.engine, ['network', 'rm', network], 60_000);
  }
  return {
    tried: await count(visitor, TRIED),
    arrived: (await count(neighbour, ARRIVED)) - before,
    ownArrived: before - atFirst,
  };
}

async function open(host: ContainerHost, name: string): Promise<Wire> {
  const resources = { memory: 128 * 1024 * 1024, cpus: 1, pids: PROCESSES, openFiles: 256 };
  const wire = new Wire(host, await shellServer({ name, network: 'isolated', script: SHELL, resources }));
  await wire.open();
  return wire;
}

async function count(wire: Wire, command: string): Promise<number> {
  return Number((await wire.ask(command)).replaceAll('~', ''));
}
