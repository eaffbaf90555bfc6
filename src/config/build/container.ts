/** Turns an entry that runs in a container into ContainerServerConfig, from its fields and its arguments alike. */
import { check, named } from '../check.ts';
import type { ContainerServerConfig, ContainerSpec, GatewayConfig, Mount } from '../config.ts';
import { type ParsedArguments, parseOptionArguments, parseRunArguments } from '../container-arguments.ts';
import type { ContainerOptions, Given } from '../container-options.ts';
import { DEFAULT_CPUS, DEFAULT_MEMORY_BYTES, DEFAULT_OPEN_FILES, DEFAULT_PIDS, MIN_MEMORY_BYTES } from '../defaults.ts';
import type { Diagnostics } from '../diagnostics.ts';
import { type Scope, writtenPath } from '../dialect.ts';
import type { Environment } from '../expand.ts';
import { checkMount, type MountPolicy } from '../mount-policy.ts';
import { commandServerSchema, HTTP_ONLY_FIELDS, type RawContainerServer } from '../schema/server.ts';
import { pathKey } from '../sources/document.ts';
import { parseByteSize } from '../values/byte-size.ts';
import { envNameFault } from '../values/env-name.ts';
import { parseImageReference } from '../values/image-reference.ts';
import { parseMount } from '../values/mount.ts';
import { toolTimeoutMs, toolFilter, without } from './server-common.ts';
import { CONTAINER_EXAMPLES, refuseHostCommand } from './server-type.ts';

/** What the servers of one load share. */
export interface ServerContext {
  readonly gateway: GatewayConfig;
  readonly requireDigests: boolean;
  readonly env: Environment;
  readonly mountPolicy: MountPolicy;
  readonly log: Diagnostics;
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
  refuseHttpFields(whole, log);
  const scope = without(whole, HTTP_ONLY_FIELDS);
  const raw: Sound = check(commandServerSchema, scope, log);
  const parsed = readArguments(name, scope, raw, context);
  const options = parsed?.options ?? { env: [], mounts: [], dropped: [] };
  const container: ContainerSpec = {
    image: image(scope, raw, parsed, context),
    entrypoint: raw.entrypoint,
    args: raw.command === undefined ? (raw.entrypointArgs ?? []) : (parsed?.imageArguments ?? []),
    env: environment(scope, raw, options, context),
    mounts: await mounts(scope, raw, options, context),
    network: single(scope, 'network', raw.network, options.network, log) ?? 'isolated',
    workdir: single(scope, 'workdir', raw.workdir, options.workdir, log),
    user: single(scope, 'user', raw.user, options.user, log),
    readOnly: single(scope, 'readOnly', raw.readOnly, options.readOnly, log) ?? false,
    capabilities: capabilities(scope, raw, options, log),
    resources: resources(scope, raw, options, log),
  };
  return {
    kind: 'container',
    name,
    customType,
    isolation: raw.isolation ?? 'auto',
    tools: toolFilter(scope, raw.tools, log),
    startupTimeoutMs: gateway.startupTimeoutMs,
    toolTimeoutMs: toolTimeoutMs(raw.toolTimeout, gateway),
    registry: raw.registry,
    container,
  };
}

function refuseHttpFields(scope: Scope, log: Diagnostics): void {
  const isContainer = 'container' in scope.values || 'command' in scope.values;
  for (const field of HTTP_ONLY_FIELDS) {
    if (!(field in scope.values)) continue;
    const isAmbiguous = field === 'url' && isContainer;
    log.error({
      path: writtenPath(scope, [field]),
      message: isAmbiguous
        ? `a server has either a 'url' or a container, and this one has both`
        : `'${named(scope, field)}' is only for http servers`,
      suggestion: isAmbiguous
        ? 'Remove one of the two; two servers need two entries.'
        : `Remove it, or make this an http server: type "http" and a 'url'.`,
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
      if (raw.command !== undefined) refuseHostCommand(scope, name, command, log);
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

function image(scope: Scope, raw: Sound, parsed: ParsedArguments | undefined, context: ServerContext): string {
  const { log } = context;
  const hasCommand = 'command' in scope.values;
  const path = hasCommand
    ? [...writtenPath(scope, ['args']), parsed?.image?.index ?? 0]
    : writtenPath(scope, ['container']);
  const text = hasCommand ? parsed?.image?.value : raw.container;
  if (text === undefined) {
    if (!hasCommand && !('container' in scope.values)) {
      const hasUrl = 'url' in scope.values;
      log.error({
        path,
        message: `'${named(scope, 'container')}' is required for stdio servers`,
        suggestion: hasUrl
          ? `This server has a 'url': to make it an http server, add its type: "http".`
          : `Name the image. ${CONTAINER_EXAMPLES}`,
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
      suggestion: 'Add "@sha256:…"; `docker image inspect --format "{{index .RepoDigests 0}}" IMAGE` prints it.',
    });
  }
  return text;
}

/** The variables of the container: `env`, then what `-e` says. */
function environment(
  scope: Scope,
  raw: Sound,
  options: ContainerOptions,
  context: ServerContext,
): Readonly<Record<string, string>> {
  const { log, env } = context;
  const result = new Map<string, string>();
  const own = raw.env ?? {};
  for (const [name, value] of Object.entries(own)) {
    const path = writtenPath(scope, ['env', name]);
    const fault = envNameFault(name);
    if (fault !== undefined) log.error({ path, ...fault, atKey: true });
    // Only an empty value in the text asks for the gateway's own variable; one that a variable made empty is just empty.
    if (value !== '' || log.originOf(path) !== undefined) {
      result.set(name, value);
      continue;
    }
    const inherited = fault === undefined && Object.hasOwn(env, name) ? env[name] : undefined;
    if (inherited !== undefined) result.set(name, inherited);
    else if (fault === undefined && !options.env.some((given) => given.value.name === name)) {
      log.warn({
        path,
        message: `'${name}' is empty, which passes the variable of the gateway's environment on, but it is not set there`,
        suggestion: `Set ${name} in the environment of the gateway, or remove the entry.`,
      });
    }
  }
  const args = writtenPath(scope, ['args']);
  const given = new Map<string, string | undefined>();
  for (const {
    value: { name, value },
    index,
  } of options.env) {
    const path = [...args, index];
    if (given.has(name) && given.get(name) !== value)
      log.error({ path, message: `the variable '${name}' is given twice`, suggestion: 'Keep one of the two.' });
    given.set(name, value);
    if (value !== undefined) {
      if (Object.hasOwn(own, name) && own[name] !== value) {
        log.error({
          path,
          message: `the variable '${name}' is given here and in '${named(scope, 'env')}'`,
          suggestion: 'Keep one of the two.',
        });
      }
      result.set(name, value);
      continue;
    }
    if (Object.hasOwn(own, name) && result.has(name)) continue;
    const inherited = Object.hasOwn(env, name) ? env[name] : undefined;
    if (inherited !== undefined) result.set(name, inherited);
    else {
      log.error({
        path,
        message: `the variable '${name}' has no value: it stands neither in '${named(scope, 'env')}' nor in the environment of the gateway`,
        suggestion: `Set ${name} in the environment of the gateway, or give its value in '${named(scope, 'env')}'.`,
      });
    }
  }
  return Object.fromEntries(result);
}

async function mounts(
  scope: Scope,
  raw: Sound,
  options: ContainerOptions,
  context: ServerContext,
): Promise<readonly Mount[]> {
  const { log, mountPolicy } = context;
  const found: { mount: Mount; path: readonly (string | number)[] }[] = [];
  const written: unknown = raw.mounts ?? scope.values['mounts'];
  for (const [index, text] of Array.isArray(written) ? written.entries() : []) {
    const path = writtenPath(scope, ['mounts', index]);
    // Others than strings were reported; the sound entries around them are still worth checking.
    if (typeof text !== 'string') continue;
    const parsed = parseMount(text, log.shown(path, text));
    if (parsed.ok) found.push({ mount: parsed.mount, path });
    else log.error({ path, message: parsed.message, suggestion: parsed.suggestion });
  }
  for (const { value, index } of options.mounts)
    found.push({ mount: value, path: [...writtenPath(scope, ['args']), index] });
  const targets = new Map<string, string>();
  const accepted: Mount[] = [];
  for (const { mount, path } of found) {
    const earlier = targets.get(mount.target);
    if (earlier !== undefined && earlier !== pathKey(path)) {
      log.error({
        path,
        message: 'two mounts have the same place in the container',
        suggestion: 'Give each mount a target of its own.',
      });
      continue;
    }
    targets.set(mount.target, pathKey(path));
    const checked = await checkMount(mount, mountPolicy);
    if (checked.ok) accepted.push(checked.mount);
    else if (log.originOf(path) === undefined)
      log.error({ path, message: checked.message, suggestion: checked.suggestion });
    else
      log.error({
        path,
        message: `the mount in ${log.shown(path, '')} is not permitted by mount policy`,
        suggestion: checked.suggestion,
      });
  }
  return accepted;
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
