/** The composition root: builds a gateway from a Config, starts it, drains it and stops it. The only file that knows every room. */
import type { AddressInfo } from 'node:net';
import type { Authenticator } from './auth/authenticator.ts';
import { GatewayEvents } from './admin/events/gateway-events.ts';
import { clientConfiguration, type ClientConfiguration } from './client-configuration.ts';
import type { Config } from './config/config.ts';
import { denialRecorder, followCredentials, openAuthentication, strangerRecorder } from './gateway-auth.ts';
import { openManagement } from './gateway-management.ts';
import { metricSources } from './gateway-metrics.ts';
import { createNextRuntime, restartNeeded } from './gateway-reload.ts';
import { clientUrl, HEARTBEAT_MS, HostChecks } from './gateway-parts.ts';
import { itemKeeper, readStore, storeDocument, tendStore } from './gateway-store.ts';
import { newSecret, openCrew, type Crew, type WorkersNeeds } from './gateway-workers.ts';
import { BodyBudget } from './proxy/body-budget.ts';
import { ModernBridge } from './proxy/bridge/modern-to-legacy.ts';
import { GatewayError } from './shared/errors.ts';
import { Heartbeat } from './proxy/downstream/heartbeat.ts';
import { SseLinks } from './proxy/downstream/sse-link.ts';
import { WebSocketEndpoint } from './proxy/downstream/websocket.ts';
import type { Front } from './proxy/front.ts';
import { Listener } from './proxy/listener.ts';
import type { OperationsDeps } from './proxy/operations.ts';
import { SessionStore } from './proxy/session-store.ts';
import { OpenSubscriptions } from './proxy/open-subscriptions.ts';
import { buildRuntime } from './runtime/build.ts';
import { Candidates } from './runtime/candidates.ts';
import { CurrentRuntime } from './runtime/current.ts';
import { Reloader, type ReloadResult, type ReloadSource, type ReloadTrigger } from './runtime/reload.ts';
import { bootServers, startResiliently, startStrictly } from './runtime/start-servers.ts';
import { ContentWatch } from './shared/content-watch.ts';
import type { Store } from './store/store.ts';
import type { Telemetry } from './telemetry/log.ts';
import { Metrics } from './telemetry/metrics.ts';
import { visibleInventory } from './tls/inventory.ts';
import { Identities } from './tls/identities.ts';
import { TurnoverSet } from './shared/turnover.ts';

/** `/close` lets requests in flight go on for so long (specification 1.17, section 5). */
const CLOSE_TIMEOUT_MS = 30_000;

export interface GatewayOptions {
  /** What the operator wrote. */
  readonly config: Config;
  /** What is registered and managed while the gateway runs; undefined = nothing is. It is closed with the gateway. */
  readonly store?: Store | undefined;
  readonly telemetry: Telemetry;
  /** Version of the program, for clients and `/health`. */
  readonly version: string;
  /** Told what clients need once the socket is bound and before the first request is answered. */
  readonly announce: (document: ClientConfiguration) => Promise<void>;
  /** What a reload reads; undefined when the configuration came from stdin. */
  readonly source: ReloadSource | undefined;
  /** True when a change of the files leads to a reload, beside signals and requests. */
  readonly watch: boolean;
  /** False when every request is to take the way through node:http. */
  readonly fastPath: boolean;
  /** Other processes that serve the same port; undefined = this one alone. With them the fast path is needed. */
  readonly workers?: WorkersNeeds | undefined;
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
  /** The configuration that is in use. */
  readonly config: Config;
  /** Reads configuration and certificates again; resolves with what became of it, never rejects. */
  reload(trigger: ReloadTrigger): Promise<ReloadResult>;
  /** Resolves when the gateway has stopped, for whatever reason; `drained` is false when requests had to be cut off. */
  readonly closed: Promise<{ readonly drained: boolean }>;
  /** Refuses new requests, lets those in flight finish, then ends everything. */
  stop(options: StopOptions): Promise<{ readonly drained: boolean }>;
  /** Cuts off what is still in flight and ends everything. */
  abort(): Promise<void>;
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
  const { config: file, telemetry } = options;
  await using stack = new AsyncDisposableStack();
  const management = options.store && (await readStore(stack.use(options.store), file, telemetry));
  const { config } = management ?? { config: file };
  // Watched before anything is started: what changes meanwhile is loaded when there is something to reload.
  const certificates: { identities?: Identities } = {};
  const changes = Promise.withResolvers<() => void>();
  const watch = new ContentWatch({
    files: () => (options.watch ? [...(options.source?.files ?? []), ...(certificates.identities?.files() ?? [])] : []),
    onChange: (files) => {
      telemetry.log.info({ files }, 'files have changed');
      void changes.promise.then((reload) => reload());
    },
  });
  await stack.use(watch).start();
  const crew = stack.use(await openCrew(options.workers, { ...options, config }));
  const identities = stack.use(await Identities.open(config, telemetry.log, crew.identities));
  certificates.identities = identities;
  await watch.look();
  // Bound first: that a port is taken shows before anything is started. Requests wait until all is ready.
  const { fastPath } = options;
  const { sharesPort } = crew;
  const listener = stack.use(new Listener({ ...config.gateway, fastPath, sharesPort }, identities.listener));
  const address = await listener.bind();
  const secret = newSecret();
  const authentication = openAuthentication(
    {
      secret,
      gateway: config.gateway,
      store: options.store,
      identities,
      telemetry,
      baseUrl: (of) => clientUrl(of, address.port),
    },
    stack,
  );
  const authenticatorFor = (of: Config): Promise<Authenticator> => authentication.authenticatorFor(of);
  const place: { current?: CurrentRuntime } = {};
  const onItems =
    management && itemKeeper(management, telemetry.log, (name) => place.current?.runtime.pools.has(name) ?? true);
  const first = await buildRuntime({
    config,
    telemetry,
    version: options.version,
    identities,
    authenticatorFor,
    onItems,
  });
  const current = stack.use(new CurrentRuntime(first, telemetry.log));
  place.current = current;
  authentication.use(first.authenticator);
  if (options.store !== undefined)
    stack.use(tendStore(options.store, telemetry.log, () => current.runtime.config.gateway));
  const atBoot = bootServers(first, 'file');
  if (config.gateway.startup === 'strict') await startStrictly(first, atBoot, { telemetry, signal: options.signal });
  if (options.signal?.aborted === true)
    throw new StartInterrupted('The gateway was told to stop while it was starting.');

  const events = new GatewayEvents();
  events.followRuntime(first);
  authentication.onChange(() => events.bus.recheck());
  const state: State = { phase: 'starting', cutOff: new AbortController() };
  const exchanges: Front['exchanges'] = new TurnoverSet();
  const heartbeat = stack.use(new Heartbeat(HEARTBEAT_MS, telemetry.log));
  const sessions = stack.use(
    new SessionStore({
      idleTimeoutMs: () => current.runtime.config.gateway.sessionTimeoutMs,
      onEnd: (session) => current.endSession(session),
    }),
  );
  const webSockets = stack.use(new WebSocketEndpoint());
  const bridge = stack.use(new ModernBridge(secret));
  const subscriptions = new OpenSubscriptions();
  followCredentials(authentication, { current, sessions, webSockets, subscriptions });
  const document = clientConfiguration(config, address.port);
  await options.announce(document);

  const front: Front = {
    runtime: () => current.runtime,
    hold: (held) => current.hold(held),
    sessions,
    heartbeat,
    log: telemetry.log,
    recordAccess: (entry) => telemetry.recordAccess(entry),
    metrics: stack.use(new Metrics(options.version)),
    version: options.version,
    exchanges,
    bridge,
    subscriptions,
    links: new SseLinks(),
    recordDenial: denialRecorder(options.store, telemetry.log),
    recordStranger: strangerRecorder(options.store, telemetry.log, stack),
    bodies: new BodyBudget(),
    draining: () => state.phase === 'draining',
  };
  const hosts = new HostChecks(address);
  const inUse = { runtime: first };
  const candidates = management && new Candidates({ ...options, identities, current: () => inUse.runtime, onItems });
  const reloader = new Reloader({
    source: options.source,
    file,
    stored: management?.stored,
    parts: [identities, ...crew.parts],
    log: telemetry.log,
    onBegin: () => watch.acknowledge(),
    onEnd: () => {
      void watch.look();
      authentication.use(current.runtime.authenticator);
      events.followRuntime(current.runtime);
      events.reloaded(reloader.status);
    },
    current: () => current.runtime.config,
    refusals: restartNeeded,
    build: createNextRuntime({
      ...options,
      identities,
      authenticatorFor,
      current,
      inUse,
      sessions,
      subscriptions,
      candidates,
      onItems,
    }),
  });
  stack.defer(() => reloader.stop());
  const setLogLevel: OperationsDeps['setLogLevel'] = (level, server) => {
    telemetry.setLevel(level, server);
    crew.setLogLevel(level, server);
  };
  const api = stack.use(
    openManagement(management && candidates && { ...management, candidates }, {
      reloader,
      runtime: () => current.runtime,
      phase: () => state.phase,
      version: options.version,
      log: telemetry.log,
      events: events.bus,
      currentPrincipal: (before) =>
        current.runtime.authenticator.knows(before) ? (authentication.principal(before) ?? before) : undefined,
      load: async () => {
        const { requestsInFlight } = await crew.sample();
        return { sessions: sessions.size, requestsInFlight: exchanges.size + requestsInFlight };
      },
      refused: (code) => front.metrics.refusal(code),
      metrics: (isVisible) => operations.metrics(isVisible),
      certificates: (isVisible) => visibleInventory(identities.inventory(), isVisible),
      setLogLevel,
    }),
  );
  changes.resolve(() => void reloader.request('changed files'));
  const gateway = new RunningGateway({
    state,
    front,
    webSockets,
    reloader,
    crew,
    address,
    url: clientUrl(config, address.port),
    stack: stack.move(),
  });
  const operations: OperationsDeps = {
    front,
    ready: () => state.phase === 'ready',
    close: () => gateway.beginClose(),
    reload: () => gateway.reload('POST /reload'),
    reloads: () => reloader.status,
    store: () => options.store && storeDocument(options.store.status()),
    metrics: async (isVisible) => {
      const looked = { front, webSockets, reloader, identities, store: options.store, workers: await crew.sample() };
      return front.metrics.text(metricSources(looked), isVisible);
    },
    certificates: (isVisible) => visibleInventory(identities.inventory(), isVisible),
    setLogLevel,
    workers: async () => ({ status: crew.status, ...(await crew.sample()) }),
  };
  listener.serve({
    front,
    operations,
    webSockets,
    management: api,
    hostCheck: { check: (request) => hosts.for(current.runtime.config).check(request) },
  });
  const attempted = config.gateway.startup === 'strict' ? Promise.resolve() : startResiliently(first, atBoot);
  const tickets = (): Uint8Array | undefined => identities.listener?.tickets;
  const crewed = crew.start({ config, address, listener, store: options.store, secret, tickets });
  void Promise.all([attempted, startResiliently(first, bootServers(first, 'store')), crewed]).then(() => {
    if (state.phase === 'starting') state.phase = 'ready';
  });
  return gateway;
}

interface State {
  phase: 'starting' | 'ready' | 'draining';
  readonly cutOff: AbortController;
}

interface Running {
  readonly state: State;
  readonly front: Front;
  readonly webSockets: WebSocketEndpoint;
  readonly reloader: Reloader;
  readonly crew: Crew;
  readonly address: AddressInfo;
  readonly url: string;
  readonly stack: AsyncDisposableStack;
}

class RunningGateway implements Gateway {
  readonly url: string;
  readonly address: AddressInfo;
  readonly #state: State;
  readonly #front: Front;
  readonly #webSockets: WebSocketEndpoint;
  readonly #reloader: Reloader;
  readonly #crew: Crew;
  readonly #stack: AsyncDisposableStack;
  readonly #closed = Promise.withResolvers<{ readonly drained: boolean }>();

  constructor({ state, front, webSockets, reloader, crew, address, url, stack }: Running) {
    this.#state = state;
    this.#front = front;
    this.#webSockets = webSockets;
    this.#reloader = reloader;
    this.#crew = crew;
    this.#stack = stack;
    this.address = address;
    this.url = url;
  }

  get config(): Config {
    return this.#front.runtime().config;
  }

  reload(trigger: ReloadTrigger): Promise<ReloadResult> {
    return this.#reloader.request(trigger);
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
    this.#webSockets.drain();
    // Subscriptions have no end of their own: their clients are told, and open them again elsewhere.
    this.#front.subscriptions.endAll();
    const drains = [this.#drain(timeoutMs), this.#crew.drain(timeoutMs, this.#state.cutOff.signal)];
    const drained = (await Promise.all(drains)).every(Boolean);
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
