/** Turns an entry that runs in a container into ContainerServerConfig, from its fields and its arguments alike. */
import { check, named } from './check.ts';
import type { ContainerServerConfig, ContainerSpec, GatewayConfig } from '../config.ts';
import type { Registration } from '../registration.ts';
import { type ParsedArguments, parseOptionArguments, parseRunArguments } from '../container-arguments.ts';
import type { ContainerOptions, Given } from '../container-options.ts';
import { DEFAULT_CPUS, DEFAULT_MEMORY_BYTES, DEFAULT_OPEN_FILES, DEFAULT_PIDS, MIN_MEMORY_BYTES } from '../defaults.ts';
import type { Diagnostics } from '../diagnostics.ts';
import { type Scope, writtenPath } from '../dialect.ts';
import type { Environment } from '../expand.ts';
import type { MountPolicy } from '../mount-policy.ts';
import { commandServerSchema, HTTP_ONLY_FIELDS, type RawContainerServer } from '../schema/server.ts';
import { parseByteSize } from '../values/byte-size.ts';
import { parseImageReference } from '../values/image-reference.ts';
import { containerVariables } from './container-environment.ts';
import { containerMounts } from './container-mounts.ts';
import { containerNetwork } from './container-network.ts';
import { healthOf } from './health.ts';
import { toolTimeoutMs, toolFilter, without } from './server-common.ts';
import { exampleText, refuseHostCommand } from './server-type.ts';

/** What the servers of one load share. */
export interface ServerContext {
  readonly gateway: GatewayConfig;
  readonly requireDigests: boolean;
  readonly env: Environment;
  readonly mountPolicy: MountPolicy;
  readonly log: Diagnostics;
  /** What is said of a server beside how it is reached. */
  readonly registrationOf: (server: string) => Registration;
}

type Sound = Partial<RawContainerServer>;

/** Builds one server; reports every fault. The result may be used only when no error was reported. */
export async function buildContainerServer(
  name: string,
  whole: Scope,
  customType: string | undefined,
  context: ServerContext,
): Promise<ContainerServerConfig> {
  const { gateway, log } = context;
  refuseHttpFields(whole, customType, log);
  const scope = without(whole, HTTP_ONLY_FIELDS);
  const raw: Sound = check(commandServerSchema, scope, log);
  const parsed = readArguments(name, scope, raw, context);
  const options = parsed?.options ?? { env: [], mounts: [], dropped: [] };
  const container: ContainerSpec = {
    image: image(name, scope, raw, parsed, context),
    entrypoint: raw.entrypoint,
    args: raw.command === undefined ? (raw.entrypointArgs ?? []) : (parsed?.imageArguments ?? []),
    env: containerVariables(scope, raw.env ?? {}, options, context.env, log),
    mounts: await containerMounts(scope, raw.mounts, options, context.mountPolicy, log),
    network: containerNetwork(
      scope,
      single(scope, 'network', raw.network, options.network, log),
      gateway.containerRuntime.engine,
      log,
    ),
    workdir: single(scope, 'workdir', raw.workdir, options.workdir, log),
    user: single(scope, 'user', raw.user, options.user, log),
    readOnly: single(scope, 'readOnly', raw.readOnly, options.readOnly, log) ?? false,
    capabilities: capabilities(scope, raw, options, log),
    resources: resources(scope, raw, options, log),
  };
  return {
    kind: 'container',
    name,
    registration: context.registrationOf(name),
    customType,
    isolation: raw.isolation ?? 'auto',
    tools: toolFilter(scope, raw.tools, log),
    start: raw.start ?? 'boot',
    health: healthOf(raw.health),
    startupTimeoutMs: gateway.startupTimeoutMs,
    toolTimeoutMs: toolTimeoutMs(raw.toolTimeout, gateway),
    registry: raw.registry,
    container,
  };
}

function refuseHttpFields(scope: Scope, customType: string | undefined, log: Diagnostics): void {
  const isContainer = 'container' in scope.values || 'command' in scope.values;
  const http = scope.dialect === 'json' ? '"type": "http"' : 'type = "http"';
  if ('url' in scope.values) {
    let message = "'url' is only for http servers";
    let suggestion = `Remove it, or make this an http server: ${http}.`;
    if (isContainer) {
      message = "a server has either a 'url' or a container, and this one has both";
      suggestion = 'Remove one of the two; two servers need two entries.';
    } else if (customType !== undefined) {
      message = `a server of the custom type '${customType}' runs in a container and has no 'url'`;
      suggestion = `Name its image, or make it an http server: ${http}.`;
    } else if (!('type' in scope.values)) {
      message = "a server with a 'url' must say that it is an http server";
      suggestion = `Add ${http}.`;
    }
    log.error({ path: writtenPath(scope, ['url']), message, suggestion, atKey: true });
    // One fault, one report: with the right type neither would be missing or misplaced.
    if (!isContainer) log.silence(writtenPath(scope, ['container']));
    if (!isContainer) return;
  }
  for (const field of HTTP_ONLY_FIELDS) {
    if (field === 'url' || !(field in scope.values)) continue;
    log.error({
      path: writtenPath(scope, [field]),
      message: `'${named(scope, field)}' is only for http servers`,
      suggestion: `Remove it, or make this an http server: ${http} and a 'url'.`,
      atKey: true,
    });
  }
}

/** Reads `args`: the whole command line beside `command` (TOML), options only beside `container`. */
function readArguments(name: string, scope: Scope, raw: Sound, context: ServerContext): ParsedArguments | undefined {
  const { log } = context;
  const hasCommand = 'command' in scope.values;
  if (hasCommand) {
    if (scope.dialect === 'json') {
      refuseHostCommand(scope, name, context.gateway.containerRuntime.engine, log);
      return undefined;
    }
    const { engine, command } = context.gateway.containerRuntime;
    if (raw.command !== engine && raw.command !== command) {
      // The text may say nothing of this engine: then it is worth knowing who did.
      const isFromEnv = context.env['MCP_GATEWAY_CONTAINER_RUNTIME']?.trim() === engine;
      const note = isFromEnv ? ` The engine is ${engine} because MCP_GATEWAY_CONTAINER_RUNTIME says so.` : '';
      if (raw.command !== undefined) refuseHostCommand(scope, name, engine, log, note);
      return undefined;
    }
    for (const field of ['container', 'entrypointArgs'] as const) {
      if (!(field in scope.values)) continue;
      log.error({
        path: writtenPath(scope, [field]),
        message: `'${named(scope, field)}' and '${named(scope, 'command')}' exclude each other`,
        suggestion: `Either name the image and what follows it in '${named(scope, 'args')}', or use '${named(scope, 'container')}' without '${named(scope, 'command')}'.`,
        atKey: true,
      });
    }
  }
  if ('args' in scope.values && raw.args === undefined) return undefined;
  const base = writtenPath(scope, ['args']);
  const quoting = (index: number): string | undefined => log.originOf([...base, index])?.written;
  const args = raw.args ?? [];
  const parsed = hasCommand ? parseRunArguments(args, quoting) : parseOptionArguments(args, quoting);
  for (const { index, message, suggestion } of parsed.faults) {
    const path = index === undefined || index >= args.length ? base : [...base, index];
    log.error({ path, message, suggestion });
  }
  return parsed;
}

function image(
  name: string,
  scope: Scope,
  raw: Sound,
  parsed: ParsedArguments | undefined,
  context: ServerContext,
): string {
  const { log } = context;
  const hasCommand = 'command' in scope.values;
  const path = hasCommand
    ? [...writtenPath(scope, ['args']), parsed?.image?.index ?? 0]
    : writtenPath(scope, ['container']);
  const text = hasCommand ? parsed?.image?.value : raw.container;
  if (text === undefined) {
    if (!hasCommand && !('container' in scope.values)) {
      log.error({
        path,
        message: `'${named(scope, 'container')}' is required for stdio servers`,
        suggestion: `Name the image. ${exampleText(name, context.gateway.containerRuntime.engine)}`,
      });
    }
    return '';
  }
  const reference = parseImageReference(text);
  if (reference === undefined) {
    log.error({
      path,
      message: `${hasCommand ? 'image' : named(scope, 'container')} ${log.shown(path, text)} is not an image reference`,
      suggestion:
        'Write [registry[:port]/]name[:tag][@sha256:digest], in lower case, such as "ghcr.io/owner/image:1.2".',
    });
  } else if (context.requireDigests && reference.digest === undefined) {
    log.error({
      path,
      message: `image ${log.shown(path, text)} is not pinned by digest, which 'gateway.${scope.dialect === 'json' ? 'requireDigests' : 'require_digests'}' demands`,
      suggestion: 'Add "@sha256:…"; `gatehouse pull FILE` prints it, `gatehouse pull --write FILE` adds it.',
    });
  }
  return text;
}

function capabilities(scope: Scope, raw: Sound, options: ContainerOptions, log: Diagnostics): readonly string[] {
  const granted = [...new Set<string>(raw.capabilities)];
  for (const { value, index } of options.dropped) {
    if (granted.includes(value)) {
      log.error({
        path: [...writtenPath(scope, ['args']), index],
        message: `'${value}' is dropped here and given back in '${named(scope, 'capabilities')}'`,
        suggestion: 'Keep one of the two.',
      });
    }
  }
  return granted;
}

function resources(scope: Scope, raw: Sound, options: ContainerOptions, log: Diagnostics): ContainerSpec['resources'] {
  const own = raw.resources ?? {};
  const memory = single(
    scope,
    'resources.memory',
    own.memory === undefined ? undefined : parseByteSize(own.memory),
    options.memory,
    log,
  );
  if (memory !== undefined && memory < MIN_MEMORY_BYTES) {
    const path =
      options.memory === undefined
        ? writtenPath(scope, ['resources', 'memory'])
        : [...writtenPath(scope, ['args']), options.memory.index];
    log.error({
      path,
      message: `memory must be at least ${MIN_MEMORY_BYTES / 1024 / 1024}m`,
      suggestion: 'Write for example "256m": the container engines start nothing with less.',
    });
  }
  return {
    memory: memory ?? DEFAULT_MEMORY_BYTES,
    cpus: single(scope, 'resources.cpus', own.cpus, options.cpus, log) ?? DEFAULT_CPUS,
    pids: single(scope, 'resources.pids', own.pids, options.pids, log) ?? DEFAULT_PIDS,
    openFiles: own.openFiles ?? DEFAULT_OPEN_FILES,
  };
}

/** A setting that both a field and an argument can give. Given by both it is an error: it cannot be known which one counts. */
function single<T>(
  scope: Scope,
  field: string,
  own: T | undefined,
  option: Given<T> | undefined,
  log: Diagnostics,
): T | undefined {
  if (own !== undefined && option !== undefined) {
    log.error({
      path: [...writtenPath(scope, ['args']), option.index],
      message: `the same is said by an argument and by the field '${field
        .split('.')
        .map((part) => named(scope, part))
        .join('.')}'`,
      suggestion: 'Keep one of the two.',
    });
  }
  return own ?? option?.value;
}
