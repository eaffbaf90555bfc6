/** Builds a Runtime from a Config: everything is made, nothing is started but what must be known to work. */
import { createAgentIdAuthenticator } from '../auth/agent-id.ts';
import type { Config, ServerConfig } from '../config/config.ts';
import { hostDirectories, mountPolicyFrom } from '../config/mount-policy.ts';
import type { Guard } from '../guards/guard.ts';
import { createPayloadStorage, type PayloadStorage } from '../guards/payload-storage.ts';
import type { Telemetry } from '../telemetry/log.ts';
import { ContainerHost } from '../upstream/container/container-host.ts';
import { findEngine } from '../upstream/container/engine-command.ts';
import { GithubOidcTokens } from '../upstream/credentials/github-oidc.ts';
import { Connector } from '../upstream/http/connector.ts';
import { UpstreamPool } from '../upstream/pool.ts';
import { connectionFor, type Rooms } from './registry.ts';
import type { Runtime } from './runtime.ts';

const PROBE_INTERVAL_MS = 30_000;
const TOKEN_CONNECT_TIMEOUT_MS = 10_000;

export interface BuildOptions {
  readonly config: Config;
  readonly telemetry: Telemetry;
  readonly version: string;
}

/** Rejects when the payload directory cannot be used. A container engine that does not answer fails its servers, not the build. */
export async function buildRuntime({ config, telemetry, version }: BuildOptions): Promise<Runtime> {
  await using stack = new AsyncDisposableStack();
  const payloads = await openPayloads(config, telemetry);
  if (payloads !== undefined) stack.use(payloads);
  const rooms = await openRooms(config, telemetry, stack);
  const clientInfo = JSON.stringify({ name: 'gatehouse', title: 'Gatehouse', version });
  const pools = new Map<string, UpstreamPool>();
  for (const server of config.servers) {
    pools.set(server.name, stack.use(buildPool(server, { config, telemetry, rooms, clientInfo, stack })));
  }
  const guards: Guard[] = payloads === undefined ? [] : [payloads];
  const owned = stack.move();
  return {
    config,
    authenticator: createAgentIdAuthenticator(config.gateway.agentIds),
    guards,
    pools,
    async endSession(session) {
      await Promise.all([...pools.values()].map((pool) => pool.detach(session)));
      await payloads?.forgetSession(session.sessionId);
    },
    [Symbol.asyncDispose]: () => disposePoolsTogether(pools, owned),
  };
}

/** Servers may take seconds to end: they do so side by side, and the rest follows in reverse order. */
async function disposePoolsTogether(
  pools: ReadonlyMap<string, UpstreamPool>,
  rest: AsyncDisposableStack,
): Promise<void> {
  await Promise.allSettled([...pools.values()].map((pool) => pool[Symbol.asyncDispose]()));
  await rest.disposeAsync();
}

async function openPayloads({ gateway }: Config, { log }: Telemetry): Promise<PayloadStorage | undefined> {
  if (gateway.payloadDir === undefined) return undefined;
  const payloads = createPayloadStorage({
    directory: gateway.payloadDir,
    pathPrefix: gateway.payloadPathPrefix,
    threshold: gateway.payloadSizeThreshold,
    log,
  });
  await payloads.start();
  return payloads;
}

async function openRooms(config: Config, { log }: Telemetry, stack: AsyncDisposableStack): Promise<Rooms> {
  const tokenConnector = stack.use(new Connector({ connectTimeoutMs: TOKEN_CONNECT_TIMEOUT_MS }));
  const { policy, ignored } = await mountPolicyFrom(process.env, hostDirectories());
  if (ignored.length > 0)
    log.warn({ ignored }, 'entries of MCP_GATEWAY_ALLOWED_MOUNT_ROOTS that are no usable directory are ignored');
  return {
    containers: await openContainers(config, log, stack),
    mountPolicy: policy,
    oidc: new GithubOidcTokens({ connector: tokenConnector }),
  };
}

async function openContainers(
  { gateway, servers }: Config,
  log: Telemetry['log'],
  stack: AsyncDisposableStack,
): Promise<ContainerHost | undefined> {
  if (!servers.some((server) => server.kind === 'container')) return undefined;
  const containers = stack.use(
    new ContainerHost(findEngine(gateway.containerRuntime), { onNotice: (text) => log.warn(text) }),
  );
  try {
    const { version, removed, remaining, undecided } = await containers.start();
    log.info({ engine: gateway.containerRuntime.engine, version }, 'the container engine answers');
    if (removed.length > 0) log.warn({ removed }, 'removed what an earlier gateway left behind');
    if (remaining.length > 0) log.warn({ remaining }, 'could not remove what an earlier gateway left behind');
    if (undecided.length > 0) log.warn({ undecided }, 'left alone what may belong to a gateway elsewhere');
  } catch (error) {
    // Each container server reports it again as the reason for its own failure.
    log.error({ err: error }, 'the container engine does not answer');
  }
  return containers;
}

interface PoolContext {
  readonly config: Config;
  readonly telemetry: Telemetry;
  readonly rooms: Rooms;
  readonly clientInfo: string;
  readonly stack: AsyncDisposableStack;
}

function buildPool(server: ServerConfig, { config, telemetry, rooms, clientInfo, stack }: PoolContext): UpstreamPool {
  const log = telemetry.serverLog(server.name);
  const connection = stack.use(connectionFor(server, rooms, log));
  return new UpstreamPool({
    config: server,
    candidates: connection.candidates,
    isMismatch: connection.isMismatch,
    clientInfo,
    log,
    record: (direction, text) => telemetry.recordMessage(direction, server.name, text),
    keepaliveIntervalMs: config.gateway.keepaliveIntervalMs,
    probeIntervalMs: PROBE_INTERVAL_MS,
  });
}
