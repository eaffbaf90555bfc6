/**
 * From a configuration text to a validated Config, or to everything that is wrong with it:
 * parse → expand variables → one spelling → schemas → rules about several fields → Config.
 */
import { randomBytes } from 'node:crypto';
import type { ServerContext } from './build/container.ts';
import { createTypeChecker, readCustomTypes } from './build/custom-types.ts';
import { buildGateway } from './build/gateway.ts';
import { applyOverrides, type GatewayOverrides } from './build/overrides.ts';
import { checkGroups } from './check-groups.ts';
import type { Config, Diagnostic, ServerConfig } from './config.ts';
import { registrationOfFile } from './registration.ts';
import { Diagnostics } from './diagnostics.ts';
import { readScope, reportUnknown, type Scope, spell, writtenPath } from './dialect.ts';
import { type Environment, expand } from './expand.ts';
import { type HostDirectories, hostDirectories, MOUNT_ROOTS_VARIABLE, mountPolicyFrom } from './mount-policy.ts';
import type { SchemaFetcher } from './build/schema-fetcher.ts';
import { documentSchema } from './schema/document.ts';
import { gatewaySchema } from './schema/gateway.ts';
import { checkName, type EntryContext, exampleOf, readServer } from './read-server.ts';
import { type Dialect, isTable, type Path } from './sources/document.ts';
import { parseJson } from './sources/json.ts';
import { parseToml } from './sources/toml.ts';

export interface ConfigSource {
  readonly kind: Dialect;
  /** File name, or `<stdin>`. */
  readonly name: string;
  readonly text: string;
}

export interface LoadInput {
  readonly source: ConfigSource;
  readonly env: Environment;
  /** What flags say; goes before the text. */
  readonly overrides?: GatewayOverrides;
  /** How schemas of custom types are fetched; without it none can be. */
  readonly fetchSchema?: SchemaFetcher;
  /** Directories that the default mount roots are made of; by default those of this process. */
  readonly directories?: HostDirectories;
  /** Reads on where `requireDigests` is not met: for the command that finds the digests. Default false. */
  readonly allowUnpinned?: boolean;
  /** There is a store with servers and accounts of its own: the text needs neither servers nor agent ids. Default false. */
  readonly hasStore?: boolean;
  /** Makes the id of a TOML configuration that has none; by default 64 random hexadecimal digits. */
  readonly randomId?: () => string;
}

export type LoadResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly Diagnostic[] }
  | { readonly ok: false; readonly errors: readonly Diagnostic[]; readonly warnings: readonly Diagnostic[] };

export type { GatewayOverrides } from './build/overrides.ts';

/** Reads and validates a configuration. Nothing is started; the file system is asked only about mounts, the network only for custom schemas. */
export async function loadConfig(input: LoadInput): Promise<LoadResult> {
  const { source, env } = input;
  const text = source.text.replace(/^\uFEFF/, '');
  const parsed = source.kind === 'toml' ? parseToml(text) : parseJson(text);
  if (!parsed.ok) return { ok: false, errors: parsed.errors, warnings: [] };
  const { document } = parsed;
  const expansion = expand(document.value, env);
  const log = new Diagnostics(document, expansion.origins);
  for (const { path, variable } of expansion.missing) {
    log.error({
      path,
      message: `undefined environment variable referenced: ${variable}`,
      suggestion: `Set ${variable} in the environment of the gateway, or remove the expression \${${variable}}.`,
    });
  }
  for (const { path } of expansion.missing) log.silence(path);
  refusePrototypeNames(expansion.value, [], log);

  const config = await build(expansion.value, source.kind, input, log);
  const { errors, warnings } = log;
  return config === undefined || errors.length > 0 ? { ok: false, errors, warnings } : { ok: true, config, warnings };
}

async function build(
  value: unknown,
  dialect: Dialect,
  input: LoadInput,
  log: Diagnostics,
): Promise<Config | undefined> {
  if (!isTable(value)) {
    log.error({
      path: [],
      message: `a configuration must be an object, got ${log.shown([], value)}`,
      suggestion: 'Write an object with "mcpServers" and "gateway".',
    });
    return undefined;
  }
  const root = readScope(value, documentSchema, [], dialect, log);
  const isSequential = readTopLevel(root, log);
  const gatewayScope = readGateway(root, input.hasStore ?? false, log);
  const written = buildGateway(gatewayScope, input.env, log, {
    randomId: input.randomId ?? randomHexId,
    hasStore: input.hasStore ?? false,
  });
  const file =
    isSequential === undefined || 'sequentialLaunch' in gatewayScope.values
      ? written
      : { ...written, sequentialLaunch: isSequential };
  const gateway = applyOverrides(file, input.overrides ?? {}, log);

  const { policy, ignored } = await mountPolicyFrom(input.env, input.directories ?? hostDirectories());
  for (const entry of ignored) {
    log.warnOutside(
      MOUNT_ROOTS_VARIABLE,
      `the entry '${entry}' of ${MOUNT_ROOTS_VARIABLE} is ignored: it is not an absolute path below '/' with an optional :ro or :rw`,
      'Write for example "/srv/data:ro,/srv/work:rw".',
    );
  }
  const servers = await readServers(
    root,
    {
      gateway,
      requireDigests: gateway.requireDigests && input.allowUnpinned !== true,
      env: input.env,
      mountPolicy: policy,
      log,
      registrationOf: (server) => registrationOfFile(server, input.source.name),
    },
    {
      fetchSchema: input.fetchSchema ?? fetchNothing,
      mayBeNone: input.hasStore === true || gateway.dataDir !== undefined,
    },
  );
  checkGroups(gatewayScope, gateway.groups, servers, log);
  return { gateway, servers, managed: false, virtualServers: [], overrides: [] };
}

/** Fields beside servers and gateway. Returns the value of the older top-level `sequential_launch`. */
function readTopLevel(root: Scope, log: Diagnostics): boolean | undefined {
  let isSequential: boolean | undefined;
  if ('guards' in root.values) refuseGuards([...writtenPath(root, ['guards'])], 'guards', log);
  for (const name of root.unknown) {
    const path = [...root.path, name];
    const value = root.original[name];
    if (root.dialect === 'toml' && name === 'guards_mode') refuseGuards(path, name, log);
    else if (root.dialect === 'toml' && name === 'sequential_launch' && typeof value === 'boolean') {
      isSequential = value;
      log.warn({
        path,
        message: "'sequential_launch' has moved into the table 'gateway'",
        suggestion: 'Write it below [gateway].',
        atKey: true,
      });
    } else reportUnknown(root, name, log, Object.keys(documentSchema.shape));
  }
  return isSequential;
}

function refuseGuards(path: Path, name: string, log: Diagnostics): void {
  log.error({
    path,
    message: `this version of Gatehouse does not have guards, so '${name}' would protect nothing`,
    suggestion: `Remove '${name}'.`,
    atKey: true,
  });
}

/** The gateway's table; an empty one where TOML leaves it out. */
function readGateway(root: Scope, hasStore: boolean, log: Diagnostics): Scope {
  const inner = root.inner.get('gateway');
  if (inner !== undefined) return inner;
  const path = writtenPath(root, ['gateway']);
  if (!('gateway' in root.values)) {
    if (root.dialect === 'toml' || hasStore) return readScope({}, gatewaySchema, path, 'toml', log);
    log.error({
      path,
      message: "'gateway' is required",
      suggestion: 'Add "gateway": {"port": 8080, "domain": "localhost", "agentId": "${MCP_GATEWAY_AGENT_ID}"}.',
    });
  } else
    log.error({
      path,
      message: `gateway must be an object, got ${log.shown(path, root.values['gateway'])}`,
      suggestion: 'Write its settings as an object.',
    });
  // The servers are still worth checking, against a gateway of defaults whose own faults are not reported.
  log.silence([...path, spell('port', root.dialect)]);
  log.silence([...path, spell('domain', root.dialect)]);
  log.silence([...path, spell('agentId', root.dialect)]);
  return readScope({}, gatewaySchema, path, root.dialect, log);
}

async function readServers(
  root: Scope,
  context: ServerContext,
  { fetchSchema, mayBeNone }: { readonly fetchSchema: SchemaFetcher; readonly mayBeNone: boolean },
): Promise<readonly ServerConfig[]> {
  const { log } = context;
  const typesPath = writtenPath(root, ['customSchemas']);
  const types = readCustomTypes(root.values['customSchemas'], typesPath, log);
  const checkType = createTypeChecker(types, typesPath, fetchSchema, log);
  const path = writtenPath(root, ['servers']);
  const name = String(path.at(-1));
  const entries = root.values['servers'];
  const example = exampleOf(root.dialect);
  if (entries === undefined && mayBeNone) return [];
  if (entries === undefined)
    log.error({ path, message: `'${name}' is required: no servers defined in configuration`, suggestion: example });
  else if (!isTable(entries))
    log.error({ path, message: `${name} must be an object, got ${log.shown(path, entries)}`, suggestion: example });
  if (!isTable(entries)) return [];
  if (Object.keys(entries).length === 0 && !mayBeNone)
    log.warn({ path, message: 'no servers defined in configuration', suggestion: example });

  const reading: EntryContext = {
    ...context,
    dialect: root.dialect,
    custom: { names: new Set(types.keys()), checkType },
  };
  const servers: ServerConfig[] = [];
  for (const [serverName, entry] of Object.entries(entries)) {
    const at = [...path, serverName];
    checkName(serverName, at, log);
    const server = await readServer(serverName, entry, at, reading);
    if (server !== undefined) servers.push(server);
  }
  return servers;
}

/** Tables with a name that JavaScript gives a meaning of its own; libraries skip such names silently, so they are refused loudly. */
function refusePrototypeNames(value: unknown, path: Path, log: Diagnostics): void {
  if (Array.isArray(value))
    for (const [index, element] of value.entries()) refusePrototypeNames(element, [...path, index], log);
  if (!isTable(value)) return;
  for (const [name, inner] of Object.entries(value)) {
    const at = [...path, name];
    if (name === '__proto__') {
      log.error({
        path: at,
        message: "the name '__proto__' is not accepted anywhere",
        suggestion: 'Remove it.',
        atKey: true,
      });
      log.silence(at);
    } else refusePrototypeNames(inner, at, log);
  }
}

function fetchNothing(): Promise<string> {
  return Promise.reject(new Error('schemas are not fetched here'));
}

function randomHexId(): string {
  return randomBytes(32).toString('hex');
}
