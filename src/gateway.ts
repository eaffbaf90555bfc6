/** The composition root: builds a gateway from a Config, starts it, drains it and stops it. The only file that knows every room. */
import type { AddressInfo } from 'node:net';
import { clientConfiguration, type ClientConfiguration } from './client-configuration.ts';
import type { Config, ServerConfig } from './config/config.ts';
import { ModernBridge } from './proxy/bridge/modern-to-legacy.ts';
import { GatewayError } from './shared/errors.ts';
import { Heartbeat } from './proxy/downstream/heartbeat.ts';
import { SseLinks } from './proxy/downstream/sse-link.ts';
import type { Front } from './proxy/front.ts';
import { createHostCheck } from './proxy/host-check.ts';
import { Listener } from './proxy/listener.ts';
import type { OperationsDeps } from './proxy/operations.ts';
import { SessionStore } from './proxy/session-store.ts';
import { OpenSubscriptions } from './proxy/subscriptions.ts';
import { buildRuntime } from './runtime/build.ts';
import type { Runtime } from './runtime/runtime.ts';
import type { Telemetry } from './telemetry/log.ts';
import { githubOidcProblem } from './upstream/credentials/github-oidc.ts';
import type { UpstreamPool } from './upstream/pool.ts';

const HEARTBEAT_MS = 15_000;
/** `/close` lets requests in flight go on for so long (specification 1.17, section 5). */
const CLOSE_TIMEOUT_MS = 30_000;

export interface GatewayOptions {
  readonly config: Config;
  readonly telemetry: Telemetry;
  /** Version of the program, for clients and `/health`. */
  readonly version: string;
  /** Told what clients need once the socket is bound and before the first request is answered. */
  readonly announce: (document: ClientConfiguration) => Promise<void>;
  /** Ends a start that is still going on. */
  readonly signal?: AbortSignal;
}

export interface StopOptions {
  /** How long requests in flight may go on. */
  readonly timeoutMs: number;
}

export interface Gateway {
  /** Base URL such as `http://localhost:8080`. */
  readonly url: string;
  readonly address: AddressInfo;
  /** Resolves when the gateway has stopped, for whatever reason; `drained` is false when requests had to be cut off. */
  readonly closed: Promise<{ readonly drained: boolean }>;
  /** Refuses new requests, lets those in flight finish, then ends everything. */
  stop(options: StopOptions): Promise<{ readonly drained: boolean }>;
  /** Cuts off what is still in flight and ends everything. */
  abort(): Promise<void>;
}

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

/** The start was ended by its signal. */
export class StartInterrupted extends Error {
  override readonly name = 'StartInterrupted';
}

/**
 * Starts a gateway. Rejects with a StartupFailure, a StartInterrupted, or the error of the socket; nothing is left
 * running then.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, telemetry } = options;
  await using stack = new AsyncDisposableStack();
  // Bound first: that a port is taken shows before anything is started. Requests wait until all is ready.
  const listener = stack.use(new Listener(config.gateway));
  const address = await listener.bind();
  const runtime = stack.use(await buildRuntime({ config, telemetry, version: options.version }));
  if (config.gateway.startup === 'strict') await startStrictly(runtime, options);
  if (options.signal?.aborted === true)
    throw new StartInterrupted('The gateway was told to stop while it was starting.');

  const state: State = { phase: 'starting', cutOff: new AbortController() };
  const exchanges: Front['exchanges'] = new Set();
  const heartbeat = stack.use(new Heartbeat(HEARTBEAT_MS, telemetry.log));
  const sessions = stack.use(
    new SessionStore({
      idleTimeoutMs: config.gateway.sessionTimeoutMs,
      onEnd: (session) => runtime.endSession(session),
    }),
  );
  const bridge = stack.use(new ModernBridge());
  const subscriptions = new OpenSubscriptions();
  const document = clientConfiguration(config, address.port);
  await options.announce(document);

  const front: Front = {
    runtime: () => runtime,
    sessions,
    heartbeat,
    log: telemetry.log,
    version: options.version,
    exchanges,
    bridge,
    subscriptions,
    links: new SseLinks(),
    draining: () => state.phase === 'draining',
  };
  const gateway = new RunningGateway(state, front, address, clientUrl(config, address.port), stack.move());
  const operations: OperationsDeps = {
    front,
    ready: () => state.phase === 'ready',
    close: () => gateway.beginClose(),
    setLogLevel: (level, server) => telemetry.setLevel(level, server),
  };
  listener.serve({
    front,
    operations,
    hostCheck: createHostCheck({ ...config.gateway, boundHost: bracketed(address) }),
  });
  const attempted = config.gateway.startup === 'strict' ? Promise.resolve() : startResiliently(runtime, config);
  void attempted.then(() => {
    if (state.phase === 'starting') state.phase = 'ready';
  });
  return gateway;
}

interface State {
  phase: 'starting' | 'ready' | 'draining';
  readonly cutOff: AbortController;
}

class RunningGateway implements Gateway {
  readonly url: string;
  readonly address: AddressInfo;
  readonly #state: State;
  readonly #front: Front;
  readonly #stack: AsyncDisposableStack;
  readonly #closed = Promise.withResolvers<{ readonly drained: boolean }>();

  constructor(state: State, front: Front, address: AddressInfo, url: string, stack: AsyncDisposableStack) {
    this.#state = state;
    this.#front = front;
    this.#stack = stack;
    this.address = address;
    this.url = url;
  }

  get closed(): Promise<{ readonly drained: boolean }> {
    return this.#closed.promise;
  }

  /** `/close`: false when the end was begun before. */
  beginClose(): boolean {
    if (this.#state.phase === 'draining') return false;
    void this.stop({ timeoutMs: CLOSE_TIMEOUT_MS });
    return true;
  }

  stop({ timeoutMs }: StopOptions): Promise<{ readonly drained: boolean }> {
    if (this.#state.phase !== 'draining') {
      this.#state.phase = 'draining';
      void this.#end(timeoutMs);
    }
    return this.closed;
  }

  async abort(): Promise<void> {
    this.#state.cutOff.abort();
    await this.stop({ timeoutMs: 0 });
  }

  async #end(timeoutMs: number): Promise<void> {
    const { log, exchanges } = this.#front;
    log.info({ requestsInFlight: exchanges.size, timeoutMs }, 'draining: new requests are refused');
    // Subscriptions have no end of their own: their clients are told, and open them again elsewhere.
    this.#front.subscriptions.endAll();
    const drained = await this.#drain(timeoutMs);
    if (!drained) log.warn({ requestsInFlight: exchanges.size }, 'requests are still in flight and are cut off');
    const reason = new GatewayError('shutting_down', 'The gateway has stopped before the answer came.');
    for (const exchange of [...exchanges]) exchange.abort.abort(reason);
    // The errors reach their clients before the connections end.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      await this.#stack.disposeAsync();
    } catch (error) {
      log.error({ err: error }, 'something could not be ended in good order');
    }
    log.info({ drained }, 'stopped');
    this.#closed.resolve({ drained });
  }

  /** True when no request is in flight any more. */
  async #drain(timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (this.#front.exchanges.size > 0 && performance.now() < deadline && !this.#state.cutOff.signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return this.#front.exchanges.size === 0;
  }
}

/** All servers must start; if one does not, all failures are reported together. */
async function startStrictly(runtime: Runtime, { config, telemetry, signal }: GatewayOptions): Promise<void> {
  const failed: FailedServer[] = [];
  // Ends what is being opened, so that the start comes to its end, too.
  const interrupt = (): void => void runtime[Symbol.asyncDispose]();
  signal?.addEventListener('abort', interrupt, { once: true });
  try {
    await eachServer(runtime, config, async (pool) => {
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

function authProblem(server: ServerConfig): string | undefined {
  return server.kind === 'http' && server.auth !== undefined ? githubOidcProblem() : undefined;
}

/** Failures are in the log and in the health of the server, which goes on being tried. */
async function startResiliently(runtime: Runtime, config: Config): Promise<void> {
  await eachServer(runtime, config, async (pool) => {
    await pool.start({ retry: true }).catch(() => undefined);
  });
}

async function eachServer(
  { pools }: Runtime,
  { gateway }: Config,
  start: (pool: UpstreamPool) => Promise<void>,
): Promise<void> {
  const wanted = [...pools.values()].filter(({ config }) => config.start === 'boot');
  if (!gateway.sequentialLaunch) {
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

function clientUrl(config: Config, port: number): string {
  return `http://${config.gateway.domain}:${port}`;
}

function bracketed({ address, family }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]` : address;
}
