/** How a server appears in the management API, whoever owns it. */
import type { ServerConfig } from '../../config/config.ts';
import { joinSecrets } from '../../config/entry-secrets.ts';
import type { Access, ItemKind } from '../../config/registration.ts';
import type { LeftOut } from '../../runtime/stored-config.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { GatewayRecord } from '../../store/store.ts';
import type { UpstreamPool } from '../../upstream/pool.ts';
import { type GatewayBody, type ItemCounts, MASK } from '../contract/gateways.ts';
import { iso } from '../objects.ts';
import { countsOf } from './trial.ts';

/** A server that there is: one of the store, or one of the configuration file. */
export type Known = KnownOfStore | KnownOfFile;

export interface KnownOfStore {
  readonly id: string;
  readonly name: string;
  readonly access: Access;
  readonly record: GatewayRecord;
}

export interface KnownOfFile {
  readonly id: string;
  readonly name: string;
  readonly access: Access;
  readonly server: ServerConfig;
  readonly file: string;
}

/** What is in use, to tell from it how a server is. */
export interface Surroundings {
  readonly runtime: Runtime;
  readonly leftOut: ReadonlyMap<string, LeftOut>;
  /** What servers have listed, by their name. */
  readonly counts: ReadonlyMap<string, ItemCounts>;
}

const NOTHING_LISTED: ItemCounts = { tools: 0, resources: 0, resourceTemplates: 0, prompts: 0 };

export function knownOfFile({ config }: Runtime): readonly KnownOfFile[] {
  return config.servers.flatMap((server) => {
    const { id, origin, access } = server.registration;
    return origin.kind === 'file' ? [{ id, name: server.name, access, server, file: origin.name }] : [];
  });
}

export function knownOfStore(record: GatewayRecord): KnownOfStore {
  return { id: record.id, name: record.name, access: record.access, record };
}

/** What the servers have listed last, by their names. */
export function countsByServer(
  items: readonly { readonly server: string; readonly kind: ItemKind; readonly present: boolean }[],
): Surroundings['counts'] {
  const present = Map.groupBy(
    items.filter((item) => item.present),
    ({ server }) => server,
  );
  return new Map([...present].map(([server, listed]) => [server, countsOf(listed)]));
}

export function presentGateway(known: Known, { runtime, leftOut, counts }: Surroundings): GatewayBody {
  const served = runtime.config.servers.find(({ registration }) => registration.id === known.id);
  const pool = served === undefined ? undefined : runtime.pools.get(served.name);
  const about = 'record' in known ? aboutRecord(known.record) : aboutFile(known);
  const out = leftOut.get(known.id);
  return {
    ...about,
    name: known.name,
    id: known.id,
    visibility: known.access.visibility,
    owner: known.access.owner ?? null,
    team: known.access.team ?? null,
    status: {
      state: out?.why ?? ('record' in known ? stateOf(known.record) : 'active'),
      ...healthOf(pool, out),
      counts: counts.get(known.name) ?? NOTHING_LISTED,
    },
  };
}

type About = Pick<GatewayBody, 'description' | 'tags' | 'enabled' | 'source' | 'createdAt' | 'updatedAt'>;

function aboutRecord(record: GatewayRecord): About & Readonly<Record<string, unknown>> {
  return {
    ...joinSecrets(record, () => MASK),
    description: record.description ?? null,
    tags: [...record.tags],
    enabled: record.enabled,
    source: { kind: 'store', name: null },
    createdAt: iso(record.createdAt),
    updatedAt: iso(record.updatedAt),
  };
}

/** What a file says of a server is for who reads the configuration; here is what it is. */
function aboutFile({ server, file }: KnownOfFile): About & Readonly<Record<string, unknown>> {
  return {
    type: server.kind === 'http' ? 'http' : 'stdio',
    ...(server.kind === 'http' ? { url: withoutQuery(server.url) } : { container: server.container.image }),
    description: server.registration.description ?? null,
    tags: [...server.registration.tags],
    enabled: true,
    source: { kind: 'file', name: file },
    createdAt: null,
    updatedAt: null,
  };
}

/** Keys stand in queries. */
function withoutQuery(url: string): string {
  const bare = new URL(url);
  bare.search = '';
  return bare.href;
}

function stateOf({ enabled, state }: GatewayRecord): GatewayBody['status']['state'] {
  return enabled ? state : 'disabled';
}

type HealthFields = Omit<GatewayBody['status'], 'state' | 'counts'>;

function healthOf(pool: UpstreamPool | undefined, out: LeftOut | undefined): HealthFields {
  if (pool === undefined) {
    const nothing = { since: null, nextProbe: null, transport: null, eras: null };
    return { reachable: false, health: 'stopped', reason: out?.reason ?? null, ...nothing };
  }
  const { state, reason, since, nextProbe } = pool.health;
  const { legacy, modern } = pool.eras;
  return {
    reachable: state === 'healthy' || state === 'degraded',
    health: state,
    reason: reason ?? null,
    since: iso(since),
    nextProbe: nextProbe === undefined ? null : iso(nextProbe),
    transport: pool.transport ?? null,
    eras: { legacy, modern },
  };
}
