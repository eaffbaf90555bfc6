/** What the store adds to the configuration of the operator: registered servers, virtual servers and changes of single items. */
import type { Config, ServerConfig } from '../config/config.ts';
import { joinSecrets } from '../config/entry-secrets.ts';
import { materialRoots } from '../config/material-roots.ts';
import { hostDirectories, mountPolicyFrom } from '../config/mount-policy.ts';
import { buildStoredServer, type BuiltServer, type StoredServerContext } from '../config/stored-server.ts';
import type { GatewayRecord, OverrideRecord, Row, Store, VirtualServerRecord } from '../store/store.ts';

/** Why a registered server does not take part. */
export interface LeftOut {
  readonly why: 'shadowed' | 'invalid';
  /** For people; never holds a secret. */
  readonly reason: string;
}

/** A Config, and what was left out of it. */
export interface CombinedConfig {
  readonly config: Config;
  /** By id. Disabled servers and those whose registration is under way are not among them. */
  readonly leftOut: ReadonlyMap<string, LeftOut>;
  /** The revision of the store that at least is in it. */
  readonly revision: number;
}

export type Registrable = Pick<
  GatewayRecord,
  'id' | 'name' | 'document' | 'secrets' | 'access' | 'description' | 'tags'
>;

interface Known {
  readonly version: number;
  readonly gateway: Config['gateway'];
  readonly built: BuiltServer;
}

export class StoredConfig {
  readonly #store: Store;
  readonly #env: NodeJS.ProcessEnv;
  readonly #onBuilt: (server: ServerConfig) => void;
  /** What was built from each record. A change of one of hundreds must not cost the price of all. */
  #known: ReadonlyMap<string, Known> = new Map();
  #virtualServers: readonly VirtualServerRecord[] = [];
  #overrides: readonly OverrideRecord[] = [];
  #used: CombinedConfig | undefined;
  /** Names of servers that were registered and not yet reached. */
  #pending: ReadonlySet<string> = new Set();

  /** `onBuilt` is told of each server before anything is done with it: its secrets must not reach a log. */
  constructor(store: Store, env: NodeJS.ProcessEnv, onBuilt: (server: ServerConfig) => void) {
    this.#store = store;
    this.#env = env;
    this.#onBuilt = onBuilt;
  }

  /** What is wrong with registered servers that are in the store and not in the Config that is in use. */
  get leftOut(): CombinedConfig['leftOut'] {
    return this.#used?.leftOut ?? new Map<string, LeftOut>();
  }

  /** True for a registered server that nobody has reached yet. */
  isPending(name: string): boolean {
    return this.#pending.has(name);
  }

  /** True when the store has changed since what is in use was read. */
  async isStale(): Promise<boolean> {
    return this.#used?.revision !== (await this.#store.revision());
  }

  /** The Config in use is this one from now on. */
  use(combined: CombinedConfig): void {
    this.#used = combined;
  }

  /**
   * The file's configuration with everything that the store adds. What does not hold is left out and never stops anything;
   * a server of the file goes before a registered one of the same name. Rejects only when the store cannot be read.
   */
  async combine(file: Config): Promise<CombinedConfig> {
    const revision = await this.#store.revision();
    const [records, virtualServers, overrides] = await Promise.all([
      this.#store.gateways(),
      this.#store.virtualServers(),
      this.#store.overrides(),
    ]);
    const context = await this.context(file);
    const taken = takenNames(file);
    const servers: ServerConfig[] = [...file.servers];
    const leftOut = new Map<string, LeftOut>();
    const known = new Map<string, Known>();
    for (const record of records) {
      if (!takesPart(record)) continue;
      const owner = taken.get(record.name);
      if (owner !== undefined) {
        leftOut.set(record.id, {
          why: 'shadowed',
          reason: `${owner} has the name "${record.name}" and goes before it`,
        });
        continue;
      }
      const earlier = this.#known.get(record.id);
      const built =
        earlier?.version === record.version && earlier.gateway === file.gateway
          ? earlier.built
          : await this.build(record, context);
      known.set(record.id, { version: record.version, gateway: file.gateway, built });
      if (built.ok) servers.push(built.server);
      else leftOut.set(record.id, { why: 'invalid', reason: built.errors.map(sentence).join('; ') });
    }
    this.#known = known;
    this.#pending = new Set(
      records.filter((record) => record.state === 'pending' && takesPart(record)).map(({ name }) => name),
    );
    this.#virtualServers = sameRows(
      this.#virtualServers,
      virtualServers.filter(({ enabled }) => enabled),
    );
    this.#overrides = sameRows(this.#overrides, overrides);
    const config: Config = {
      gateway: file.gateway,
      servers,
      managed: true,
      virtualServers: this.#virtualServers,
      overrides: this.#overrides,
    };
    return { config, leftOut, revision };
  }

  /** Builds the server of a record, which need not be in the store. */
  async build(record: Registrable, context: StoredServerContext): Promise<BuiltServer> {
    const { id, name, access, description, tags } = record;
    const registration = { id, origin: { kind: 'store', id }, access, description, tags } as const;
    const built = await buildStoredServer({ name, entry: joinSecrets(record), registration }, context);
    if (built.ok) this.#onBuilt(built.server);
    return built;
  }

  /** What entries of registered servers are checked against. */
  async context({ gateway }: Config): Promise<StoredServerContext> {
    const { policy } = await mountPolicyFrom(this.#env, hostDirectories());
    return { gateway, mountPolicy: policy, materialRoots: await materialRoots(gateway, this.#env) };
  }
}

/** The rows before where they have not changed, and their very list when none has: what is worked out from them need not be again. */
function sameRows<T extends Row>(before: readonly T[], now: readonly T[]): readonly T[] {
  const known = new Map(before.map((row) => [row.id, row]));
  const rows = now.map((row) => {
    const earlier = known.get(row.id);
    return earlier?.version === row.version ? earlier : row;
  });
  return rows.length === before.length && rows.every((row, index) => row === before[index]) ? before : rows;
}

/** Names that only the file can give up, with who has them. */
export function takenNames({ servers, gateway }: Config): ReadonlyMap<string, string> {
  const groups = Object.keys(gateway.groups).map((name) => [name, 'a group of the configuration file'] as const);
  const owned = servers
    .filter(({ registration }) => registration.origin.kind === 'file')
    .map(({ name, registration: { origin } }) => [name, origin.kind === 'file' ? origin.name : ''] as const);
  return new Map([...groups, ...owned]);
}

/** A row with a lease belongs to a registration that is under way, here or in another process. */
function takesPart({ enabled, state, leaseUntil }: GatewayRecord): boolean {
  return enabled && (state === 'active' || leaseUntil === undefined);
}

function sentence({ path, message }: { readonly path: string; readonly message: string }): string {
  return path === '' ? message : `${path}: ${message}`;
}
