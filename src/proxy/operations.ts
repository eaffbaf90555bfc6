/** The endpoints for operators: health, readiness, status, metrics, certificates, log level, reload, close. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isConfined, may, seesInApi } from '../auth/authorize.ts';
import type { Permission } from '../auth/permissions.ts';
import { GATEWAY_SPEC_VERSION } from '../mcp/versions.ts';
import type { ReloadResult, ReloadStatus } from '../runtime/reload.ts';
import { visibleReload } from '../runtime/visible-reload.ts';
import { GatewayError } from '../shared/errors.ts';
import { CONTENT_TYPE } from '../telemetry/exposition.ts';
import type { HealthState } from '../upstream/health.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import { recordDenial } from './denial.ts';
import type { Admitted } from './exchange.ts';
import type { Front } from './front.ts';
import { readBody } from './read-body.ts';
import { respondJson, respondText } from './respond.ts';
import type { OperationName } from './route.ts';
import { viewsOf } from './view/views.ts';

export interface OperationsDeps {
  readonly front: Front;
  /** True once every server was attempted. */
  readonly ready: () => boolean;
  /** Begins to close the gateway; false when that was begun before. */
  readonly close: () => boolean;
  /** Reads configuration and certificates again; resolves with what became of it. */
  readonly reload: () => Promise<ReloadResult>;
  readonly reloads: () => ReloadStatus;
  /** How the store is, as it is shown; undefined = there is none. */
  readonly store: () => object | undefined;
  /** In the text format of Prometheus. */
  readonly metrics: (isVisible: (server: string) => boolean) => Promise<string>;
  /** The processes beside this one that serve the same port. */
  readonly workers: () => Promise<WorkersDocument>;
  /** Certificates, authorities and revocation lists, with who uses them. */
  readonly certificates: (isVisible: (server: string) => boolean) => object;
  /** Throws an Error for a level that does not exist. */
  readonly setLogLevel: (level: string, server: string | undefined) => void;
}

export interface WorkersDocument {
  /** One entry for each. */
  readonly status: readonly object[];
  readonly requestsInFlight: number;
}

type PublicOperation = 'health' | 'ready';

/** What the others need. */
export const OPERATION_PERMISSIONS = {
  status: 'status.read',
  metrics: 'status.read',
  certs: 'status.read',
  'log-level': 'gateway.operate',
  reload: 'gateway.operate',
  close: 'gateway.operate',
} as const satisfies Readonly<Record<Exclude<OperationName, PublicOperation>, Permission>>;

type Caller = Pick<Admitted, 'principal' | 'requestId' | 'address' | 'runtime'>;

/** Operations that anybody may call (specification 1.17: `/health` needs no authentication). */
export function isPublic(name: OperationName): name is PublicOperation {
  return name === 'health' || name === 'ready';
}

/** Answers one without knowing who asks. Rejects with a GatewayError. */
export async function handlePublicOperation(
  deps: OperationsDeps,
  name: PublicOperation,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  allow(request, 'GET', 'HEAD');
  if (name === 'health') return respondJson(response, 200, JSON.stringify(healthDocument(deps.front)));
  const ready = deps.ready() && !deps.front.draining();
  respondJson(response, ready ? 200 : 503, JSON.stringify({ ready }));
}

/** Answers one operator's request. Rejects with a GatewayError. */
export async function handleOperation(
  deps: OperationsDeps,
  name: OperationName,
  request: IncomingMessage,
  response: ServerResponse,
  caller: Caller,
): Promise<void> {
  if (isPublic(name)) return handlePublicOperation(deps, name, request, response);
  await permit(deps.front, name, request, caller);
  switch (name) {
    case 'status':
      allow(request, 'GET', 'HEAD');
      return respondJson(response, 200, JSON.stringify(statusDocument(deps, caller, await deps.workers())));
    case 'metrics':
      allow(request, 'GET', 'HEAD');
      return respondText(response, CONTENT_TYPE, await deps.metrics((server) => isVisible(deps.front, caller, server)));
    case 'certs':
      allow(request, 'GET', 'HEAD');
      return respondJson(
        response,
        200,
        JSON.stringify(deps.certificates((server) => isVisible(deps.front, caller, server))),
      );
    case 'log-level':
      allow(request, 'PUT');
      return changeLogLevel(deps, request, response, caller);
    case 'reload':
      allow(request, 'POST');
      return reload(deps, response, caller);
    case 'close':
      allow(request, 'POST');
      return close(deps, response);
  }
}

function healthDocument({ runtime, version }: Front): object {
  const servers: Record<string, object> = {};
  let healthy = true;
  const views = viewsOf(runtime());
  for (const pool of runtime().pools.values()) {
    const status = specificationStatus(pool.health.state);
    if (status === 'error') healthy = false;
    // Whoever asks here has said nothing of himself.
    if (views.access(pool.name)?.visibility !== 'public') continue;
    servers[pool.name] = { status, uptime: uptimeOf(pool) };
  }
  return {
    status: healthy ? 'healthy' : 'unhealthy',
    specVersion: GATEWAY_SPEC_VERSION,
    gatewayVersion: version,
    servers,
  };
}

/** Rejects with `forbidden`, when that is in the audit log. */
async function permit(
  front: Front,
  name: keyof typeof OPERATION_PERMISSIONS,
  request: IncomingMessage,
  caller: Caller,
): Promise<void> {
  const permission = OPERATION_PERMISSIONS[name];
  const { principal, runtime } = caller;
  if (may(principal, permission) && !isConfined(principal)) return;
  const { resource } = runtime.authenticator;
  const action = `${request.method ?? ''} /${name}`;
  const failure = new GatewayError('forbidden', `${action} needs the permission ${permission}.`, {
    challenge: resource.challenge(request.url ?? '', { kind: 'scope', scopes: [permission] }),
    data: { permissions: [permission] },
  });
  await recordDenial(front.recordDenial, failure, () => ({ ...caller, action, server: undefined, target: undefined }));
  throw failure;
}

function isVisible({ runtime }: Front, { principal }: Caller, server: string): boolean {
  const access = viewsOf(runtime()).access(server);
  return access !== undefined && seesInApi(principal, access);
}

function visibleResult(front: Front, caller: Caller, result: ReloadResult): ReloadResult {
  return visibleReload(result, front.runtime().config, {
    seesAll: may(caller.principal, 'visibility.all'),
    isVisible: (server) => isVisible(front, caller, server),
  });
}

/** Of the servers only those that exist for the caller. */
function statusDocument(
  { front, ready, reloads, store }: OperationsDeps,
  caller: Caller,
  workers: WorkersDocument,
): object {
  const stored = store();
  const runtime = front.runtime();
  const { config } = runtime;
  const status = reloads();
  const pools = [...runtime.pools.values()].filter(({ name }) => isVisible(front, caller, name));
  const phase = front.draining() ? 'draining' : ready() ? 'ready' : 'starting';
  const servers = pools.map((pool) => {
    const { state, reason, since, nextProbe } = pool.health;
    return {
      name: pool.name,
      kind: pool.config.kind,
      state,
      ...(reason === undefined ? {} : { reason }),
      since: new Date(since).toISOString(),
      listed: pool.listed,
      ...(nextProbe === undefined ? {} : { nextProbe: new Date(nextProbe).toISOString() }),
      uptime: uptimeOf(pool),
      ...(pool.transport === undefined ? {} : { transport: pool.transport }),
      conversations: pool.conversations,
      eras: eraDocument(pool),
      ...(pool.omission === undefined
        ? {}
        : { leftOut: { ...pool.omission, at: new Date(pool.omission.at).toISOString() } }),
      ...(pool.lastWords.length === 0 ? {} : { lastWords: pool.lastWords.slice(-20) }),
    };
  });
  return {
    phase,
    gatewayVersion: front.version,
    mode: config.gateway.mode,
    sessions: front.sessions.size,
    parkedCalls: front.bridge.parked.size,
    requestsInFlight: front.exchanges.size + workers.requestsInFlight,
    ...(workers.status.length === 0 ? {} : { workers: workers.status }),
    ...(stored === undefined ? {} : { store: stored }),
    reloads: { ...status, last: status.last && visibleResult(front, caller, status.last) },
    servers,
  };
}

/** 422: the request was understood, and what it leads to is refused; the body says why. */
async function reload(deps: OperationsDeps, response: ServerResponse, caller: Caller): Promise<void> {
  if (deps.front.draining()) throw new GatewayError('shutting_down', 'Gateway is shutting down');
  const result = await deps.reload();
  respondJson(response, result.ok ? 200 : 422, JSON.stringify(visibleResult(deps.front, caller, result)));
}

/** Which eras the server speaks, and until when that is believed. */
function eraDocument({ eras }: UpstreamPool): object {
  const { legacy, modern, checkedAt, expiresAt } = eras;
  return {
    legacy,
    modern,
    ...(checkedAt === undefined ? {} : { checkedAt: new Date(checkedAt).toISOString() }),
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
  };
}

/** Whole seconds since the present conversation with the server began. */
function uptimeOf(pool: UpstreamPool): number {
  return pool.connectedAt === 0 ? 0 : Math.floor((Date.now() - pool.connectedAt) / 1000);
}

function close(deps: OperationsDeps, response: ServerResponse): void {
  const running = [...deps.front.runtime().pools.values()].filter((pool) => pool.connectedAt !== 0).length;
  if (!deps.close()) {
    return respondJson(response, 410, JSON.stringify({ error: 'Gateway has already been closed' }));
  }
  const body = { status: 'closed', message: 'Gateway shutdown initiated', serversTerminated: running };
  respondJson(response, 200, JSON.stringify(body), { connection: 'close' });
}

async function changeLogLevel(
  deps: OperationsDeps,
  request: IncomingMessage,
  response: ServerResponse,
  caller: Caller,
): Promise<void> {
  let body: unknown;
  try {
    body = JSON.parse(await readBody(request, 4_096));
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    throw new GatewayError('parse_error', 'The body is not valid JSON.');
  }
  const { level, server } = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  if (typeof level !== 'string' || (server !== undefined && typeof server !== 'string')) {
    throw new GatewayError('invalid_params', 'The body must be {"level": "debug", "server": "name (optional)"}.');
  }
  if (server !== undefined && !isVisible(deps.front, caller, server)) {
    throw new GatewayError('unknown_server', `No server "${server}" is configured.`);
  }
  try {
    deps.setLogLevel(level, server);
  } catch (error) {
    throw new GatewayError('invalid_params', error instanceof Error ? error.message : String(error));
  }
  respondJson(response, 200, JSON.stringify({ level, ...(server === undefined ? {} : { server }) }));
}

function allow(request: IncomingMessage, ...methods: string[]): void {
  if (!methods.includes(request.method ?? '')) throw new GatewayError('method_not_allowed', 'method not allowed');
}

/** The status that `/health` reports (MCP Gateway Specification 1.17, section 8). */
function specificationStatus(state: HealthState): 'running' | 'stopped' | 'error' {
  if (state === 'healthy' || state === 'degraded') return 'running';
  if (state === 'unknown' || state === 'starting' || state === 'stopped') return 'stopped';
  return 'error';
}
