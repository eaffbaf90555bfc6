/** What one endpoint shows to one principal: the servers that exist for it, and what of each. */
import type { ItemKind, ItemOverride, VirtualServer } from '../../config/registration.ts';
import type { UpstreamPool } from '../../upstream/pool.ts';
import type { Names } from '../names.ts';
import type { ServerView } from './server-view.ts';

export interface ViewOptions {
  /** By name, in the order of the configuration. */
  readonly pools: ReadonlyMap<string, UpstreamPool>;
  readonly names: Names;
  /** The selection that the endpoint is for; undefined for servers, groups and the unified endpoint. */
  readonly virtual: VirtualServer | undefined;
  /** True when others may see other things here, so that nobody may share what a client keeps of it. */
  readonly restricted: boolean;
  /** Overrides of items of its servers. */
  readonly overrides: readonly ItemOverride[];
  readonly serverView: (server: string) => ServerView;
}

/** Immutable, and the same object for all principals for whom the same exists. */
export class View {
  readonly pools: ReadonlyMap<string, UpstreamPool>;
  readonly names: Names;
  readonly virtual: VirtualServer | undefined;
  readonly restricted: boolean;
  /** The names of its servers. */
  readonly serverNames: readonly string[];
  /** What clients of the endpoint can notice of it, to be compared. */
  readonly madeFrom: unknown;
  readonly #serverView: (server: string) => ServerView;
  readonly #serverViews = new Map<string, ServerView>();
  readonly #given = new Map<'tool' | 'prompt', ReadonlyMap<string, readonly string[]>>();

  constructor({ pools, names, virtual, restricted, overrides, serverView }: ViewOptions) {
    this.pools = pools;
    this.names = names;
    this.virtual = virtual;
    this.restricted = restricted;
    this.serverNames = [...pools.keys()];
    this.madeFrom = [this.serverNames, names.mode, virtual?.items, overrides];
    this.#serverView = serverView;
  }

  /** What of this server, which must be one of `pools`. */
  of(server: string): ServerView {
    let view = this.#serverViews.get(server);
    if (view === undefined) {
      view = this.#serverView(server);
      this.#serverViews.set(server, view);
    }
    return view;
  }

  /** Servers with something of this kind. */
  poolsWith(kind: ItemKind): readonly UpstreamPool[] {
    const pools = [...this.pools.values()];
    return this.virtual === undefined ? pools : pools.filter(({ name }) => this.of(name).offers(kind));
  }

  /** The servers of which an item has this name because an operator gave it. */
  serversGiving(kind: 'tool' | 'prompt', name: string): readonly string[] {
    return this.#givenNames(kind).get(name) ?? [];
  }

  /** True when operators gave names, which other servers may have by nature. */
  hasGivenNames(kind: 'tool' | 'prompt'): boolean {
    return this.#givenNames(kind).size > 0;
  }

  #givenNames(kind: 'tool' | 'prompt'): ReadonlyMap<string, readonly string[]> {
    let given = this.#given.get(kind);
    if (given === undefined) {
      const servers = new Map<string, string[]>();
      for (const server of this.serverNames) {
        for (const name of this.of(server).givenNames(kind)) {
          const known = servers.get(name);
          if (known === undefined) servers.set(name, [server]);
          else known.push(server);
        }
      }
      given = servers;
      this.#given.set(kind, given);
    }
    return given;
  }
}

/** The server of a routed endpoint. */
export function solePool({ pools }: View): UpstreamPool {
  const [pool] = pools.values();
  if (pool === undefined) throw new Error('the endpoint of a server has a server');
  return pool;
}
