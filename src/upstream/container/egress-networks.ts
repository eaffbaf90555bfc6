/** For each server with an allow-list: a network without a way out, and a proxy in it that lets the listed hosts pass. */
import { within } from '../../shared/async.ts';
import { GatewayError } from '../../shared/errors.ts';
import { ContainerProcess } from './container-process.ts';
import { EGRESS_ENTRYPOINT, EGRESS_PROGRAM, egressImage } from './egress-image.ts';
import { EGRESS_PORT, EGRESS_READY } from './egress-proxy.ts';
import { callEngine, type Engine } from './engine-command.ts';
import { connectNetwork, createClosedNetwork, removeContainers, removeNetwork } from './engine.ts';
import { LastWords } from './last-words.ts';
import { runCommand } from './run-command.ts';
import type { NetworkLease } from './server-networks.ts';
import type { ServerWall } from './wall/server-wall.ts';

export interface EgressNetworksOptions {
  readonly engine: Engine;
  readonly nameFor: (server: string) => string;
  readonly labelsFor: (server: string) => Readonly<Record<string, string>>;
  /** The network with a way out that the proxy of a server stands in. */
  readonly outside: (server: string) => Promise<NetworkLease>;
  readonly wall: ServerWall;
  readonly onNotice: (text: string) => void;
}

interface Site {
  readonly server: string;
  readonly allow: readonly string[];
  /** The network without a way out. */
  readonly inside: string;
  users: number;
  /** Starting and stopping happen one after the other. */
  queue: Promise<void>;
  outside: NetworkLease | undefined;
  proxy: { readonly name: string; readonly process: ContainerProcess } | undefined;
  isInsideThere: boolean;
  /** Address of the proxy in the closed network; it keeps it, because the server's variables name it. */
  address: string | undefined;
}

const START_MS = 20_000;
const STOP_MS = 3000;
const RESTART_MS = 200;
const ATTEMPTS = 20;
const INTERVAL_MS = 100;

export class EgressNetworks {
  readonly #options: EgressNetworksOptions;
  readonly #sites = new Map<string, Site>();

  constructor(options: EgressNetworksOptions) {
    this.#options = options;
  }

  /** The closed network of a server with its proxy running; there until every lease was released. Rejects with a GatewayError. */
  async acquire(server: string, allow: readonly string[]): Promise<NetworkLease> {
    const site = this.#site(server, allow);
    site.users += 1;
    let released: Promise<void> | undefined;
    const release = async (): Promise<void> => {
      site.users -= 1;
      await inTurn(site, () => this.#stopUnused(site));
    };
    const give = (): Promise<void> => (released ??= release());
    try {
      await inTurn(site, () => this.#ensure(site));
    } catch (error) {
      await give();
      throw error;
    }
    return { name: site.inside, proxy: `http://${site.address ?? ''}:${EGRESS_PORT}`, release: give };
  }

  #site(server: string, allow: readonly string[]): Site {
    const known = this.#sites.get(server);
    if (known !== undefined) return known;
    const site: Site = {
      server,
      allow,
      inside: this.#options.nameFor(server),
      users: 0,
      queue: Promise.resolve(),
      outside: undefined,
      proxy: undefined,
      isInsideThere: false,
      address: undefined,
    };
    this.#sites.set(server, site);
    return site;
  }

  async #ensure(site: Site): Promise<void> {
    const { engine, labelsFor, outside, wall } = this.#options;
    if (!site.isInsideThere) {
      await wall.raise();
      await createClosedNetwork(engine, site.inside, labelsFor(site.server));
      site.isInsideThere = true;
      site.address = undefined;
    }
    site.outside ??= await outside(site.server);
    if (site.proxy === undefined) await this.#startProxy(site, site.outside.name);
  }

  async #startProxy(site: Site, network: string): Promise<void> {
    const { engine, nameFor, labelsFor, onNotice } = this.#options;
    const name = nameFor(site.server);
    const command = runCommand({
      engine: engine.kind,
      server: site.server,
      spec: {
        image: await egressImage(engine),
        entrypoint: EGRESS_ENTRYPOINT,
        args: [EGRESS_PROGRAM, ...site.allow],
        env: {},
        mounts: [],
        network: 'isolated',
        workdir: undefined,
        user: '65534:65534',
        readOnly: true,
        capabilities: [],
        resources: { memory: 192 * 1024 * 1024, cpus: 1, pids: 64, openFiles: 2048 },
      },
      name,
      labels: labelsFor(site.server),
      network,
      proxy: undefined,
      stopTimeoutSeconds: 1,
    });
    const ready = Promise.withResolvers<boolean>();
    const words = new LastWords({
      redact: (line) => line,
      onLine: (line) => onNotice(`The egress proxy of server "${site.server}": ${line}`),
    });
    const process = await ContainerProcess.start(engine, command, {
      onStdout: (piece) => {
        if (piece.includes(EGRESS_READY)) ready.resolve(true);
      },
      onStderr: (piece) => words.push(piece),
    });
    site.proxy = { name, process };
    void process.ended.then(() => {
      words.end();
      ready.resolve(false);
      this.#lost(site, name);
    });
    try {
      if (!(await within(ready.promise, START_MS).catch(() => false)))
        throw unavailable(site.server, `its egress proxy did not start: ${words.lines().at(-1) ?? 'it said nothing'}`);
      await connectNetwork(engine, site.inside, name, site.address);
      site.address ??= await addressIn(engine, name, site.inside, site.server);
    } catch (error) {
      await this.#stopProxy(site);
      throw error;
    }
  }

  /** A proxy that dies on its own account comes back; until then its server reaches nothing, which is the safe side. */
  #lost(site: Site, name: string): void {
    if (site.proxy?.name !== name) return;
    site.proxy = undefined;
    if (site.users === 0) return;
    this.#options.onNotice(`The egress proxy of server "${site.server}" has ended and is started again.`);
    const timer = setTimeout(() => {
      if (site.users === 0) return;
      inTurn(site, () => (site.users === 0 ? Promise.resolve() : this.#ensure(site))).catch((error: unknown) =>
        this.#options.onNotice(error instanceof Error ? error.message : String(error)),
      );
    }, RESTART_MS);
    timer.unref();
  }

  async #stopProxy(site: Site): Promise<void> {
    const { proxy } = site;
    site.proxy = undefined;
    if (proxy === undefined) return;
    proxy.process.endInput();
    if ((await within(proxy.process.ended, STOP_MS).catch(() => undefined)) !== undefined) return;
    await removeContainers(this.#options.engine, [proxy.name]).catch(() => undefined);
    proxy.process.kill();
    await proxy.process.ended;
  }

  /** What cannot be removed now is removed with everything else when the gateway ends. */
  async #stopUnused(site: Site): Promise<void> {
    if (site.users > 0) return;
    await this.#stopProxy(site);
    await site.outside?.release();
    site.outside = undefined;
    for (let attempt = 1; site.isInsideThere && site.users === 0 && attempt <= ATTEMPTS; attempt += 1) {
      if (await removeNetwork(this.#options.engine, site.inside).catch(() => false)) site.isInsideThere = false;
      else await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
    }
    if (site.users === 0 && !site.isInsideThere && this.#sites.get(site.server) === site)
      this.#sites.delete(site.server);
  }
}

async function addressIn(engine: Engine, container: string, network: string, server: string): Promise<string> {
  const format = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
  const output = await callEngine(engine, ['container', 'inspect', '--format', format, '--', container], 15_000);
  const address = output.stdout.trim();
  if (output.status !== 0 || !/^[0-9.]+$/.test(address)) throw unavailable(server, 'its egress proxy has no address');
  return address;
}

function inTurn(site: Site, task: () => Promise<void>): Promise<void> {
  const turn = site.queue.then(task);
  site.queue = turn.catch(() => undefined);
  return turn;
}

function unavailable(server: string, why: string): GatewayError {
  const message = `Server "${server}" cannot be started: ${why}.`;
  return new GatewayError('server_unavailable', message, { server, detail: message });
}
