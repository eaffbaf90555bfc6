/** The composition root of a worker: a gateway without sessions, containers, management and file, led by the owner. */
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Answerer } from './cluster/channel.ts';
import { applyDelta } from './cluster/config-delta.ts';
import { GivenMaterial } from './cluster/material-copies.ts';
import type { Notice, Prepare, Start, WorkerCounts } from './cluster/messages.ts';
import { WorkerListener, type Reach } from './cluster/worker-listener.ts';
import type { Config } from './config/config.ts';
import { openAuthentication } from './gateway-auth.ts';
import { clientUrl, HEARTBEAT_MS, HostChecks } from './gateway-parts.ts';
import { BodyBudget } from './proxy/body-budget.ts';
import { ModernBridge } from './proxy/bridge/modern-to-legacy.ts';
import { Heartbeat } from './proxy/downstream/heartbeat.ts';
import { SseLinks } from './proxy/downstream/sse-link.ts';
import type { Exchange } from './proxy/exchange.ts';
import type { Front } from './proxy/front.ts';
import { OpenSubscriptions } from './proxy/open-subscriptions.ts';
import { SessionStore } from './proxy/session-store.ts';
import { buildRuntime, type BuildOptions, type BuiltRuntime } from './runtime/build.ts';
import { CurrentRuntime } from './runtime/current.ts';
import { ReloadRefused } from './runtime/reload.ts';
import { GatewayError } from './shared/errors.ts';
import { letOldMemoryDouble } from './shared/old-memory.ts';
import { letYoungMemoryGrow, YoungMemory } from './shared/young-memory.ts';
import { openStore } from './store/open-store.ts';
import type { Store } from './store/store.ts';
import { configSecrets, environmentSecrets } from './telemetry/config-secrets.ts';
import { createTelemetry, type Telemetry } from './telemetry/log.ts';
import { Metrics } from './telemetry/metrics.ts';
import { Identities, type PreparedMaterial } from './tls/identities.ts';
import { TurnoverSet } from './shared/turnover.ts';

/** Serves until the owner says that it ends, or is gone. */
export function runWorker(): void {
  const worker: { running?: Worker } = {};
  const running = (): Worker => {
    if (worker.running === undefined) throw new Error('the worker was not started');
    return worker.running;
  };
  const onLost = (): void => {
    const left = worker.running?.leave() ?? Promise.resolve();
    void left.finally(() => process.exit(1));
  };
  const answerer = new Answerer(
    process,
    {
      start: async (start) => {
        worker.running = await Worker.begin(start);
        return undefined;
      },
      listen: async () => {
        letYoungMemoryGrow();
        letOldMemoryDouble();
        return running().listen();
      },
      prepare: async (asked) => running().prepare(asked),
      commit: async ({ tickets }) => running().commit(tickets),
      discard: async () => running().discard(),
      counts: async () => running().counts(),
      drain: async ({ timeoutMs }) => running().drain(timeoutMs),
      end: async () => {
        process.off('disconnect', onLost);
        await worker.running?.[Symbol.asyncDispose]();
        // After the answer.
        setImmediate(() => process.exit());
      },
    },
    (notice) => worker.running?.hear(notice),
  );
  process.on('message', (message) => answerer.receive(message));
  process.once('disconnect', onLost);
}

/** What the next commit puts to use. */
interface Prepared {
  readonly config: Config;
  readonly material: PreparedMaterial;
  readonly runtime: BuiltRuntime | undefined;
}

class Worker implements AsyncDisposable {
  readonly #start: Start;
  readonly #stack: AsyncDisposableStack;
  readonly #telemetry: Telemetry;
  readonly #given: GivenMaterial;
  /** For the keys of session tickets that the owner makes. */
  readonly #tickets: { next: Uint8Array | undefined };
  readonly #identities: Identities;
  readonly #store: Store | undefined;
  readonly #buildOptions: Pick<BuildOptions, 'telemetry' | 'version' | 'identities' | 'authenticatorFor'>;
  readonly #current: CurrentRuntime;
  readonly #front: Front;
  readonly #listener: WorkerListener;
  readonly #state: State;
  #runtime: BuiltRuntime;
  #prepared: Prepared | undefined;

  private constructor(parts: Parts) {
    this.#start = parts.start;
    this.#stack = parts.stack;
    this.#telemetry = parts.telemetry;
    this.#given = parts.given;
    this.#tickets = parts.tickets;
    this.#identities = parts.identities;
    this.#store = parts.store;
    this.#buildOptions = parts.buildOptions;
    this.#current = parts.current;
    this.#front = parts.front;
    this.#listener = parts.listener;
    this.#state = parts.state;
    this.#runtime = parts.runtime;
  }

  /** Makes everything but the socket. Rejects with what is wrong; nothing is left then. */
  static async begin(start: Start): Promise<Worker> {
    await using stack = new AsyncDisposableStack();
    const { level, directory } = start.log;
    const telemetry = stack.use(
      createTelemetry({ level, pretty: false, relayed: true, ...(directory === undefined ? {} : { directory }) }),
    );
    telemetry.addSecrets(environmentSecrets(process.env));
    endOnFaults(telemetry);
    const config = applyDelta(start.config);
    telemetry.addSecrets(configSecrets(config));
    const store = start.store && stack.use(await openStore(start.store, { mustExist: true }));
    const given = new GivenMaterial();
    given.give(start.files);
    const tickets = { next: start.tickets };
    const identities = stack.use(
      await Identities.open(config, telemetry.log, {
        read: given.read,
        sharesPort: true,
        newTickets: () => tickets.next && Buffer.from(tickets.next),
      }),
    );
    const baseUrl = (of: Config): string => clientUrl(of, start.address.port);
    const { secret } = start;
    const authentication = openAuthentication(
      { gateway: config.gateway, store, identities, telemetry, baseUrl, secret },
      stack,
    );
    const authenticatorFor = (of: Config): ReturnType<BuildOptions['authenticatorFor']> =>
      authentication.authenticatorFor(of);
    const buildOptions = { telemetry, version: start.version, identities, authenticatorFor };
    const runtime = await buildRuntime({ ...buildOptions, config: ownPart(config) });
    const current = stack.use(new CurrentRuntime(runtime, telemetry.log));
    const state: State = { config, reach: reachOf(config), draining: false };
    const front: Front = {
      runtime: () => current.runtime,
      hold: (held) => current.hold(held),
      sessions: stack.use(new SessionStore({ idleTimeoutMs: () => 60_000, onEnd: async () => undefined })),
      heartbeat: stack.use(new Heartbeat(HEARTBEAT_MS, telemetry.log)),
      log: telemetry.log,
      recordAccess: (entry) => telemetry.recordAccess(entry),
      metrics: stack.use(new Metrics(start.version)),
      version: start.version,
      exchanges: new TurnoverSet<Exchange>(),
      bridge: stack.use(new ModernBridge(secret)),
      subscriptions: new OpenSubscriptions(),
      links: new SseLinks(),
      // The owner denies it once more, and writes it down: the audit log has one writer.
      recordDenial: async () => undefined,
      recordStranger: async () => undefined,
      leaves: true,
      bodies: new BodyBudget(),
      draining: () => state.draining,
    };
    stack.use(new YoungMemory());
    const hosts = new HostChecks(start.address);
    const listener = stack.use(
      new WorkerListener(
        {
          front,
          hostCheck: { check: (request) => hosts.for(current.runtime.config).check(request) },
          door: start.door,
          reach: () => state.reach,
        },
        identities.listener,
      ),
    );
    const parts = { start, telemetry, given, tickets, identities, store, buildOptions };
    return new Worker({ ...parts, current, front, listener, state, runtime, stack: stack.move() });
  }

  async listen(): Promise<undefined> {
    await this.#listener.bind(this.#start.address);
  }

  /** Resolves with what is wrong; empty = it can be committed. */
  async prepare({ config: delta, files, readAgain }: Prepare): Promise<readonly string[]> {
    await this.discard();
    this.#given.give(files);
    await using undo = new AsyncDisposableStack();
    try {
      const config = applyDelta(delta, this.#state.config);
      this.#telemetry.addSecrets(configSecrets(config));
      const material = await this.#identities.prepare(config, { readAgain });
      undo.defer(() => material.discard());
      const runtime = await buildRuntime({ ...this.#buildOptions, config: ownPart(config), previous: this.#runtime });
      undo.move();
      this.#prepared = { config, material, runtime };
      return [];
    } catch (error) {
      if (error instanceof ReloadRefused) return error.reasons;
      return [error instanceof Error ? error.message : String(error)];
    }
  }

  async commit(tickets: Uint8Array | undefined): Promise<undefined> {
    const prepared = this.#prepared;
    if (prepared === undefined) throw new Error('nothing was prepared');
    this.#prepared = undefined;
    this.#tickets.next = tickets;
    await prepared.material.commit();
    const { config, runtime } = prepared;
    if (runtime === undefined) return;
    this.#runtime = runtime;
    this.#state.config = config;
    this.#state.reach = reachOf(config);
    void this.#current.replace(runtime);
  }

  async discard(): Promise<undefined> {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    await prepared?.runtime?.[Symbol.asyncDispose]();
    await prepared?.material.discard();
  }

  async counts(): Promise<WorkerCounts> {
    const servers = new Set(this.#state.config.servers.map(({ name }) => name));
    return { requestsInFlight: this.#front.exchanges.size, metrics: this.#front.metrics.counts(servers) };
  }

  hear(notice: Notice): void {
    if (notice.notice === 'revision') {
      this.#store?.noticed(notice.revision);
      return;
    }
    try {
      this.#telemetry.setLevel(notice.level, notice.server);
    } catch {
      // A server that has no log here is not answered here either.
    }
  }

  async drain(timeoutMs: number): Promise<boolean> {
    this.#state.draining = true;
    this.#listener.drain();
    const { exchanges } = this.#front;
    const deadline = performance.now() + timeoutMs;
    while (exchanges.size > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    const drained = exchanges.size === 0;
    const reason = new GatewayError('shutting_down', 'The gateway has stopped before the answer came.');
    for (const exchange of [...exchanges]) exchange.abort.abort(reason);
    return drained;
  }

  /** The owner is gone without a word: what it would have cleared away goes, too. */
  async leave(): Promise<void> {
    this.#telemetry.log.error('the gateway has ended; its worker ends, too');
    this.#telemetry.flushSync();
    await rm(dirname(this.#start.door.path), { recursive: true, force: true }).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

interface State {
  /** As the owner has it. */
  config: Config;
  reach: Reach;
  draining: boolean;
}

interface Parts {
  readonly start: Start;
  readonly stack: AsyncDisposableStack;
  readonly telemetry: Telemetry;
  readonly given: GivenMaterial;
  readonly tickets: { next: Uint8Array | undefined };
  readonly identities: Identities;
  readonly store: Store | undefined;
  readonly buildOptions: Pick<BuildOptions, 'telemetry' | 'version' | 'identities' | 'authenticatorFor'>;
  readonly current: CurrentRuntime;
  readonly front: Front;
  readonly listener: WorkerListener;
  readonly state: State;
  readonly runtime: BuiltRuntime;
}

/** What of a configuration a worker can serve: servers without containers, each opened by the first call that comes here. */
function ownPart(config: Config): Config {
  if (reachOf(config) === 'nothing')
    return { ...config, servers: [], gateway: { ...config.gateway, payloadDir: undefined } };
  const servers = config.servers.flatMap((server) => {
    if (server.kind !== 'http') return [];
    let own = OWN.get(server);
    if (own === undefined) OWN.set(server, (own = { ...server, start: 'lazy' }));
    return own;
  });
  return { ...config, servers };
}

/** The same object for as long as the server is the same. */
const OWN = new WeakMap<Config['servers'][number], Config['servers'][number]>();

function reachOf({ gateway: { hmacSecret, payloadDir }, servers }: Config): Reach {
  // Signatures may be used once in all processes together; large results belong into files that one process keeps.
  if (hmacSecret !== undefined || payloadDir !== undefined) return 'nothing';
  return servers.some(({ kind }) => kind !== 'http') ? 'single servers' : 'everything';
}

/** What nobody has caught ends the process; the owner starts another one. */
function endOnFaults(telemetry: Telemetry): void {
  const onFault = (error: unknown): void => {
    telemetry.log.fatal({ err: error }, 'a fault that was not caught; the worker ends');
    telemetry.flushSync();
    process.exit(1);
  };
  process.on('uncaughtException', onFault);
  process.on('unhandledRejection', onFault);
}
