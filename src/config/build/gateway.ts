/** Turns the checked `gateway` part into GatewayConfig: defaults, environment variables, and rules about several fields. */
import { basename, isAbsolute } from 'node:path';
import { check, named } from './check.ts';
import type { ContainerRuntime, GatewayConfig } from '../config.ts';
import {
  DEFAULT_DOMAIN,
  DEFAULT_HOST,
  DEFAULT_KEEPALIVE_SECONDS,
  DEFAULT_MAX_BODY_BYTES,
  DEFAULT_MAX_HELD_BODY_BYTES,
  DEFAULT_PAYLOAD_SIZE_THRESHOLD,
  DEFAULT_PORT,
  DEFAULT_SESSION_TIMEOUT,
  DEFAULT_SHUTDOWN_TIMEOUT,
  DEFAULT_STARTUP_TIMEOUT_SECONDS,
  DEFAULT_TOOL_TIMEOUT_SECONDS,
  MAX_TIMER_SECONDS,
  MIN_TOOL_TIMEOUT_SECONDS,
} from '../defaults.ts';
import type { Diagnostics } from '../diagnostics.ts';
import { type Scope, writtenPath } from '../dialect.ts';
import type { Environment } from '../expand.ts';
import { gatewaySchema, gatewaySchemaJson, type RawGateway } from '../schema/gateway.ts';
import { parseDuration } from '../values/duration.ts';
import { authentication } from './auth.ts';
import { parseAllowedPlace } from '../../shared/address-policy.ts';
import { listenerTls } from './tls.ts';

type Sound = Partial<RawGateway>;

/**
 * Reads the gateway's settings. Always returns a whole GatewayConfig so that servers can be checked against it;
 * it may be used only when no error was reported.
 */
export function buildGateway(
  scope: Scope,
  env: Environment,
  log: Diagnostics,
  { randomId, hasStore }: { readonly randomId: () => string; readonly hasStore: boolean },
): GatewayConfig {
  const raw: Sound = scope.dialect === 'json' ? check(gatewaySchemaJson, scope, log) : check(gatewaySchema, scope, log);
  const toolSeconds = raw.toolTimeout ?? toolTimeoutFrom(env, log) ?? DEFAULT_TOOL_TIMEOUT_SECONDS;
  const keepalive = raw.keepaliveInterval ?? 0;
  refuseUnbuilt(scope, raw, log);
  return {
    port: raw.port ?? DEFAULT_PORT,
    host: DEFAULT_HOST,
    domain: raw.domain ?? DEFAULT_DOMAIN,
    mode: raw.mode ?? 'both',
    naming: raw.naming ?? 'prefixed',
    groups: raw.groups ?? {},
    agentIds: agentIds(scope, raw, log, hasStore || raw.dataDir !== undefined ? undefined : randomId),
    startup: raw.startup ?? 'strict',
    sequentialLaunch: raw.sequentialLaunch ?? false,
    startupTimeoutMs: (raw.startupTimeout ?? DEFAULT_STARTUP_TIMEOUT_SECONDS) * 1000,
    toolTimeoutMs: toolSeconds * 1000,
    keepaliveIntervalMs:
      keepalive === -1 ? undefined : (keepalive === 0 ? DEFAULT_KEEPALIVE_SECONDS : keepalive) * 1000,
    sessionTimeoutMs: sessionTimeout(scope, raw, env, log),
    shutdownTimeoutMs: duration(scope, 'shutdownTimeout', raw.shutdownTimeout ?? DEFAULT_SHUTDOWN_TIMEOUT, log),
    maxBodyBytes: raw.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES,
    maxHeldBodyBytes: Math.max(
      raw.maxHeldBodyBytes ?? DEFAULT_MAX_HELD_BODY_BYTES,
      raw.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES,
    ),
    allowedOrigins: (raw.allowedOrigins ?? []).map((origin, index) => asBrowsersSendIt(scope, origin, index, log)),
    allowedHosts: (raw.allowedHosts ?? []).map((host) => host.toLowerCase()),
    allowedNetworks: raw.allowedNetworks ?? allowedNetworksFrom(env, log),
    containerRuntime: containerRuntime(scope, raw, env, log),
    payloadDir: raw.payloadDir,
    payloadPathPrefix: raw.payloadPathPrefix,
    payloadSizeThreshold: raw.payloadSizeThreshold ?? DEFAULT_PAYLOAD_SIZE_THRESHOLD,
    tls: listenerTls(scope, raw.tls, log),
    hmacSecret: raw.hmacSecret,
    auth: authentication(scope, raw.auth, log),
    requireDigests: raw.requireDigests ?? false,
    dataDir: raw.dataDir,
    auditKeepDays: raw.auditKeepDays,
    auditKeepLines: raw.auditKeepLines,
  };
}

/**
 * Exactly one of the two fields. TOML may leave both out and gets a random id for each start, so authentication is never
 * off. Without `randomId` there are accounts, and no agent id is needed.
 */
function agentIds(scope: Scope, raw: Sound, log: Diagnostics, randomId: (() => string) | undefined): readonly string[] {
  const hasOne = 'agentId' in scope.values;
  const hasSeveral = 'agentIds' in scope.values;
  const [one, several] = [named(scope, 'agentId'), named(scope, 'agentIds')];
  if (hasOne && hasSeveral) {
    log.error({
      path: writtenPath(scope, ['agentIds']),
      message: `'${one}' and '${several}' exclude each other`,
      suggestion: `Keep '${several}' alone and put the single id into it, or remove it.`,
      atKey: true,
    });
  }
  if (raw.agentIds !== undefined) {
    const unique = [...new Set(raw.agentIds)];
    if (unique.length < raw.agentIds.length) {
      log.warn({
        path: writtenPath(scope, ['agentIds']),
        message: `'${several}' holds the same id more than once`,
        suggestion: 'List each id once.',
      });
    }
    return unique;
  }
  if (raw.agentId !== undefined) return [raw.agentId];
  if (hasOne || hasSeveral || randomId === undefined) return [];
  if (scope.dialect === 'json') {
    log.error({
      path: writtenPath(scope, ['agentId']),
      message: `'${one}' (or '${several}') is required`,
      suggestion: `Add "${one}": "\${MCP_GATEWAY_AGENT_ID}" and set the variable to a long random value.`,
    });
    return [];
  }
  log.warn({
    path: writtenPath(scope, ['agentId']),
    message: `no '${one}': a random one is made for this start`,
    suggestion: `The configuration that the gateway prints holds it. Set '${one}' to keep the same id across starts.`,
  });
  return [randomId()];
}

/** Browsers send origins in lower case and without the port that belongs to the scheme. */
function asBrowsersSendIt(scope: Scope, origin: string, index: number, log: Diagnostics): string {
  const url = URL.canParse(origin) ? new URL(origin) : undefined;
  if (url === undefined) {
    const path = writtenPath(scope, ['allowedOrigins', index]);
    log.error({
      path,
      message: `${named(scope, 'allowedOrigins')}[${index}] is not an origin, got ${log.shown(path, origin)}`,
      suggestion: 'Write for example "https://app.example.com" or "http://localhost:5173".',
    });
  }
  // Schemes that are not the web's have no origin of their own here and are compared as written.
  return url === undefined || url.origin === 'null' ? origin : url.origin;
}

function toolTimeoutFrom(env: Environment, log: Diagnostics): number | undefined {
  const written = env['MCP_GATEWAY_TOOL_TIMEOUT'];
  if (written === undefined || written.trim() === '') return undefined;
  const value = /^\d+$/.test(written.trim()) ? Number(written) : Number.NaN;
  if (value >= MIN_TOOL_TIMEOUT_SECONDS && value <= MAX_TIMER_SECONDS) return value;
  log.errorOutside(
    'MCP_GATEWAY_TOOL_TIMEOUT',
    `MCP_GATEWAY_TOOL_TIMEOUT must be at least ${MIN_TOOL_TIMEOUT_SECONDS} (an integer of seconds)`,
    'Set it to a number such as 60, or unset it.',
  );
  return undefined;
}

/** An empty variable is an empty list: nothing beside the public internet. */
function allowedNetworksFrom(env: Environment, log: Diagnostics): readonly string[] | undefined {
  const places = env['MCP_GATEWAY_ALLOWED_NETWORKS']?.split(',').map((each) => each.trim());
  if (places === undefined) return undefined;
  const given = places.filter((each) => each !== '');
  const wrong = given.findIndex((each) => parseAllowedPlace(each) === undefined);
  if (wrong === -1) return given;
  log.errorOutside(
    'MCP_GATEWAY_ALLOWED_NETWORKS',
    `entry ${wrong + 1} of MCP_GATEWAY_ALLOWED_NETWORKS is neither a network nor an address nor a host name`,
    'Write for example "10.0.0.0/8,127.0.0.1:9000,mcp.internal".',
  );
  return undefined;
}

function sessionTimeout(scope: Scope, raw: Sound, env: Environment, log: Diagnostics): number {
  if (raw.sessionTimeout !== undefined) return duration(scope, 'sessionTimeout', raw.sessionTimeout, log);
  const fallback = parseDuration(DEFAULT_SESSION_TIMEOUT) ?? 0;
  const fromEnv = env['MCP_GATEWAY_SESSION_TIMEOUT']?.trim();
  if (fromEnv === undefined || fromEnv === '' || 'sessionTimeout' in scope.values) return fallback;
  const value = parseDuration(fromEnv);
  if (value !== undefined && value > 0 && value <= MAX_TIMER_SECONDS * 1000) return value;
  log.errorOutside(
    'MCP_GATEWAY_SESSION_TIMEOUT',
    'MCP_GATEWAY_SESSION_TIMEOUT must be a duration such as "30m" or "4h30m", at most 596h',
    'Correct the variable, or unset it for the default of 6h.',
  );
  return fallback;
}

/** Milliseconds of a duration that the schema has accepted. */
function duration(scope: Scope, field: 'sessionTimeout' | 'shutdownTimeout', text: string, log: Diagnostics): number {
  const value = parseDuration(text) ?? 0;
  if (value <= 0 || value > MAX_TIMER_SECONDS * 1000) {
    const path = writtenPath(scope, [field]);
    log.error({
      path,
      message: `${named(scope, field)} must be longer than zero and at most 596h, got ${log.shown(path, text)}`,
      suggestion: 'Write a duration such as "30m".',
    });
  }
  return value;
}

/** `dockerless` goes before the environment variable, which goes before the field. */
function containerRuntime(scope: Scope, raw: Sound, env: Environment, log: Diagnostics): ContainerRuntime {
  const fromEnv = env['MCP_GATEWAY_CONTAINER_RUNTIME']?.trim();
  let engine: ContainerRuntime['engine'] = raw.containerRuntime ?? 'docker';
  if (fromEnv === 'docker' || fromEnv === 'podman') engine = fromEnv;
  else if (fromEnv !== undefined && fromEnv !== '') {
    log.errorOutside(
      'MCP_GATEWAY_CONTAINER_RUNTIME',
      'MCP_GATEWAY_CONTAINER_RUNTIME must be one of: docker, podman',
      'Correct the variable, or unset it.',
    );
  }
  if (raw.dockerless === true) {
    engine = 'podman';
    if (raw.containerRuntime === 'docker') {
      const path = writtenPath(scope, ['containerRuntime']);
      log.error({
        path,
        message: `${named(scope, 'containerRuntime')} must be "podman" when '${named(scope, 'dockerless')}' is true`,
        suggestion: 'Remove one of the two.',
      });
    }
  }
  const command = raw.containerRuntimeCommand ?? engine;
  if (command !== engine && !(isAbsolute(command) && basename(command) === engine)) {
    const path = writtenPath(scope, ['containerRuntimeCommand']);
    log.error({
      path,
      message: `${named(scope, 'containerRuntimeCommand')} must be '${engine}' or an absolute path that ends in '/${engine}', got ${log.shown(path, command)}`,
      suggestion: `Write for example "/usr/bin/${engine}". Another program cannot stand in for the container engine.`,
    });
  }
  if (raw.containerRuntimeArgs !== undefined && raw.containerRuntimeArgs.length > 0) {
    log.error({
      path: writtenPath(scope, ['containerRuntimeArgs']),
      message: `'${named(scope, 'containerRuntimeArgs')}' is not accepted: options before 'run' steer the engine itself (another daemon, other credentials)`,
      suggestion:
        'Remove it, and choose the daemon with DOCKER_HOST or CONTAINER_HOST in the environment of the gateway.',
    });
  }
  return { engine, command };
}

/** Settings of parts that this version does not have: what would protect somebody is refused, what merely adjusts it is warned about. */
function refuseUnbuilt(scope: Scope, raw: Sound, log: Diagnostics): void {
  if ('opentelemetry' in scope.values) {
    const telemetry = raw.opentelemetry;
    if (telemetry?.spanId !== undefined && telemetry.traceId === undefined) {
      log.warn({
        path: writtenPath(scope, ['opentelemetry', 'spanId']),
        message: 'a span id without a trace id is ignored',
        suggestion: 'Add the trace id that the span belongs to, or remove the span id.',
      });
    }
    log.error({
      path: writtenPath(scope, ['opentelemetry']),
      message: 'this version of Gatehouse does not export traces',
      suggestion: `Remove '${named(scope, 'opentelemetry')}'.`,
      atKey: true,
    });
  }
  for (const field of ['trustedBots', 'forcePublicRepos', 'sinkVisibilityExemptServers'] as const) {
    if (raw[field] === undefined) continue;
    log.warn({
      path: writtenPath(scope, [field]),
      message: `'${named(scope, field)}' has no effect: this version of Gatehouse has no guard policies`,
      suggestion: 'It may stay; it will count when guard policies exist.',
      atKey: true,
    });
  }
}
