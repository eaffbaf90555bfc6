/** All live conversations with one server: the shared one, kept alive for as long as the gateway lives, and those of sessions. */
import type { ServerConfig } from '../config/config.ts';

import { LATEST_LEGACY_VERSION, type Era } from '../mcp/versions.ts';
import { GatewayError } from '../shared/errors.ts';
import { sessionEnded, type Attachment } from './attachment.ts';
import { ModernConversation, type EraStatus } from './eras.ts';
import { logHealth, messageOf, nextHealth, stateOfFailure, unavailable } from './health.ts';
import type { Health, HealthState, Omission } from './health.ts';
import type { LegacyUpstream } from './legacy-upstream.ts';
import type { ModernUpstream } from './modern-upstream.ts';
import { openConversation, replay, type ServerWires } from './open-conversation.ts';
import { Prober, type ProbeResult } from './prober.ts';
import { CRASHES_IN_A_ROW, restartDelay } from './restart-delay.ts';
import { SessionConversations } from './session-conversations.ts';
import { refuseRequest } from './refuse-request.ts';
import { SharedRouting } from './shared-routing.ts';
import type { Upstream, UpstreamEvents } from './upstream.ts';

export interface PoolOptions extends ServerWires {
  /** Name and version of the gateway, raw JSON text, for the conversation that serves several clients. */
  readonly clientInfo: string;
  /** Interval of pings to HTTP conversations of single sessions; undefined = off. */
  readonly keepaliveIntervalMs: number | undefined;
  /** Interval of health probes in ms (specification 1.17: 30 s). */
  readonly probeIntervalMs: number;
}

/** A conversation that lived so long ends the count of failures in a row. */
const STABLE_AFTER_MS = 10_000;
/** After so many probes in a row without an answer the conversation is opened anew. */
const DEAD_AFTER_PROBES = 3;

export class UpstreamPool implements AsyncDisposable {
  readonly config: ServerConfig;
  /** Told when state or reason of the health have changed. Must not throw. */
  onHealth: ((pool: UpstreamPool) => void) | undefined;
  /** Which sessions use the shared conversation, and what they need of it together. */
  readonly routing: SharedRouting;
  readonly #options: PoolOptions;
  readonly #sessions: SessionConversations;
  readonly #prober: Prober;
  readonly #stopping = new AbortController();
  readonly #modern: ModernConversation;
  #shared: LegacyUpstream | ModernUpstream | undefined;
  #connecting: Promise<LegacyUpstream | ModernUpstream> | undefined;
  #health: Health = { state: 'unknown', reason: undefined, since: Date.now(), nextProbe: undefined };
  #primaryEra: Era | undefined;
  #omission: Omission | undefined;
  #failures = 0;
  /** Conversations in a row that were opened and soon lost. */
  #crashes = 0;
  /** True until the first request for a server that starts with it. */
  #isDormant: boolean;
  #connectedAt = 0;
  #retry: NodeJS.Timeout | undefined;
  #lastError: unknown;
  #lastWords: () => readonly string[] = () => [];

  constructor(options: PoolOptions) {
    this.config = options.config;
    this.#options = options;
    this.#isDormant = options.config.start === 'lazy';
    if (this.#isDormant) this.#health = { ...this.#health, reason: 'It starts with the first request that needs it.' };
    this.#sessions = new SessionConversations(options, this.#stopping.signal);
    this.routing = new SharedRouting((attachment) => this.#sessions.present(attachment) !== undefined);
    this.#modern = new ModernConversation({
      wires: options,
      clientInfo: options.clientInfo,
      signal: this.#stopping.signal,
      onNotification: (message, call) => {
        const upstream = this.#modern.present;
        if (upstream !== undefined) this.routing.deliver(upstream, message, call);
      },
      onClose: (reason) => this.#modernLost(reason),
    });
    this.#prober = new Prober({
      intervalMs: options.probeIntervalMs,
      keepaliveIntervalMs: options.config.kind === 'http' ? options.keepaliveIntervalMs : undefined,
      shared: () => this.#shared,
      others: () => this.#sessions.open,
      onResult: (result) => this.#probed(result),
    });
  }

  get name(): string {
    return this.config.name;
  }
  get health(): Health {
    return this.#health;
  }
  /** When the present conversation began, in ms since the epoch; 0 while there is none. */
  get connectedAt(): number {
    return this.#shared === undefined ? 0 : this.#connectedAt;
  }
  /** Number of live conversations, the shared one included. */
  get conversations(): number {
    const modern = this.#modern.present;
    const own = modern === undefined || modern === this.#shared ? 0 : 1;
    return this.#sessions.open.length + (this.#shared === undefined ? 0 : 1) + own;
  }
  /** The wire of the present conversation, such as `container` or `streamable-http`. */
  get transport(): string | undefined {
    return this.#shared?.transport;
  }
  /** Which eras the server speaks, as far as that is known. */
  get eras(): EraStatus {
    const { verdict, checkedAt, expiresAt } = this.#modern;
    const legacy = this.#primaryEra === undefined ? 'unknown' : this.#primaryEra === 'legacy' ? 'yes' : 'no';
    return { legacy, modern: verdict, checkedAt, expiresAt };
  }
  /** Last lines of the server's stderr, of the present or the last process. */
  get lastWords(): readonly string[] {
    return this.#lastWords();
  }

  /** The first attempt. Rejects with the reason of the failure; with `retry` the pool goes on trying by itself. */
  async start({ retry }: { readonly retry: boolean }): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      if (retry) this.#scheduleRetry();
      throw error;
    }
  }

  /** The conversation that serves all clients. Waits for one that is being opened; rejects at once with the reason when there is none. */
  shared(): Promise<LegacyUpstream | ModernUpstream> {
    if (this.#shared !== undefined) return Promise.resolve(this.#shared);
    if (this.#connecting !== undefined) return this.#connecting;
    if (this.#isDormant && !this.#stopping.signal.aborted) return this.#tryAgain();
    // The first failure may have been a passing one: the caller waits for the next try instead of failing with the last.
    if (this.#retry !== undefined && this.#failures + this.#crashes <= 1) return this.#tryAgain();
    return Promise.reject(this.#unavailable());
  }

  /**
   * The conversation for the requests of modern clients; undefined when the server speaks only the legacy era. The
   * first one to ask waits until that is found out.
   */
  async modern(): Promise<ModernUpstream | undefined> {
    // A server that is down is not tried once more for each request.
    const shared = await this.shared();
    if (shared.era === 'modern') return shared;
    try {
      return await this.#modern.get();
    } catch (error) {
      // What cannot be found out now must not keep a client from the conversation that there is.
      this.#options.log.debug({ err: error }, 'it could not be found out whether the server is modern');
      return undefined;
    }
  }

  /** The last unified listing that this server was left out of. */
  get omission(): Omission | undefined {
    return this.#omission;
  }

  /** A unified listing had to do without this server. */
  noteOmission(method: string, error: unknown): void {
    this.#omission = { method, reason: messageOf(error), at: Date.now() };
  }

  /** The server is to tell of changes of exactly those resources that somebody behind the gateway wants to hear of. */
  syncWatch(): void {
    const upstream = this.#shared?.era === 'modern' ? this.#shared : this.#modern.present;
    upstream?.watch(this.routing.needs(this.name).subscriptions);
  }

  /** The conversation for the calls of a session. */
  for(attachment: Attachment): Promise<LegacyUpstream | ModernUpstream> {
    if (attachment.closed) return Promise.reject(sessionEnded());
    const alone = this.ownsUpstream(attachment);
    this.routing.attach(attachment, !alone);
    return alone ? this.#sessions.get(attachment) : this.shared();
  }

  /** The conversation for the listings of a session: its own if it has one already, else the shared one. */
  forListing(attachment: Attachment | undefined): Promise<LegacyUpstream | ModernUpstream> {
    if (attachment === undefined) return this.shared();
    if (attachment.closed) return Promise.reject(sessionEnded());
    this.routing.attach(attachment, !this.ownsUpstream(attachment));
    const own = this.#sessions.present(attachment);
    return own === undefined ? this.shared() : Promise.resolve(own);
  }

  /** True when the session talks to the server alone (docs/decisions/0004). */
  ownsUpstream(attachment: Attachment): boolean {
    // Modern servers have no sessions: every request says for itself who sends it.
    if (this.#primaryEra === 'modern') return false;
    if (this.config.kind === 'http') return true;
    if (this.config.isolation === 'auto') return attachment.askable;
    return this.config.isolation === 'session';
  }

  /** The conversation that serves the session at present; opens none. */
  present(attachment: Attachment): Upstream | undefined {
    return this.ownsUpstream(attachment) ? this.#sessions.present(attachment) : this.#shared;
  }

  /**
   * Takes over the sessions of the pool that this one replaces: they are told that lists may differ, and what they
   * subscribed to is subscribed to anew. Their conversations with the server before are not touched.
   */
  takeOver(previous: UpstreamPool): void {
    for (const attachment of previous.routing.attached) {
      if (attachment.closed) continue;
      this.routing.attach(attachment, !this.ownsUpstream(attachment));
      const subscribed = attachment.subscriptions(this.name).size > 0;
      // Who only listens makes no request that would open the conversation.
      if (subscribed && this.ownsUpstream(attachment)) this.#sessions.get(attachment).catch(() => undefined);
    }
    if (this.#shared !== undefined) void this.#settle(this.#shared);
  }

  /** The session is over: its conversation ends with it. */
  async detach(attachment: Attachment): Promise<void> {
    this.routing.detach(attachment);
    this.syncWatch();
    await this.#sessions.end(attachment);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new GatewayError('shutting_down', 'The gateway is shutting down.'));
    clearTimeout(this.#retry);
    this.#prober[Symbol.dispose]();
    this.#setHealth('stopped', 'The gateway is shutting down.');
    const connecting = this.#connecting?.catch(() => undefined);
    await Promise.all([
      this.#sessions[Symbol.asyncDispose](),
      this.#shared?.close(),
      this.#modern[Symbol.asyncDispose](),
      connecting,
    ]);
  }

  #connect(): Promise<LegacyUpstream | ModernUpstream> {
    this.#isDormant = false;
    this.#connecting ??= this.#openShared().finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  async #openShared(): Promise<LegacyUpstream | ModernUpstream> {
    // Until it is back, what is known of a server that has failed is why.
    const { state } = this.#health;
    if (state !== 'unreachable' && state !== 'tls-error' && state !== 'auth-required') this.#setHealth('starting');
    try {
      const upstream = await this.#openFirst();
      this.#shared = upstream;
      this.#primaryEra = upstream.era;
      this.#connectedAt = Date.now();
      this.#lastError = undefined;
      this.#setHealth('healthy');
      this.#prober.start();
      await this.#settle(upstream);
      // Lost again while it was told the settings: whoever waits for it must not get a dead conversation.
      if (this.#shared !== upstream) throw this.#unavailable();
      return upstream;
    } catch (error) {
      this.#lastError = error;
      this.#failures++;
      if (!this.#stopping.signal.aborted) this.#setHealth(stateOfFailure(error), messageOf(error));
      throw error;
    }
  }

  /** Gives a shared conversation what its sessions need of it, and tells them that its lists may differ from those they have. */
  async #settle(upstream: LegacyUpstream | ModernUpstream): Promise<void> {
    const { logLevel, subscriptions } = this.routing.needs(this.name);
    if (upstream.era === 'modern') this.syncWatch();
    else await replay(upstream, logLevel, subscriptions, this.#options.log);
    this.routing.announceLists(this.name, upstream.capabilities);
  }

  /**
   * HTTP servers are asked modern first, as the specification says. A process is greeted with `initialize` first: some
   * legacy ones end when they are asked anything else before, and starting one only to ask costs a container.
   */
  async #openFirst(): Promise<LegacyUpstream | ModernUpstream> {
    if (this.config.kind === 'http') return (await this.#openModernFirst()) ?? this.#openLegacy();
    try {
      return await this.#openLegacy();
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'server_protocol_error') throw error;
      this.#modern.doubt();
      const modern = await this.#openModernFirst({ patient: true }).catch(() => undefined);
      if (modern === undefined) throw error;
      return modern;
    }
  }

  /** undefined for a legacy server, and for one that leaves the question unanswered. */
  async #openModernFirst(options?: { readonly patient: boolean }): Promise<ModernUpstream | undefined> {
    try {
      const upstream = await this.#modern.get(options);
      if (upstream !== undefined) this.#lastWords = () => upstream.lastWords();
      return upstream;
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'server_timeout') return undefined;
      throw error;
    }
  }

  async #openLegacy(): Promise<LegacyUpstream> {
    const made: { upstream?: LegacyUpstream } = {};
    const events: UpstreamEvents = {
      onRequest: (message, call) => {
        if (made.upstream !== undefined && call?.onRequest !== undefined) call.onRequest(made.upstream, message);
        else refuseRequest(made.upstream, message, this.#options.log);
      },
      onNotification: (message, call) => {
        if (made.upstream !== undefined) this.routing.deliver(made.upstream, message, call);
      },
      onClose: (reason) => this.#sharedLost(reason),
    };
    const upstream = await openConversation(this.#options, {
      events,
      identity: {
        clientInfo: this.#options.clientInfo,
        clientCapabilities: '{}',
        protocolVersion: LATEST_LEGACY_VERSION,
      },
      signal: this.#stopping.signal,
      onMade: (candidate) => {
        made.upstream = candidate;
        this.#lastWords = () => candidate.lastWords();
      },
    });
    if (!this.#stopping.signal.aborted) return upstream;
    await upstream.close();
    throw new GatewayError('shutting_down', 'The gateway is shutting down.');
  }

  #sharedLost(reason: Error): void {
    const wasOpen = this.#shared !== undefined;
    this.#shared = undefined;
    this.#prober.stop();
    if (!wasOpen || this.#stopping.signal.aborted) return;
    // It had come up: failures to start are over, and what counts is how often it dies.
    this.#crashes = Date.now() - this.#connectedAt > STABLE_AFTER_MS ? 0 : this.#crashes + 1;
    this.#failures = Math.max(0, this.#crashes - CRASHES_IN_A_ROW);
    this.#lastError = reason;
    this.#setHealth(stateOfFailure(reason), messageOf(reason));
    // A server that has only forgotten its session is there: no reason to wait.
    const forgotten = reason instanceof GatewayError && reason.code === 'server_session_lost';
    if (forgotten) this.#tryAgain().catch(() => undefined);
    else this.#scheduleRetry();
  }

  #modernLost(reason: Error): void {
    if (this.#shared?.era === 'modern') this.#sharedLost(reason);
  }

  #scheduleRetry(): void {
    if (this.#stopping.signal.aborted) return;
    const delay = restartDelay(this.#failures, this.#crashes);
    this.#setHealth(this.#health.state, this.#health.reason, Date.now() + delay);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#tryAgain().catch(() => undefined), delay);
  }

  #tryAgain(): Promise<LegacyUpstream | ModernUpstream> {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const connecting = this.#connect();
    connecting.catch(() => this.#scheduleRetry());
    return connecting;
  }

  /** A server that sends nothing at all is dead, unless calls are in flight that may keep it busy for so long. */
  #probed({ failures, error, failingSince }: ProbeResult): void {
    const shared = this.#shared;
    if (shared === undefined) return;
    if (failures === 0) {
      this.#setHealth('healthy');
      return;
    }
    this.#setHealth('degraded', `No answer to a health check: ${messageOf(error)}`);
    if (failures < DEAD_AFTER_PROBES || shared.lastReceivedAt > failingSince) return;
    const busy = [...shared.calls()].some(({ method }) => method !== 'subscriptions/listen');
    if (busy && Date.now() - failingSince < this.config.toolTimeoutMs) return;
    this.#options.log.warn({ err: error }, 'the server does not answer; opening a new conversation');
    this.#modern.drop(shared);
    void shared.close();
    this.#sharedLost(error instanceof Error ? error : new Error(String(error)));
  }

  #unavailable(): GatewayError {
    if (this.#stopping.signal.aborted) return new GatewayError('shutting_down', 'The gateway is shutting down.');
    return unavailable(this.name, this.#health, this.#lastError);
  }

  #setHealth(state: HealthState, reason?: string, nextProbe?: number): void {
    const previous = this.#health;
    this.#health = nextHealth(previous, state, reason, nextProbe);
    logHealth(this.#options.log, previous, this.#health);
    if (previous.state !== state || previous.reason !== reason) this.onHealth?.(this);
  }
}
