/** Starts the servers of a Runtime: all of them must, or those that can. */
import type { ServerConfig } from '../config/config.ts';
import type { Origin } from '../config/registration.ts';
import type { Telemetry } from '../telemetry/log.ts';
import { githubOidcProblem } from '../upstream/credentials/github-oidc.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Runtime } from './runtime.ts';

export interface FailedServer {
  readonly name: string;
  readonly imageOrUrl: string;
  readonly detail: string;
  /** Names of the variables that were set for the server; never values. */
  readonly environmentNames: readonly string[];
  /** What the server wrote to stderr last. */
  readonly lastWords: readonly string[];
}

/** At least one server did not start, and the configuration says that this ends the gateway. */
export class StartupFailure extends Error {
  override readonly name = 'StartupFailure';
  readonly servers: readonly FailedServer[];

  constructor(servers: readonly FailedServer[]) {
    super(
      `${servers.length === 1 ? 'A server' : `${servers.length} servers`} failed to start: ${servers.map(({ name }) => name).join(', ')}`,
    );
    this.servers = servers;
  }
}

/** All servers named must start; if one does not, all failures are reported together in a StartupFailure. */
export async function startStrictly(
  runtime: Runtime,
  names: Iterable<string>,
  { telemetry, signal }: { readonly telemetry: Telemetry; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const failed: FailedServer[] = [];
  // Ends what is being opened, so that the start comes to its end, too.
  const interrupt = (): void => void runtime[Symbol.asyncDispose]().catch(() => undefined);
  signal?.addEventListener('abort', interrupt, { once: true });
  try {
    await eachPool(runtime, names, async (pool) => {
      const problem = authProblem(pool.config);
      if (problem !== undefined) telemetry.serverLog(pool.name).error(problem);
      try {
        await pool.start({ retry: problem !== undefined });
      } catch (error) {
        // Missing credentials are told at the start and fail the first use (specification 1.17, section 7).
        if (problem === undefined) failed.push(describeFailure(pool.config, error, pool.lastWords));
      }
    });
  } finally {
    signal?.removeEventListener('abort', interrupt);
  }
  if (failed.length > 0 && signal?.aborted !== true) throw new StartupFailure(failed);
}

/**
 * Names of the servers that are started with the gateway, and not by their first use: those that the operator wrote down,
 * or those that are registered. One that is registered never ends or holds up the gateway.
 */
export function bootServers({ pools }: Runtime, origin: Origin['kind']): readonly string[] {
  const wanted = [...pools.values()].filter(
    ({ config }) => config.start === 'boot' && config.registration.origin.kind === origin,
  );
  return wanted.map(({ name }) => name);
}

function authProblem(server: ServerConfig): string | undefined {
  return server.kind === 'http' && server.auth !== undefined ? githubOidcProblem() : undefined;
}

/** Failures are in the log and in the health of the server, which goes on being tried. */
export async function startResiliently(runtime: Runtime, names: Iterable<string>): Promise<void> {
  await eachPool(runtime, names, (pool) => pool.start({ retry: true }).catch(() => undefined));
}

async function eachPool(
  { config, pools }: Runtime,
  names: Iterable<string>,
  start: (pool: UpstreamPool) => Promise<void>,
): Promise<void> {
  const wanted = [...names].flatMap((name) => {
    const pool = pools.get(name);
    return pool === undefined ? [] : [pool];
  });
  if (!config.gateway.sequentialLaunch) {
    await Promise.all(wanted.map(start));
    return;
  }
  for (const pool of wanted) await start(pool);
}

function describeFailure(server: ServerConfig, error: unknown, lastWords: readonly string[]): FailedServer {
  return {
    name: server.name,
    imageOrUrl: server.kind === 'container' ? server.container.image : server.url,
    detail: error instanceof Error ? error.message : String(error),
    environmentNames: server.kind === 'container' ? Object.keys(server.container.env).toSorted() : [],
    lastWords,
  };
}
