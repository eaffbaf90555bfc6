/** What all containers of one gateway share: the engine, the identity on their labels, and the networks. */
import type { EgressAllowList } from '../../config/config.ts';
import { DeathWatch, type WatchedContainer } from './death-watch.ts';
import { EgressNetworks } from './egress-networks.ts';
import type { Engine } from './engine-command.ts';
import { pingEngine } from './engine.ts';
import { labelsFor, newInstance, type GatewayInstance } from './gateway-instance.ts';
import { removeInstance, removeOrphans, type Orphans } from './orphans.ts';
import { NAME_PREFIX } from './run-command.ts';
import { ServerNetworks, type NetworkLease } from './server-networks.ts';
import { findNft, type Nft } from './wall/nft.ts';
import { ServerWall } from './wall/server-wall.ts';

const LONGEST_SLUG = 32;

export interface ContainerHostOptions {
  /** Told when something may have been left on the engine. Never throws. */
  readonly onNotice?: (text: string) => void;
  /** The command for the packet filter. Default: that of this machine, where there is one that may be used. */
  readonly nft?: Nft;
}

export interface HostStart extends Orphans {
  /** Of the engine. */
  readonly version: string;
  /** Tables of dead gateways that were removed from the packet filter. */
  readonly tables: readonly string[];
}

export class ContainerHost implements AsyncDisposable {
  readonly engine: Engine;
  readonly instance: GatewayInstance;
  readonly nft: Nft;
  readonly wall: ServerWall;
  readonly #networks: ServerNetworks;
  readonly #egressNetworks: EgressNetworks;
  readonly #deaths: DeathWatch;
  readonly #onNotice: (text: string) => void;
  #names = 0;

  constructor(engine: Engine, options: ContainerHostOptions = {}) {
    this.engine = engine;
    this.instance = newInstance();
    this.#onNotice = options.onNotice ?? (() => undefined);
    this.#deaths = new DeathWatch(engine, this.instance.id);
    this.nft = options.nft ?? findNft(engine);
    const { instance, nft } = this;
    this.wall = new ServerWall({ nft, instance, onNotice: this.#onNotice });
    const naming = {
      engine,
      nameFor: (server: string) => this.nameFor(server),
      labelsFor: (server: string) => this.labelsFor(server),
      wall: this.wall,
    };
    this.#networks = new ServerNetworks(naming);
    this.#egressNetworks = new EgressNetworks({
      ...naming,
      outside: (server) => this.#networks.acquire(server),
      onNotice: this.#onNotice,
    });
  }

  /** Makes sure that the engine answers, and clears away what dead gateways left. Rejects with a GatewayError. */
  async start(): Promise<HostStart> {
    const version = await pingEngine(this.engine);
    const orphans = await removeOrphans(this.engine);
    // The wall of what could not be removed stays for as long as that does.
    const tables = await this.wall.removeOrphans(new Set(orphans.remaining.map((one) => one.process)));
    return { ...orphans, version, tables };
  }

  /** A name for a container or network that nothing else on the engine has. */
  nameFor(server: string): string {
    const slug = server
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-|-$/g, '')
      .slice(0, LONGEST_SLUG);
    this.#names += 1;
    return `${NAME_PREFIX}${slug === '' ? 'server' : slug}-${this.instance.id}-${this.#names}`;
  }

  labelsFor(server: string): Readonly<Record<string, string>> {
    return labelsFor(this.instance, server);
  }

  /** The network of a server; there until every lease of it was released. Rejects with a GatewayError. */
  networkFor(server: string, network: 'isolated' | EgressAllowList): Promise<NetworkLease> {
    return network === 'isolated'
      ? this.#networks.acquire(server)
      : this.#egressNetworks.acquire(server, network.allow);
  }

  /** True for the address of a container of this gateway: what runs in it must not reach the gateway itself. */
  isAddressOfContainer(address: string): boolean {
    return this.#networks.contains(address);
  }

  /** Has the engine tell of the end of a container. To be released when that is no longer of interest. */
  watch(name: string): WatchedContainer {
    return this.#deaths.watch(name);
  }

  /**
   * Kills and removes every container and network of this gateway; transports that were closed before have left none.
   * Never rejects: an engine that does not answer must not keep the gateway from ending.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#names === 0) return;
    try {
      await removeInstance(this.engine, this.instance.id);
      await this.wall[Symbol.asyncDispose]();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      // What may still run keeps its wall; the next start removes both.
      this.#onNotice(`Containers or networks of this gateway may be left on the engine: ${reason}`);
    }
  }
}
