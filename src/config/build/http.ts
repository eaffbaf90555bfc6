/** Turns an entry with `type: http` into HttpServerConfig. */
import { check, named } from './check.ts';
import type { GithubOidcAuth, HttpServerConfig } from '../config.ts';
import { DEFAULT_CONNECT_TIMEOUT_SECONDS } from '../defaults.ts';
import type { Diagnostics } from '../diagnostics.ts';
import { type Scope, writtenPath } from '../dialect.ts';
import type { Environment } from '../expand.ts';
import { CONTAINER_ONLY_FIELDS, httpServerSchema, type RawHttpServer } from '../schema/server.ts';
import type { ServerContext } from './container.ts';
import { toolFilter, toolTimeoutMs, without } from './server-common.ts';
import { refuseMisplacedCommand } from './server-type.ts';
import { healthOf } from './health.ts';
import { upstreamTls } from './tls.ts';

/** Headers that belong to the connection or to the protocol; the gateway sets them itself. */
const OWN_HEADERS = new Set([
  'accept',
  'connection',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'last-event-id',
  'mcp-protocol-version',
  'mcp-session-id',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

/** Builds one server; reports every fault. The result may be used only when no error was reported. */
export function buildHttpServer(
  name: string,
  whole: Scope,
  { gateway, env, log, registrationOf }: ServerContext,
): HttpServerConfig {
  refuseContainerFields(name, whole, gateway.containerRuntime.engine, log);
  const scope = without(whole, CONTAINER_ONLY_FIELDS);
  const raw: Partial<RawHttpServer> = check(httpServerSchema, scope, log);
  if (raw.env !== undefined && Object.keys(raw.env).length > 0) {
    log.warn({
      path: writtenPath(scope, ['env']),
      message: "'env' has no effect on an http server",
      suggestion: 'Expressions are replaced from the environment of the gateway; remove it.',
      atKey: true,
    });
  }
  const url = address(scope, raw.url, log);
  return {
    kind: 'http',
    name,
    registration: registrationOf(name),
    url,
    tls: upstreamTls(scope, raw.tls, url, log),
    headers: headers(scope, raw.headers ?? {}, log),
    query: raw.query,
    passthroughHeaders: passthroughHeaders(scope, raw.passthroughHeaders, raw.headers ?? {}, log),
    auth: auth(scope, raw, env, log),
    tools: toolFilter(scope, raw.tools, log),
    start: raw.start ?? 'boot',
    health: healthOf(raw.health),
    startupTimeoutMs: gateway.startupTimeoutMs,
    toolTimeoutMs: toolTimeoutMs(raw.toolTimeout, gateway),
    connectTimeoutMs: (raw.connectTimeout ?? DEFAULT_CONNECT_TIMEOUT_SECONDS) * 1000,
    registry: raw.registry,
  };
}

function refuseContainerFields(serverName: string, scope: Scope, engine: string, log: Diagnostics): void {
  if ('command' in scope.values) {
    refuseMisplacedCommand(scope, serverName, engine, log);
    // The command is the fault; that its arguments are too, or that an address is missing, would only distract.
    log.silence(writtenPath(scope, ['args']));
    if (!('url' in scope.values)) log.silence(writtenPath(scope, ['url']));
  }
  for (const field of CONTAINER_ONLY_FIELDS) {
    if (!(field in scope.values) || field === 'command') continue;
    const name = named(scope, field);
    let message = `'${name}' is only for stdio (containerized) servers, and this one is an http server`;
    if (field === 'mounts') message = 'mounts are only supported for stdio (containerized) servers';
    if (field === 'container' && 'url' in scope.values)
      message = "a server has either a 'url' or a container, and this one has both";
    log.error({
      path: writtenPath(scope, [field]),
      message,
      suggestion: "Remove it, or make this a container: leave 'type' and 'url' out and name the image.",
      atKey: true,
    });
  }
}

function address(scope: Scope, text: string | undefined, log: Diagnostics): string {
  if (text === undefined) return '';
  const path = writtenPath(scope, ['url']);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // Checked before anything is quoted: user and password must not reach a log.
  if (url !== undefined && (url.username !== '' || url.password !== '')) {
    log.error({
      path,
      message: 'url holds a user name or password, which would appear in logs',
      suggestion: `Give credentials in 'headers', such as Authorization = "Basic …".`,
    });
  } else if (url === undefined || !/^https?:$/.test(url.protocol) || !/^https?:\/\//i.test(text.trim())) {
    log.error({
      path,
      message: `url must be an http or https URL, got ${log.shown(path, text.replace(/\/\/[^/@]*@/, '//…@'))}`,
      suggestion: 'Write for example "https://mcp.example.com/mcp".',
    });
  }
  return url?.href ?? '';
}

function headers(
  scope: Scope,
  given: Readonly<Record<string, string>>,
  log: Diagnostics,
): Readonly<Record<string, string>> {
  const seen = new Set<string>();
  for (const name of Object.keys(given)) {
    const path = writtenPath(scope, ['headers', name]);
    const lower = name.toLowerCase();
    if (!HEADER_NAME.test(name)) {
      log.error({
        path,
        message: 'this cannot be the name of an HTTP header',
        suggestion: 'Use letters, digits and hyphens.',
        atKey: true,
      });
    } else if (OWN_HEADERS.has(lower)) {
      log.error({
        path,
        message: `the header '${name}' is set by the gateway itself`,
        suggestion: 'Remove it.',
        atKey: true,
      });
    } else if (seen.has(lower)) {
      log.error({
        path,
        message: `the header '${name}' stands twice; case does not matter in header names`,
        suggestion: 'Keep one of the two.',
        atKey: true,
      });
    }
    seen.add(lower);
  }
  return { ...given };
}

/** Headers by which a client proves itself to the gateway, or that only the gateway may set: no server ever gets them. */
const NEVER_PASSED = new Set(['authorization', 'cookie', 'forwarded', 'proxy-authorization', 'via']);

function passthroughHeaders(
  scope: Scope,
  names: readonly string[] | undefined,
  configured: Readonly<Record<string, string>>,
  log: Diagnostics,
): readonly string[] | undefined {
  const own = new Set(Object.keys(configured).map((name) => name.toLowerCase()));
  for (const [index, name] of (names ?? []).entries()) {
    const path = writtenPath(scope, ['passthroughHeaders', index]);
    const lower = name.toLowerCase();
    if (!HEADER_NAME.test(name)) {
      log.error({
        path,
        message: 'this cannot be the name of an HTTP header',
        suggestion: 'Use letters, digits and hyphens.',
      });
    } else if (NEVER_PASSED.has(lower) || OWN_HEADERS.has(lower) || /^(?:mcp|x-mcp|x-forwarded)-/.test(lower)) {
      log.error({
        path,
        message: `the header '${name}' belongs to the way between client and gateway and is never handed on`,
        suggestion: "Remove it. What the server needs from the gateway itself goes into 'headers'.",
      });
    } else if (own.has(lower)) {
      log.error({
        path,
        message: `the header '${name}' stands in 'headers' too: no client may replace it`,
        suggestion: 'Keep one of the two.',
      });
    }
  }
  const unique = [...new Set(names?.map((name) => name.toLowerCase()))];
  return unique.length === 0 ? undefined : unique;
}

function auth(
  scope: Scope,
  raw: Partial<RawHttpServer>,
  env: Environment,
  log: Diagnostics,
): GithubOidcAuth | undefined {
  if (raw.auth === undefined) return undefined;
  if (!env['ACTIONS_ID_TOKEN_REQUEST_URL'] || !env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']) {
    log.warn({
      path: writtenPath(scope, ['auth']),
      message:
        'ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN are not both set: calls to this server will fail',
      suggestion: "In GitHub Actions give the job the permission 'id-token: write'.",
    });
  }
  return { type: 'github-oidc', audience: raw.auth.audience ?? raw.url ?? '' };
}
