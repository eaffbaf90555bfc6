/** All views of a Runtime: finds the one for a principal on a route, or refuses what does not exist for it. */
import type { Principal } from '../../auth/authenticator.ts';
import { isConfined, sees, seesVirtualServer } from '../../auth/authorize.ts';
import type { Access, ItemOverride, ItemReference, VirtualServer } from '../../config/registration.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { UpstreamPool } from '../../upstream/pool.ts';
import { namesOf, PLAIN, type Names } from '../names.ts';
import { routeKey, type Endpoint } from '../route.ts';
import { keptServerView } from './kept-server-views.ts';
import { ServerView, type ServerViewOptions } from './server-view.ts';
import { View } from './view.ts';

/** Sets of servers that are remembered; beyond them a set is worked out anew. */
const MAX_REACHES = 1_000;
const NOTHING_SELECTED: readonly ItemReference[] = [];

/** The servers that exist for some principals, and the views that they share. */
interface Reach {
  readonly pools: ReadonlyMap<string, UpstreamPool>;
  /** By the key of the route. */
  readonly views: Map<string, View>;
}

type Place = Pick<Runtime, 'config' | 'pools'>;

export class Views {
  readonly #runtime: Place;
  readonly #access: ReadonlyMap<string, Access>;
  readonly #overrides: ReadonlyMap<string, readonly ItemOverride[]>;
  readonly #virtualServers: ReadonlyMap<string, VirtualServer>;
  readonly #virtualIds: ReadonlyMap<string, string>;
  readonly #everybody: Reach;
  /** Teams and users that see what others do not. */
  readonly #teams: ReadonlySet<string>;
  readonly #owners: ReadonlySet<string>;
  readonly #reaches = new Map<string, Reach>();
  readonly #reachOf = new WeakMap<Principal, Reach>();
  readonly #serverViews = new Map<string, ServerView>();
  /** True when some server does not exist for everybody. */
  readonly restricted: boolean;

  constructor(runtime: Place) {
    this.#runtime = runtime;
    const { servers, overrides, virtualServers } = runtime.config;
    this.#access = new Map(servers.map(({ name, registration }) => [name, registration.access]));
    this.#overrides = Map.groupBy(overrides, ({ server }) => server);
    this.#virtualServers = new Map(virtualServers.map((server) => [server.id, server]));
    this.#virtualIds = new Map(virtualServers.map(({ name, id }) => [name, id]));
    const accesses = [...this.#access.values()];
    this.restricted = accesses.some(({ visibility }) => visibility !== 'public');
    this.#teams = new Set(
      accesses.flatMap(({ visibility, team }) => (visibility === 'team' && team !== undefined ? [team] : [])),
    );
    this.#owners = new Set(
      accesses.flatMap(({ visibility, owner }) => (visibility === 'private' && owner !== undefined ? [owner] : [])),
    );
    this.#everybody = { pools: runtime.pools, views: new Map() };
  }

  /** The route under the names that sessions are kept by: groups look like servers, and virtual servers have names beside their ids. */
  resolve(route: Endpoint): Endpoint {
    if (route.kind === 'server' && Object.hasOwn(this.#runtime.config.gateway.groups, route.server))
      return { kind: 'unified', group: route.server, ...(route.sse && { sse: route.sse }) };
    // The name that the endpoint of all servers has in ContextForge, unless a server has it.
    if (route.kind === 'server' && route.server === 'http' && this.#runtime.config.managed && !this.#access.has('http'))
      return { kind: 'unified', group: undefined, ...(route.sse && { sse: route.sse }) };
    if (route.kind !== 'virtual' || this.#virtualServers.has(route.id)) return route;
    const id = this.#virtualIds.get(route.id);
    return id === undefined ? route : { ...route, id };
  }

  /** True when the endpoint exists for anybody. */
  exists(route: Endpoint): boolean {
    if (route.kind === 'server') return this.#access.has(route.server);
    return route.kind === 'unified' || this.#virtualServers.has(route.id);
  }

  /** Who may see a server, by its name. */
  access(server: string): Access | undefined {
    return this.#access.get(server);
  }

  /** Throws `unknown_server` or `not_found` for what does not exist, or not for this principal: it cannot tell the two apart. */
  view(principal: Principal, route: Endpoint): View {
    switch (route.kind) {
      case 'server':
        return this.#ofServer(principal, route.server);
      case 'virtual':
        return this.#ofVirtual(principal, route);
      case 'unified':
        if (isConfined(principal))
          throw new GatewayError('not_found', 'This token leads to virtual servers only; use /servers/{id}/mcp.');
        return this.#shared(principal, route, this.#members(route.group));
    }
  }

  /** The servers of a group; undefined = all. */
  #members(group: string | undefined): readonly string[] | undefined {
    const { groups } = this.#runtime.config.gateway;
    if (group === undefined) return undefined;
    const members = Object.hasOwn(groups, group) ? groups[group] : undefined;
    if (members === undefined) throw new GatewayError('unknown_server', `No group "${group}" is configured.`);
    return members;
  }

  #ofServer(principal: Principal, server: string): View {
    const pool = this.#runtime.pools.get(server);
    const access = this.#access.get(server);
    if (pool === undefined || access === undefined || isConfined(principal) || !sees(principal, access))
      throw new GatewayError('unknown_server', `No server "${server.slice(0, 100)}" is configured.`);
    const { views } = this.#everybody;
    const key = `server:${server}`;
    let view = views.get(key);
    if (view === undefined) {
      view = this.#make(new Map([[server, pool]]), PLAIN, undefined, access.visibility !== 'public');
      views.set(key, view);
    }
    return view;
  }

  #ofVirtual(principal: Principal, route: Extract<Endpoint, { kind: 'virtual' }>): View {
    const virtual = this.#virtualServers.get(route.id);
    if (virtual === undefined || !seesVirtualServer(principal, virtual))
      throw new GatewayError('unknown_server', `No virtual server "${route.id.slice(0, 100)}" exists.`);
    const servers = new Set(virtual.items.map(({ server }) => server));
    return this.#shared(principal, route, servers, virtual);
  }

  /** The view of an endpoint that several servers share: those of `among` that exist for the principal. */
  #shared(principal: Principal, route: Endpoint, among: Iterable<string> | undefined, virtual?: VirtualServer): View {
    const reach = this.#reach(principal);
    const key = routeKey(route);
    let view = reach.views.get(key);
    if (view === undefined) {
      const wanted = among && new Set(among);
      const pools = wanted === undefined ? reach.pools : new Map([...reach.pools].filter(([name]) => wanted.has(name)));
      const restricted = this.restricted || (virtual !== undefined && virtual.access.visibility !== 'public');
      view = this.#make(pools, namesOf(this.#runtime), virtual, restricted);
      reach.views.set(key, view);
    }
    return view;
  }

  #reach(principal: Principal): Reach {
    if (!this.restricted) return this.#everybody;
    let reach = this.#reachOf.get(principal);
    if (reach === undefined) {
      const { user, teams } = principal;
      const owner = user !== undefined && this.#owners.has(user) ? user : '';
      const key = JSON.stringify([owner, teams.filter((team) => this.#teams.has(team)).toSorted()]);
      reach = this.#reaches.get(key) ?? this.#newReach(key, principal);
      this.#reachOf.set(principal, reach);
    }
    return reach;
  }

  #newReach(key: string, principal: Principal): Reach {
    const pools = [...this.#runtime.pools].filter(([name]) => {
      const access = this.#access.get(name);
      return access !== undefined && sees(principal, access);
    });
    const reach = { pools: new Map(pools), views: new Map() };
    const [oldest] = this.#reaches.keys();
    if (this.#reaches.size >= MAX_REACHES && oldest !== undefined) this.#reaches.delete(oldest);
    this.#reaches.set(key, reach);
    return reach;
  }

  #make(
    pools: ReadonlyMap<string, UpstreamPool>,
    names: Names,
    virtual: VirtualServer | undefined,
    restricted: boolean,
  ): View {
    const selections = virtual && Map.groupBy(virtual.items, ({ server }) => server);
    return new View({
      pools,
      names,
      virtual,
      restricted,
      overrides: this.#overrides.size === 0 ? [] : [...pools.keys()].flatMap((name) => this.#overrides.get(name) ?? []),
      serverView: (server) => this.#serverView(server, names, virtual, selections?.get(server)),
    });
  }

  #serverView(
    server: string,
    names: Names,
    virtual: VirtualServer | undefined,
    selection: readonly ItemReference[] | undefined,
  ): ServerView {
    const key = JSON.stringify([names.mode, server, virtual?.id]);
    let view = this.#serverViews.get(key);
    if (view === undefined) {
      const pool = this.#runtime.pools.get(server);
      const options: ServerViewOptions = {
        server,
        tools: pool?.config.tools,
        names,
        overrides: this.#overrides.get(server) ?? [],
        selection: virtual === undefined ? undefined : (selection ?? NOTHING_SELECTED),
      };
      view = pool === undefined ? new ServerView(options) : keptServerView(pool, key, options);
      this.#serverViews.set(key, view);
    }
    return view;
  }
}

const VIEWS = new WeakMap<Place, Views>();

/** The views of a Runtime, made when they are first wanted. */
export function viewsOf(runtime: Place): Views {
  let views = VIEWS.get(runtime);
  if (views === undefined) {
    views = new Views(runtime);
    VIEWS.set(runtime, views);
  }
  return views;
}
