/** The conversation with a server that serves all clients: opened, checked, and opened anew when it is lost. */
import type { Era } from '../mcp/versions.ts';
import type { Listing, ListingRow } from '../mcp/listing.ts';
import type { JsonObject, Message } from '../mcp/message.ts';
import { GatewayError } from '../shared/errors.ts';
import { ModernConversation, type EraStatus } from './eras.ts';
import { logHealth, messageOf, nextHealth, stateOfFailure, unavailable } from './health.ts';
import type { Health, HealthState } from './health.ts';
import type { LegacyUpstream } from './legacy-upstream.ts';
import type { ModernUpstream } from './modern-upstream.ts';
import { openFirst } from './open-first.ts';
import type { ServerWires } from './open-conversation.ts';
import { Presence } from './presence.ts';
import { Prober, type ProbeResult } from './prober.ts';
import { CRASHES_IN_A_ROW, restartDelay } from './restart-delay.ts';
import type { PendingCall, Upstream } from './upstream.ts';

export interface SharedConversationOptions {
  readonly wires: ServerWires;
  /** Name and version of the gateway, raw JSON text. */
  readonly clientInfo: string;
  /** Interval of pings to HTTP conversations of single sessions; undefined = off. */
  readonly keepaliveIntervalMs: number | undefined;
  /** The conversations of single sessions. */
  readonly others: () => readonly Upstream[];
  readonly onNotification: (upstream: Upstream, message: Message, call: PendingCall | undefined) => void;
  /** A conversation is open; those who wait for it go on when this resolves. */
  readonly onOpened: (upstream: LegacyUpstream | ModernUpstream) => Promise<void>;
  readonly onLost: () => void;
  /** State or reason of the health have changed. */
  readonly onHealth: () => void;
  /** The items of the server leave listings, or come back without a new conversation. */
  readonly onPresence: (capabilities: JsonObject) => void;
  readonly onListing: (row: ListingRow, listing: Listing) => void;
}

/** A conversation that lived so long ends the count of failures in a row. */
const STABLE_AFTER_MS = 10_000;

export class SharedConversation implements AsyncDisposable {
  /** Aborted when it ends for good. */
  readonly stopping = new AbortController();
  readonly #options: SharedConversationOptions;
  readonly #prober: Prober;
  readonly #presence: Presence;
  readonly #modern: ModernConversation;
  #upstream: LegacyUpstream | ModernUpstream | undefined;
  #connecting: Promise<LegacyUpstream | ModernUpstream> | undefined;
  #health: Health = { state: 'unknown', reason: undefined, since: Date.now(), nextProbe: undefined };
  #primaryEra: Era | undefined;
  #failures = 0;
  /** Conversations in a row that were opened and soon lost. */
  #crashes = 0;
  /** True until the first request for a server that starts with it. */
  #isDormant: boolean;
  #connectedAt = 0;
  #retry: NodeJS.Timeout | undefined;
  #lastError: unknown;
  #lastCapabilities: JsonObject = {};
  #lastWords: () => readonly string[] = () => [];

  constructor(options: SharedConversationOptions) {
    const { wires, clientInfo, keepaliveIntervalMs, others } = options;
    const { config } = wires;
    const { health } = config;
    this.#options = options;
    this.#isDormant = config.start === 'lazy';
    if (this.#isDormant) this.#health = { ...this.#health, reason: 'It starts with the first request that needs it.' };
    this.#modern = new ModernConversation({
      wires,
      clientInfo,
      signal: this.stopping.signal,
      onNotification: (message, call) => {
        const upstream = this.#modern.present;
        if (upstream !== undefined) options.onNotification(upstream, message, call);
      },
      onClose: (reason) => this.#modernLost(reason),
      onListing: options.onListing,
    });
    this.#presence = new Presence({
      failureThreshold: health.failureThreshold,
      // Without checks there is nothing but the connection that could succeed.
      successThreshold: health.intervalMs === undefined ? 1 : health.successThreshold,
    });
    this.#prober = new Prober({
      ...health,
      keepaliveIntervalMs: config.kind === 'http' ? keepaliveIntervalMs : undefined,
      shared: () => this.#upstream,
      others,
      onResult: (result) => this.#probed(result),
    });
  }

  get health(): Health {
    return this.#health;
  }
  /** False while the server counts as unreachable. */
  get listed(): boolean {
    return this.#presence.listed;
  }
  /** The conversation if it is open. */
  get present(): LegacyUpstream | ModernUpstream | undefined {
    return this.#upstream;
  }
  /** The modern conversation if it is open: the same one, or one beside it. */
  get presentModern(): ModernUpstream | undefined {
    return this.#upstream?.era === 'modern' ? this.#upstream : this.#modern.present;
  }
  /** The era that the conversation was opened in; undefined before the first. */
  get primaryEra(): Era | undefined {
    return this.#primaryEra;
  }
  /** When the present conversation began, in ms since the epoch; 0 while there is none. */
  get connectedAt(): number {
    return this.#upstream === undefined ? 0 : this.#connectedAt;
  }
  /** How many of the two are open. */
  get count(): number {
    return new Set([this.#upstream, this.#modern.present].filter((open) => open !== undefined)).size;
  }
  get eras(): EraStatus {
    return this.#modern.status(this.#primaryEra);
  }
  /** Last lines of the server's stderr, of the present or the last process. */
  get lastWords(): readonly string[] {
    return this.#lastWords();
  }

  /** The first attempt. Rejects with the reason of the failure; with `retry` it goes on trying by itself. */
  async start({ retry }: { readonly retry: boolean }): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      if (retry) this.#scheduleRetry();
      throw error;
    }
  }

  /** Waits for the conversation that is being opened; rejects at once with the reason when there is none. */
  get(): Promise<LegacyUpstream | ModernUpstream> {
    if (this.#upstream !== undefined) return Promise.resolve(this.#upstream);
    if (this.#connecting !== undefined) return this.#connecting;
    if (this.#isDormant && !this.stopping.signal.aborted) return this.#tryAgain();
    // The first failure may have been a passing one: the caller waits for the next try instead of failing with the last.
    if (this.#retry !== undefined && this.#failures + this.#crashes <= 1) return this.#tryAgain();
    return Promise.reject(this.unavailable());
  }

  /** What `modern` would resolve to, where that is known at once. */
  get readyModern(): ModernUpstream | undefined {
    return this.#upstream?.era === 'modern' ? this.#upstream : undefined;
  }

  /** The conversation for the requests of modern clients; undefined when the server speaks only the legacy era. */
  async modern(): Promise<ModernUpstream | undefined> {
    // A server that is down is not tried once more for each request.
    const shared = await this.get();
    if (shared.era === 'modern') return shared;
    try {
      return await this.#modern.get();
    } catch (error) {
      // What cannot be found out now must not keep a client from the conversation that there is.
      this.#options.wires.log.debug({ err: error }, 'it could not be found out whether the server is modern');
      return undefined;
    }
  }

  /** A call has failed in a way that may have to do with the server. */
  suspect(): void {
    this.#prober.suspect();
  }

  /** The error for a request that the server cannot take now. */
  unavailable(): GatewayError {
    if (this.stopping.signal.aborted) return new GatewayError('shutting_down', 'The gateway is shutting down.');
    return unavailable(this.#options.wires.config.name, this.#health, this.#lastError);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopping.abort(new GatewayError('shutting_down', 'The gateway is shutting down.'));
    clearTimeout(this.#retry);
    this.#prober[Symbol.dispose]();
    this.#setHealth('stopped', 'The gateway is shutting down.');
    const connecting = this.#connecting?.catch(() => undefined);
    await Promise.all([this.#upstream?.close(), this.#modern[Symbol.asyncDispose](), connecting]);
  }

  #connect(): Promise<LegacyUpstream | ModernUpstream> {
    this.#isDormant = false;
    this.#connecting ??= this.#open().finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  async #open(): Promise<LegacyUpstream | ModernUpstream> {
    // Until it is back, what is known of a server that has failed is why.
    const { state } = this.#health;
    if (state !== 'unreachable' && state !== 'tls-error' && state !== 'auth-required') this.#setHealth('starting');
    try {
      const { wires, clientInfo, onNotification, onListing } = this.#options;
      const upstream = await openFirst({
        wires,
        clientInfo,
        modern: this.#modern,
        signal: this.stopping.signal,
        onMade: (made) => (this.#lastWords = () => made.lastWords()),
        onNotification,
        onClose: (reason) => this.#lost(reason),
        onListing,
      });
      this.#upstream = upstream;
      this.#primaryEra = upstream.era;
      this.#connectedAt = Date.now();
      this.#lastError = undefined;
      this.#lastCapabilities = upstream.capabilities;
      this.#presence.succeeded();
      this.#setWell();
      this.#prober.start();
      await this.#options.onOpened(upstream);
      // Lost again while it was told the settings: whoever waits for it must not get a dead conversation.
      if (this.#upstream !== upstream) throw this.unavailable();
      return upstream;
    } catch (error) {
      this.#lastError = error;
      this.#failures++;
      if (!this.stopping.signal.aborted) {
        this.#setHealth(stateOfFailure(error), messageOf(error));
        this.#failed();
      }
      throw error;
    }
  }

  #lost(reason: Error): void {
    const wasOpen = this.#upstream !== undefined;
    this.#upstream = undefined;
    this.#prober.stop();
    this.#options.onLost();
    if (!wasOpen || this.stopping.signal.aborted) return;
    // It had come up: failures to start are over, and what counts is how often it dies.
    this.#crashes = Date.now() - this.#connectedAt > STABLE_AFTER_MS ? 0 : this.#crashes + 1;
    this.#failures = Math.max(0, this.#crashes - CRASHES_IN_A_ROW);
    this.#lastError = reason;
    this.#setHealth(stateOfFailure(reason), messageOf(reason));
    // A server that has only forgotten its session is there: no reason to wait.
    if (reason instanceof GatewayError && reason.code === 'server_session_lost') {
      this.#tryAgain().catch(() => undefined);
      return;
    }
    this.#failed();
    this.#scheduleRetry();
  }

  #modernLost(reason: Error): void {
    if (this.#upstream?.era === 'modern') this.#lost(reason);
  }

  #scheduleRetry(): void {
    if (this.stopping.signal.aborted) return;
    const delay = restartDelay(this.#failures, this.#crashes, this.#options.wires.config.health.longestPauseMs);
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
    const shared = this.#upstream;
    if (shared === undefined) return;
    if (failures === 0) {
      const isBack = this.#presence.succeeded();
      this.#setWell();
      if (isBack) this.#options.onPresence(this.#lastCapabilities);
      return;
    }
    const { failureThreshold } = this.#options.wires.config.health;
    this.#setHealth('degraded', `No answer to a health check: ${messageOf(error)}`);
    if (shared.lastReceivedAt > failingSince) return;
    const busy = [...shared.calls()].some(({ method }) => method !== 'subscriptions/listen');
    if (busy && Date.now() - failingSince < this.#options.wires.config.toolTimeoutMs) return;
    this.#failed();
    if (failures < failureThreshold) return;
    this.#options.wires.log.warn({ err: error }, 'the server does not answer; opening a new conversation');
    this.#modern.drop(shared);
    void shared.close();
    this.#lost(error instanceof Error ? error : new Error(String(error)));
  }

  #failed(): void {
    if (this.#presence.failed()) this.#options.onPresence(this.#lastCapabilities);
  }

  #setWell(): void {
    const { missing } = this.#presence;
    if (missing === 0) this.#setHealth('healthy');
    else
      this.#setHealth('degraded', `It answers again; its items come back after ${missing} more good checks in a row.`);
  }

  #setHealth(state: HealthState, reason?: string, nextProbe?: number): void {
    const previous = this.#health;
    this.#health = nextHealth(previous, state, reason, nextProbe);
    logHealth(this.#options.wires.log, previous, this.#health);
    if (previous.state !== state || previous.reason !== reason) this.#options.onHealth();
  }
}
