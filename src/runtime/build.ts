/** Builds a Runtime from a Config: everything is made, nothing is started but what must be known to work. */
import type { Authenticator } from '../auth/authenticator.ts';
import { createRequestSignatures, type RequestSignatures } from '../auth/hmac-signature.ts';
import type { Config, ServerConfig } from '../config/config.ts';
import { hostDirectories, mountPolicyFrom } from '../config/mount-policy.ts';
import type { Guard } from '../guards/guard.ts';
import { createPayloadStorage, type PayloadStorage } from '../guards/payload-storage.ts';
import type { Lease } from '../shared/shared-lease.ts';
import type { Telemetry } from '../telemetry/log.ts';
import type { Identities } from '../tls/identities.ts';
import { ContainerHost } from '../upstream/container/container-host.ts';
import { WITHOUT_WALL } from '../upstream/container/wall/server-wall.ts';
import { findEngine } from '../upstream/container/engine-command.ts';
import { GithubOidcTokens } from '../upstream/credentials/github-oidc.ts';
import { Connector } from '../upstream/http/connector.ts';
import { UpstreamPool } from '../upstream/pool.ts';
import type { ListedItem } from '../upstream/refresher.ts';
import { addressPolicyFor, allowedPlaces } from './allowed-places.ts';
import { carryOver, isGoodFor, type Part } from './part.ts';
import { connectionFor, type ConnectionObserver, type Rooms } from './registry.ts';
import type { Runtime } from './runtime.ts';

const TOKEN_CONNECT_TIMEOUT_MS = 10_000;

/** Takes everything that a server lists, whenever all of it was read. */
export type OnItems = (server: string, items: readonly ListedItem[]) => void;

export interface BuildOptions {
  readonly config: Config;
  readonly telemetry: Telemetry;
  readonly version: string;
  /** TLS material of the servers; outlives every Runtime. */
  readonly identities: Identities;
  /** Rejects when keys cannot be read. */
  readonly authenticatorFor: (config: Config) => Promise<Authenticator>;
  /** The Runtime that this one is to replace: what has not changed is taken over from it, with everything that is open. */
  readonly previous?: BuiltRuntime;
  /** Servers that were opened before their place in the configuration, and what they run in. */
  readonly opened?: OpenedParts;
  /** Without it listings are read when clients ask for them. */
  readonly onItems?: OnItems | undefined;
}

export interface OpenedParts {
  readonly servers: ReadonlyMap<string, Part<ServedPool>>;
  readonly containers: Part<ContainerHost> | undefined;
}

export interface BuiltRuntime extends Runtime {
  readonly parts: Parts;
}

/** What a Runtime shares with the one before and the one after it. */
interface Parts {
  readonly tokens: Part<Tokens>;
  readonly containers: Part<ContainerHost> | undefined;
  readonly payloads: Part<PayloadStorage> | undefined;
  readonly servers: ReadonlyMap<string, Part<ServedPool>>;
}

interface Tokens extends AsyncDisposable {
  readonly oidc: GithubOidcTokens;
}

export interface ServedPool extends AsyncDisposable {
  readonly pool: UpstreamPool;
}

/** Rejects when the payload directory cannot be used. A container engine that does not answer fails its servers, not the build. */
export async function buildRuntime({
  config,
  telemetry,
  version,
  identities,
  authenticatorFor,
  previous,
  opened,
  onItems,
}: BuildOptions): Promise<BuiltRuntime> {
  await using stack = new AsyncDisposableStack();
  const before = previous?.parts;
  const authenticator = await authenticatorFor(config);
  const payloadsPart = await payloadsFor(config, telemetry, before);
  const payloads = payloadsPart && stack.use(payloadsPart.shared.lease()).value;
  const tokens = await carryOver(before?.tokens, 'tokens', () => openTokens(identities));
  const containers = await containersFor(config, telemetry.log, before?.containers ?? opened?.containers);
  const rooms: Rooms = {
    identities,
    oidc: stack.use(tokens.shared.lease()).value.oidc,
    containers: containers && stack.use(containers.shared.lease()).value,
    mountPolicy: await mountPolicyOf(telemetry.log),
    addresses: addressPolicyFor(config.gateway),
  };
  const servers = new Map<string, Part<ServedPool>>();
  const leases: Lease<ServedPool>[] = [];
  for (const server of config.servers) {
    const madeFrom = whatMakes(server, config);
    const known = [before?.servers.get(server.name), opened?.servers.get(server.name)];
    const part = await carryOver(
      known.find((each) => isGoodFor(each, madeFrom)),
      madeFrom,
      () => servePool(server, { config, telemetry, rooms, version, onItems }),
    );
    servers.set(server.name, part);
    leases.push(stack.use(part.shared.lease()));
  }
  const pools = new Map(leases.map(({ value: { pool } }) => [pool.name, pool]));
  const guards: Guard[] = payloads === undefined ? [] : [payloads];
  const owned = stack.move();
  let ended: Promise<void> | undefined;
  return {
    config,
    authenticator,
    signatures: signaturesFor(config, previous),
    guards,
    pools,
    parts: { tokens, containers, payloads: payloadsPart, servers },
    isAddressOfContainer: (address) => rooms.containers?.isAddressOfContainer(address) ?? false,
    async endSession(session) {
      await Promise.all([...pools.values()].map((pool) => pool.detach(session)));
      await payloads?.forgetSession(session.sessionId);
    },
    [Symbol.asyncDispose]: () => (ended ??= disposePoolsTogether(leases, owned)),
  };
}

/** With the same secret the same ones: what has been used once stays used over a reload. */
function signaturesFor({ gateway }: Config, previous: BuiltRuntime | undefined): RequestSignatures | undefined {
  const secret = gateway.hmacSecret;
  if (secret === undefined) return undefined;
  const before = previous?.config.gateway.hmacSecret === secret ? previous.signatures : undefined;
  return before ?? createRequestSignatures(secret);
}

/** Servers may take seconds to end: they do so side by side, and the rest follows in reverse order. */
async function disposePoolsTogether(pools: readonly AsyncDisposable[], rest: AsyncDisposableStack): Promise<void> {
  await Promise.allSettled(pools.map((pool) => pool[Symbol.asyncDispose]()));
  await rest.disposeAsync();
}

async function payloadsFor(
  { gateway }: Config,
  { log }: Telemetry,
  before: Parts | undefined,
): Promise<Part<PayloadStorage> | undefined> {
  const { payloadDir: directory, payloadPathPrefix: pathPrefix, payloadSizeThreshold: threshold } = gateway;
  if (directory === undefined) return undefined;
  return carryOver(before?.payloads, { directory, pathPrefix, threshold }, async () => {
    const payloads = createPayloadStorage({ directory, pathPrefix, threshold, log });
    await payloads.start();
    return payloads;
  });
}

function openTokens(identities: Identities): Tokens {
  const connector = new Connector({ connectTimeoutMs: TOKEN_CONNECT_TIMEOUT_MS, identity: identities.plain() });
  return {
    oidc: new GithubOidcTokens({ connector }),
    [Symbol.asyncDispose]: () => connector[Symbol.asyncDispose](),
  };
}

export async function mountPolicyOf(log: Telemetry['log']): Promise<Rooms['mountPolicy']> {
  const { policy, ignored } = await mountPolicyFrom(process.env, hostDirectories());
  if (ignored.length > 0)
    log.warn({ ignored }, 'entries of MCP_GATEWAY_ALLOWED_MOUNT_ROOTS that are no usable directory are ignored');
  return policy;
}

/** undefined when no server needs any. The caller must lease it. */
export async function containersFor(
  { gateway, servers }: Pick<Config, 'gateway' | 'servers'>,
  log: Telemetry['log'],
  before: Part<ContainerHost> | undefined,
): Promise<Part<ContainerHost> | undefined> {
  if (!servers.some((server) => server.kind === 'container')) return undefined;
  return carryOver(before, gateway.containerRuntime, () => openContainers(gateway, log));
}

async function openContainers(gateway: Config['gateway'], log: Telemetry['log']): Promise<ContainerHost> {
  const containers = new ContainerHost(findEngine(gateway.containerRuntime), {
    onNotice: (text) => log.warn(text),
  });
  try {
    const { version, removed, remaining, undecided, tables } = await containers.start();
    log.info({ engine: gateway.containerRuntime.engine, version }, 'the container engine answers');
    if (removed.length > 0) log.warn({ removed }, 'removed what an earlier gateway left behind');
    if (remaining.length > 0) log.warn({ remaining }, 'could not remove what an earlier gateway left behind');
    if (tables.length > 0) log.warn({ tables }, 'removed tables of earlier gateways from the packet filter');
    tellOfWall(containers, log);
    if (undecided.length > 0) log.warn({ undecided }, 'left alone what may belong to a gateway elsewhere');
  } catch (error) {
    // Each container server reports it again as the reason for its own failure.
    log.error({ err: error }, 'the container engine does not answer');
  }
  return containers;
}

function tellOfWall({ engine, nft, wall }: ContainerHost, log: Telemetry['log']): void {
  if (engine.kind !== 'docker') return;
  if ('missing' in nft)
    log.warn(`Isolation between servers rests on Docker's own rules alone: ${nft.missing}. ${WITHOUT_WALL}`);
  else
    log.info({ table: `inet ${wall.table}` }, 'networks of servers are kept apart by a table of this gateway as well');
}

/** Everything that a server's conversations depend on: while it is the same, they go on as they are. */
export function whatMakes(server: ServerConfig, { gateway }: Pick<Config, 'gateway'>): unknown {
  let known = MAKERS.get(gateway);
  if (known === undefined) MAKERS.set(gateway, (known = new WeakMap()));
  let made = known.get(server);
  if (made === undefined) known.set(server, (made = makersOf(server, gateway)));
  return made;
}

/** Worked out once: of hundreds of servers a change of the store leaves all but one as the objects that they were. */
const MAKERS = new WeakMap<Config['gateway'], WeakMap<ServerConfig, object>>();

function makersOf({ registration: { origin }, ...server }: ServerConfig, gateway: Config['gateway']): object {
  const { keepaliveIntervalMs, containerRuntime } = gateway;
  if (server.kind === 'container') return { server, containerRuntime };
  const places = origin.kind === 'store' ? allowedPlaces(gateway) : undefined;
  return { server, keepaliveIntervalMs, places };
}

export interface PoolContext {
  readonly config: Pick<Config, 'gateway'>;
  readonly telemetry: Telemetry;
  readonly rooms: Rooms;
  /** Of the gateway, for the server. */
  readonly version: string;
  readonly observer?: ConnectionObserver | undefined;
  readonly onItems?: OnItems | undefined;
}

export function servePool(
  server: ServerConfig,
  { config, telemetry, rooms, version, observer, onItems }: PoolContext,
): ServedPool {
  const log = telemetry.serverLog(server.name);
  const connection = connectionFor(server, rooms, log, observer);
  const pool = new UpstreamPool({
    config: server,
    candidates: connection.candidates,
    isMismatch: connection.isMismatch,
    clientInfo: JSON.stringify({ name: 'gatehouse', title: 'Gatehouse', version }),
    log,
    record: (direction, text) => {
      if (telemetry.recordsMessages) telemetry.recordMessage(direction, server.name, text);
    },
    isRecorded: telemetry.recordsMessages,
    keepaliveIntervalMs: config.gateway.keepaliveIntervalMs,
    onItems: onItems && ((items) => onItems(server.name, items)),
  });
  return {
    pool,
    async [Symbol.asyncDispose]() {
      await using _connection = connection;
      await pool[Symbol.asyncDispose]();
    },
  };
}
