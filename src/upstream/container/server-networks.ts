/** One network for each server: there while a container of the server lives, shared by all of them and by nobody else. */
import { BlockList, isIPv6 } from 'node:net';
import type { Engine } from './engine-command.ts';
import { createNetwork, removeNetwork, subnetsOf } from './engine.ts';
import { bridgeOf, OPEN_BRIDGE } from './wall/bridges.ts';
import type { ServerWall } from './wall/server-wall.ts';

export interface NetworkLease {
  /** Name of the network. */
  readonly name: string;
  /** URL of the proxy that is the only way out; absent where there is another, or none. */
  readonly proxy?: string;
  /** Gives it back; the last one removes the network. Never rejects, and does nothing the second time. */
  release(): Promise<void>;
}

interface ServerNetwork {
  readonly name: string;
  users: number;
  exists: boolean;
  /** The addresses that its containers have. */
  addresses: BlockList;
  /** Creating and removing happen one after the other. */
  queue: Promise<void>;
}

export interface ServerNetworksOptions {
  readonly engine: Engine;
  /** A name that is unique on the engine. */
  readonly nameFor: (server: string) => string;
  readonly labelsFor: (server: string) => Readonly<Record<string, string>>;
  readonly wall: ServerWall;
}

/** The engine lets go of a container's address shortly after the container has ended. */
const REMOVE_ATTEMPTS = 20;
const REMOVE_INTERVAL_MS = 100;

export class ServerNetworks {
  readonly #options: ServerNetworksOptions;
  readonly #networks = new Map<string, ServerNetwork>();

  constructor(options: ServerNetworksOptions) {
    this.#options = options;
  }

  /** Rejects with a GatewayError when the network cannot be created. */
  async acquire(server: string): Promise<NetworkLease> {
    let network = this.#networks.get(server);
    if (network === undefined) {
      network = {
        name: this.#options.nameFor(server),
        users: 0,
        exists: false,
        addresses: new BlockList(),
        queue: Promise.resolve(),
      };
      this.#networks.set(server, network);
    }
    const lease = this.#lease(server, network);
    try {
      await inTurn(network, () => this.#ensure(server, network));
    } catch (error) {
      await lease.release();
      throw error;
    }
    return lease;
  }

  /** True for an address of a container in one of the networks. */
  contains(address: string): boolean {
    const plain = address.replace(/^::ffff:(?=\d+\.)/, '');
    const family = isIPv6(plain) ? 'ipv6' : 'ipv4';
    return [...this.#networks.values()].some(({ addresses }) => addresses.check(plain, family));
  }

  #lease(server: string, network: ServerNetwork): NetworkLease {
    network.users += 1;
    let released: Promise<void> | undefined;
    const release = async (): Promise<void> => {
      network.users -= 1;
      await inTurn(network, () => this.#removeUnused(server, network));
    };
    return { name: network.name, release: () => (released ??= release()) };
  }

  async #ensure(server: string, network: ServerNetwork): Promise<void> {
    if (network.exists) return;
    const { engine, labelsFor, wall } = this.#options;
    await wall.raise();
    await createNetwork(engine, network.name, labelsFor(server));
    network.exists = true;
    await wall.check(bridgeOf(OPEN_BRIDGE, network.name));
    network.addresses = await rangesOf(engine, network.name);
  }

  /** A network that cannot be removed now is used again, or removed with everything else when the gateway ends. */
  async #removeUnused(server: string, network: ServerNetwork): Promise<void> {
    for (let attempt = 1; network.exists && network.users === 0 && attempt <= REMOVE_ATTEMPTS; attempt += 1) {
      const gone = await removeNetwork(this.#options.engine, network.name).catch(() => false);
      if (gone) network.exists = false;
      else await new Promise((resolve) => setTimeout(resolve, REMOVE_INTERVAL_MS));
    }
    if (network.users === 0 && !network.exists && this.#networks.get(server) === network) this.#networks.delete(server);
  }
}

async function rangesOf(engine: Engine, network: string): Promise<BlockList> {
  const list = new BlockList();
  for (const range of await subnetsOf(engine, network)) {
    const [address = '', prefix] = range.split('/');
    list.addSubnet(address, Number(prefix), isIPv6(address) ? 'ipv6' : 'ipv4');
  }
  return list;
}

function inTurn(network: ServerNetwork, task: () => Promise<void>): Promise<void> {
  const turn = network.queue.then(task);
  network.queue = turn.catch(() => undefined);
  return turn;
}
