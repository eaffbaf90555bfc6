/** What we ask of the engine beside running servers: is it there, is the image there, networks, stopping, removing. */
import { GatewayError } from '../../shared/errors.ts';
import { missingImage } from './container-exit.ts';
import { callEngine, type Engine, type EngineOutput } from './engine-command.ts';
import { LABELS, MARKER } from './gateway-instance.ts';
import { bridgeOf, CLOSED_BRIDGE, OPEN_BRIDGE } from './wall/bridges.ts';

/** A container or network of ours, found by its labels. */
export interface Owned {
  readonly kind: 'container' | 'network';
  /** Id of a container, name of a network. */
  readonly id: string;
  /** Which gateway it belongs to, for `ownerState`. */
  readonly process: string;
  readonly server: string;
}

const QUICK_MS = 15_000;
/** Removing waits for mounts and networks, which takes its time on a machine under load. */
const SLOW_MS = 60_000;
/** Only about the thing that was asked for: "no such file" is what docker says of its own socket when its daemon is down. */
const MISSING =
  /no such (?:image|container|network|object)|no container with name or id|(?:image|network|container)\b.*: not found|(?:image|network|container)\b.* not (?:found|known)/i;
const GONE = new RegExp(`${MISSING.source}|removal of container .* is already in progress`, 'i');
/** So many names in one call stay far below the limit of an argument list. */
const BATCH = 100;
const BRIDGE_NAME = '--opt=com.docker.network.bridge.name';

/** Version of the engine. Rejects with GatewayError `server_unavailable` saying what to do when it does not answer. */
export async function pingEngine(engine: Engine): Promise<string> {
  const format = engine.kind === 'docker' ? '{{.ServerVersion}}' : '{{.Version.Version}}';
  const output = await callEngine(engine, ['info', '--format', format], QUICK_MS);
  const version = output.stdout.trim();
  if (output.status !== 0 || version === '') {
    const hint = engine.kind === 'docker' ? 'Is its daemon running, and may this user reach it?' : 'Try "podman info".';
    throw failure(engine, `${engine.kind} does not answer. ${hint}`, output);
  }
  return version;
}

/** Whether an image is on this machine. Nothing is ever pulled. */
export async function hasImage(engine: Engine, image: string): Promise<boolean> {
  const output = await callEngine(engine, ['image', 'inspect', '--format', '{{.Id}}', '--', image], QUICK_MS);
  if (output.status === 0) return true;
  if (isMissing(output)) return false;
  throw failure(engine, `${engine.kind} cannot look up the image "${image}".`, output);
}

/** The digests under which registries know an image of this machine, `name@sha256:…`; undefined when it is not here. */
export async function repositoryDigests(engine: Engine, image: string): Promise<readonly string[] | undefined> {
  const output = await callEngine(
    engine,
    ['image', 'inspect', '--format', '{{json .RepoDigests}}', '--', image],
    QUICK_MS,
  );
  if (output.status === 0) return (JSON.parse(output.stdout) as readonly string[] | null) ?? [];
  if (isMissing(output)) return undefined;
  throw failure(engine, `${engine.kind} cannot look up the image "${image}".`, output);
}

/** Rejects with GatewayError `server_unavailable` when an image is not on this machine; the text says how to get it. */
export async function requireImage(engine: Engine, image: string): Promise<void> {
  if (await hasImage(engine, image)) return;
  const message = `Servers of this image cannot be started: ${missingImage(engine.kind, image)}`;
  throw new GatewayError('server_unavailable', message, { detail: message });
}

/** Creates a bridge network whose containers reach out but no other container. */
export async function createNetwork(
  engine: Engine,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  await create(engine, name, labels, separation(engine, name));
}

/** The address ranges of a network, such as `172.18.0.0/16`. */
export async function subnetsOf(engine: Engine, network: string): Promise<readonly string[]> {
  const ranges = engine.kind === 'docker' ? '.IPAM.Config' : '.Subnets';
  const format = `{{range ${ranges}}}{{.Subnet}} {{end}}`;
  const output = await callEngine(engine, ['network', 'inspect', '--format', format, '--', network], QUICK_MS);
  if (output.status !== 0)
    throw new GatewayError('server_unavailable', `The network "${network}" cannot be inspected.`);
  return output.stdout.split(/\s+/).filter((range) => range !== '');
}

/** Creates a bridge network without a way out and without an address of the host; its containers reach each other. */
export async function createClosedNetwork(
  engine: Engine,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  if (engine.kind === 'podman') {
    const message = `The network "${name}" cannot be closed: podman keeps an address of the host in every network.`;
    throw new GatewayError('server_unavailable', message, { detail: message });
  }
  // Docker would give the host an address in it, under which everything that listens there could be reached.
  const options = [
    '--internal',
    '--opt=com.docker.network.bridge.inhibit_ipv4=true',
    `${BRIDGE_NAME}=${bridgeOf(CLOSED_BRIDGE, name)}`,
  ];
  await create(engine, name, labels, options);
  // Only where its addresses were asked for can one be given to a container, and only docker knows which are free.
  const output = await callEngine(
    engine,
    ['network', 'inspect', '--format', '{{(index .IPAM.Config 0).Subnet}}', '--', name],
    QUICK_MS,
  );
  if (output.status !== 0) throw failure(engine, `The network "${name}" cannot be looked up.`, output);
  await removeNetwork(engine, name);
  await create(engine, name, labels, [...options, `--subnet=${output.stdout.trim()}`]);
}

async function create(
  engine: Engine,
  name: string,
  labels: Readonly<Record<string, string>>,
  options: readonly string[],
): Promise<void> {
  const output = await callEngine(
    engine,
    [
      'network',
      'create',
      '--driver=bridge',
      ...options,
      ...Object.entries(labels).map(([label, value]) => `--label=${label}=${value}`),
      '--',
      name,
    ],
    SLOW_MS,
  );
  if (output.status === 0) return;
  const exhausted = /non-overlapping|could not find (?:an available|free)|no available subnet/i.test(output.stderr);
  const hint = exhausted
    ? ' Every server has a network of its own: give the engine more address pools ("default-address-pools" in daemon.json).'
    : '';
  throw failure(engine, `The network "${name}" cannot be created.${hint}`, output);
}

/** What keeps the containers of other networks, and of the same one, apart. */
function separation({ kind }: Engine, name: string): readonly string[] {
  return kind === 'docker'
    ? // Docker keeps networks apart by itself; this keeps the containers of one network apart as well (one for each session).
      ['--opt=com.docker.network.bridge.enable_icc=false', `${BRIDGE_NAME}=${bridgeOf(OPEN_BRIDGE, name)}`]
    : // Podman lets its networks reach each other unless told not to; names of other containers are nobody's business.
      ['--opt=isolate=true', '--disable-dns'];
}

/** Puts a running container into one more network, under an address of its own where one is given. Rejects with GatewayError `server_unavailable`. */
export async function connectNetwork(
  engine: Engine,
  network: string,
  container: string,
  address?: string,
): Promise<void> {
  const options = address === undefined ? [] : [`--ip=${address}`];
  const output = await callEngine(engine, ['network', 'connect', ...options, '--', network, container], SLOW_MS);
  if (output.status !== 0) throw failure(engine, `The network "${network}" cannot be joined.`, output);
}

/** Removes a network; true when it is gone, false while a container still hangs on it. */
export async function removeNetwork(engine: Engine, name: string): Promise<boolean> {
  const output = await callEngine(engine, ['network', 'rm', '--', name], SLOW_MS);
  return output.status === 0 || isMissing(output);
}

/** SIGTERM, then SIGKILL after so many seconds. Resolves when the container has ended; false when there is none. */
export async function stopContainer(engine: Engine, name: string, seconds: number): Promise<boolean> {
  const output = await callEngine(engine, ['stop', '-t', String(seconds), '--', name], SLOW_MS + seconds * 1000);
  return output.status === 0 || !isMissing(output);
}

/**
 * Kills and removes containers by name or id. Those that are gone already, or on their way, are no failure.
 * Rejects with GatewayError `server_unavailable` when the engine could not.
 */
export async function removeContainers(engine: Engine, names: readonly string[]): Promise<void> {
  for (const batch of batches(names)) {
    const output = await callEngine(engine, ['rm', '--force', '--volumes', '--', ...batch], SLOW_MS);
    const complaints = output.stderr.split('\n').filter((line) => line.trim() !== '' && !GONE.test(line));
    if (output.status !== 0 && complaints.length > 0) {
      throw failure(engine, 'Containers cannot be removed.', { ...output, stderr: complaints.join('\n') });
    }
  }
}

/** Removes containers that do not run; the engine refuses the others, which is what is wanted. */
export async function removeStopped(engine: Engine, ids: readonly string[]): Promise<void> {
  for (const id of ids) await callEngine(engine, ['rm', '--volumes', '--', id], SLOW_MS);
}

/** Our containers, running or not, and our networks; those of one instance when it is named. */
export async function listOwned(engine: Engine, instanceId?: string): Promise<readonly Owned[]> {
  const filter = `label=${instanceId === undefined ? MARKER : `${LABELS.instance}=${instanceId}`}`;
  const [containers, networks] = await Promise.all([
    callEngine(engine, ['ps', '--all', '--quiet', '--no-trunc', '--filter', filter], QUICK_MS),
    callEngine(engine, ['network', 'ls', '--quiet', '--filter', filter], QUICK_MS),
  ]);
  for (const output of [containers, networks]) {
    if (output.status !== 0) throw failure(engine, `${engine.kind} cannot list its containers and networks.`, output);
  }
  return [
    ...(await inspectOwned(engine, 'container', '{{.Id}} {{json .Config.Labels}}', words(containers.stdout))),
    ...(await inspectOwned(engine, 'network', '{{.Name}} {{json .Labels}}', words(networks.stdout))),
  ];
}

async function inspectOwned(
  engine: Engine,
  kind: Owned['kind'],
  format: string,
  ids: readonly string[],
): Promise<Owned[]> {
  const found: Owned[] = [];
  for (const batch of batches(ids)) {
    // The status is that of the worst one: what has gone in the meantime makes it fail, the others are printed all the same.
    const output = await callEngine(engine, [kind, 'inspect', '--format', format, '--', ...batch], QUICK_MS);
    for (const line of output.stdout.split('\n')) {
      const space = line.indexOf(' ');
      if (space === -1) continue;
      const labels = parseLabels(line.slice(space + 1));
      if (labels[LABELS.marker] === undefined) continue;
      found.push({
        kind,
        id: line.slice(0, space),
        process: labels[LABELS.process] ?? '',
        server: labels[LABELS.server] ?? '',
      });
    }
  }
  return found;
}

function parseLabels(json: string): Readonly<Record<string, string>> {
  try {
    return (JSON.parse(json) as Record<string, string> | null) ?? {};
  } catch {
    return {};
  }
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

function* batches(names: readonly string[]): Generator<readonly string[]> {
  for (let start = 0; start < names.length; start += BATCH) yield names.slice(start, start + BATCH);
}

function isMissing(output: EngineOutput): boolean {
  return MISSING.test(output.stderr);
}

function failure(engine: Engine, message: string, output: EngineOutput): GatewayError {
  const said = output.stderr.trim().split('\n')[0]?.slice(0, 500) ?? '';
  const whole = `${message} ${engine.kind} says: ${said === '' ? `exit status ${output.status}` : said}`;
  return new GatewayError('server_unavailable', whole, { detail: whole });
}
