/** Counts what arrives at a neighbour that is probed without a pause while Docker changes its rules. */
import type { ContainerHost } from '../container-host.ts';
import { callEngine } from '../engine-command.ts';
import { containerOf, engineSays, shellServer, Wire } from './containers.ts';

export interface Visits {
  /** Datagrams that the visitor sent. */
  readonly sent: number;
  /** Datagrams that reached the neighbour, whether or not it listened. */
  readonly arrived: number;
  /** Datagrams that the neighbour counted when it sent one to itself. */
  readonly ownArrived: number;
}

/** Runs each line that it is sent as a shell command. */
const SHELL = 'while IFS= read -r line; do sh -c "$line" 2>&1 | tr "\\n" "~"; echo; done';
/** Counters of the container's own network: InDatagrams and NoPorts are what has arrived, OutDatagrams what was sent. */
const ARRIVED = `awk '/^Udp: [0-9]/ { print $2 + $3 }' /proc/net/snmp`;
const SENT = `awk '/^Udp: [0-9]/ { print $5 }' /proc/net/snmp`;
/** An answer of the other side ends nc: it is started again. */
const probe = (address: string): string =>
  `(while :; do while :; do echo probe; usleep 1000; done | nc -u ${address} 8080; done) >/dev/null 2>&1 </dev/null &`;

/** Two servers of the host, each in a network of its own; so many more networks are made and removed one after the other. */
export async function probeWhileNetworksChange(host: ContainerHost, networks: number): Promise<Visits> {
  await using neighbour = await open(host, 'neighbour');
  await using visitor = await open(host, 'visitor');
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
  const name = await containerOf(host, 'neighbour');
  const address = await engineSays(host.engine, 'container', 'inspect', '--format', format, name);
  const atFirst = await count(neighbour, ARRIVED);
  await neighbour.ask(`echo own | nc -u -w 1 ${address} 8080`);
  const before = await count(neighbour, ARRIVED);
  await visitor.ask(probe(address));
  for (let turn = 0; turn < networks; turn += 1) {
    const network = host.nameFor('passing');
    const labels = Object.entries(host.labelsFor('passing')).map(([label, value]) => `--label=${label}=${value}`);
    await engineSays(host.engine, 'network', 'create', ...labels, network);
    await callEngine(host.engine, ['network', 'rm', network], 60_000);
  }
  return {
    sent: await count(visitor, SENT),
    arrived: (await count(neighbour, ARRIVED)) - before,
    ownArrived: before - atFirst,
  };
}

async function open(host: ContainerHost, name: string): Promise<Wire> {
  const wire = new Wire(host, await shellServer({ name, network: 'isolated', script: SHELL }));
  await wire.open();
  return wire;
}

async function count(wire: Wire, command: string): Promise<number> {
  return Number((await wire.ask(command)).replaceAll('~', ''));
}
