/** `--validate-env`: is what the gateway needs from its surroundings there, before it starts anything? */
import { existsSync, readFileSync } from 'node:fs';
import type { ContainerRuntime } from '../../config/config.ts';
import { callEngine, findEngine, type Engine } from '../../upstream/container/engine-command.ts';
import { pingEngine } from '../../upstream/container/engine.ts';

export interface EnvironmentFindings {
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

export interface EnvironmentQuestion {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly runtime: ContainerRuntime;
  /** The configuration comes on stdin, so a container needs it open. */
  readonly fromStdin: boolean;
  readonly logDir: string | undefined;
}

const INSPECT_MS = 15_000;
const MOUNTINFO = '/proc/self/mountinfo';

const NOT_CHECKED: EnvironmentFindings = {
  errors: [],
  warnings: ['The container of the gateway could not be looked up: port mapping, stdin and mounts were not checked'],
};

/** Looks, never changes anything. Never rejects. */
export async function validateEnvironment(question: EnvironmentQuestion): Promise<EnvironmentFindings> {
  const errors: string[] = [];
  let engine: Engine | undefined;
  try {
    const found = findEngine(question.runtime);
    await pingEngine(found);
    engine = found;
  } catch (error) {
    errors.push(`the container engine cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
  errors.push(...missingVariables(question.env));
  if (!isContained(question.env)) return { errors, warnings: [] };
  const id = ownContainerId();
  const findings = engine === undefined || id === undefined ? NOT_CHECKED : await checkContainer(question, engine, id);
  return { errors: [...errors, ...findings.errors], warnings: findings.warnings };
}

function missingVariables(env: EnvironmentQuestion['env']): readonly string[] {
  const isSet = (name: string): boolean => (env[name] ?? '').trim() !== '';
  const missing = ['MCP_GATEWAY_PORT', 'MCP_GATEWAY_DOMAIN'].filter((name) => !isSet(name));
  if (!isSet('MCP_GATEWAY_AGENT_ID') && !isSet('MCP_GATEWAY_API_KEY')) missing.push('MCP_GATEWAY_AGENT_ID');
  const problems = missing.length === 0 ? [] : [`Required environment variables not set: ${missing.join(', ')}`];
  const port = env['MCP_GATEWAY_PORT']?.trim() ?? '';
  if (port !== '' && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)) {
    problems.push('MCP_GATEWAY_PORT must be a number between 1 and 65535');
  }
  return problems;
}

/** `RUNNING_IN_CONTAINER` settles it either way; else the marks that docker and podman leave. */
function isContained(env: EnvironmentQuestion['env']): boolean {
  const said = env['RUNNING_IN_CONTAINER']?.trim().toLowerCase() ?? '';
  if (said !== '') return ['1', 'true', 'yes', 'on'].includes(said);
  return existsSync('/.dockerenv') || existsSync('/run/.containerenv');
}

/** Whether the container that the gateway runs in was started as the gateway needs it. Never rejects. */
export async function checkContainer(
  question: EnvironmentQuestion,
  engine: Engine,
  id: string,
): Promise<EnvironmentFindings> {
  const output = await callEngine(engine, ['container', 'inspect', '--', id], INSPECT_MS).catch(() => undefined);
  const container = output?.status === 0 ? parseInspection(output.stdout) : undefined;
  if (container === undefined) return NOT_CHECKED;
  const errors: string[] = [];
  const warnings: string[] = [];
  const port = question.env['MCP_GATEWAY_PORT']?.trim() ?? '';
  if (port !== '' && !container.hostNetwork && !container.publishedPorts.includes(`${port}/tcp`)) {
    errors.push(`MCP_GATEWAY_PORT (${port}) is not mapped to a host port. Use: -p <host_port>:${port}`);
  }
  if (question.fromStdin && !container.openStdin) {
    errors.push('Container was not started with -i flag. Stdin is required for configuration input.');
  }
  const { logDir } = question;
  if (logDir !== undefined && !container.mounts.some((mount) => logDir === mount || logDir.startsWith(`${mount}/`))) {
    warnings.push(
      `Log directory ${logDir} is not mounted. Logs will not persist outside the container. Use: -v /path/on/host:${logDir}`,
    );
  }
  return { errors, warnings };
}

/** Docker and podman mount files into each container from a directory that is named after it. */
function ownContainerId(): string | undefined {
  try {
    return /\/(?:containers|overlay-containers)\/([0-9a-f]{64})\//.exec(readFileSync(MOUNTINFO, 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

interface Inspection {
  readonly openStdin: boolean;
  readonly hostNetwork: boolean;
  /** Such as `8000/tcp`, those with a port of the host. */
  readonly publishedPorts: readonly string[];
  /** Paths inside the container. */
  readonly mounts: readonly string[];
}

interface RawInspection {
  readonly Config?: { readonly OpenStdin?: boolean };
  readonly HostConfig?: { readonly NetworkMode?: string };
  readonly NetworkSettings?: { readonly Ports?: Readonly<Record<string, readonly unknown[] | null>> | null };
  readonly Mounts?: readonly { readonly Destination?: string }[] | null;
}

function parseInspection(json: string): Inspection | undefined {
  try {
    const [container] = JSON.parse(json) as readonly RawInspection[];
    if (container === undefined) return undefined;
    const ports = Object.entries(container.NetworkSettings?.Ports ?? {});
    return {
      openStdin: container.Config?.OpenStdin === true,
      hostNetwork: container.HostConfig?.NetworkMode === 'host',
      publishedPorts: ports.filter(([, bindings]) => (bindings?.length ?? 0) > 0).map(([port]) => port),
      mounts: (container.Mounts ?? []).flatMap(({ Destination }) => (Destination === undefined ? [] : [Destination])),
    };
  } catch {
    return undefined;
  }
}
