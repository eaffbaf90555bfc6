/** All live conversations with one server: the shared one, kept alive for as long as the gateway lives, and those of sessions. */
import type { ServerConfig } from '../config/config.ts';
import type { Listing, ListingRow } from '../mcp/listing.ts';
import type { GatewayError } from '../shared/errors.ts';
import { sessionEnded, type Attachment } from './attachment.ts';
import { Catalogue } from './catalogue.ts';
import type { EraStatus } from './eras.ts';
import { messageOf, type Health, type Omission } from './health.ts';
import type { LegacyUpstream } from './legacy-upstream.ts';
import type { ModernUpstream } from './modern-upstream.ts';
import { replay, type ServerWires } from './open-conversation.ts';
import { Refresher, type ListedItem, type Refreshed } from './refresher.ts';
import { SessionConversations } from './session-conversations.ts';
import { SharedConversation } from './shared-conversation.ts';
import { SharedRouting } from './shared-routing.ts';
import type { Upstream } from './upstream.ts';

export interface PoolOptions extends Omit<ServerWires, 'onTrouble'> {
  /** Name and version of the gateway, raw JSON text, for the conversation that serves several clients. */
  readonly clientInfo: string;
  /** Interval of pings to HTTP conversations of single sessions; undefined = off. */
  readonly keepaliveIntervalMs: number | undefined;
  /** True when the messages of the server are written down, so that each must be read; default false. */
  readonly isRecorded?: boolean;
  /** Takes everything that the server lists, whenever all of it was read; without it listings are read when clients ask. */
  readonly onItems?: ((items: readonly ListedItem[]) => void) | undefined;
}

export class UpstreamPool implements AsyncDisposable {
  readonly config: ServerConfig;
  /** Told when state or reason of the health have changed. Must not throw. */
  onHealth: ((pool: UpstreamPool) => void) | undefined;
  /** Which sessions use the shared conversation, and what they need of it together. */
  readonly routing: SharedRouting;
  readonly #options: PoolOptions;
  readonly #shared: SharedConversation;
  readonly #sessions: SessionConversations;
  readonly #catalogue = new Catalogue();
  readonly #refresher: Refresher;
  #omission: Omission | undefined;

  constructor(options: PoolOptions) {
    const { config, log, clientInfo, keepaliveIntervalMs, onItems } = options;
    this.config = config;
    this.#options = options;
    const wires: ServerWires = { ...options, onTrouble: () => this.#shared.suspect() };
    this.#shared = new SharedConversation({
      wires,
      clientInfo,
      keepaliveIntervalMs,
      others: () => this.#sessions.open,
      onNotification: (upstream, message, call) => {
        this.routing.deliver(upstream, message, call);
        if (message.method?.endsWith('/list_changed') === true) this.#refresher.noticed();
      },
      onOpened: async (upstream) => {
        await this.#settle(upstream);
        this.#refresher.start();
      },
      onLost: () => this.#refresher.stop(),
      onHealth: () => this.onHealth?.(this),
      onPresence: (capabilities) => this.routing.announceLists(this.name, capabilities),
      onListing: (row, listing) => this.#catalogue.note(row, listing),
    });
    this.#sessions = new SessionConversations(wires, this.#shared.stopping.signal);
    this.routing = new SharedRouting((attachment) => this.#sessions.present(attachment) !== undefined);
    this.#refresher = new Refresher({
      catalogue: this.#catalogue,
      health: config.health,
      log,
      present: () => this.#shared.present,
      upstream: () => this.#shared.get(),
      onChanged: (lists) => this.routing.announceLists(this.name, Object.fromEntries(lists.map((list) => [list, {}]))),
      onItems,
    });
  }

  get name(): string {
    return this.config.name;
  }
  get health(): Health {
    return this.#shared.health;
  }
  /** As in PoolOptions. */
  get isRecorded(): boolean {
    return this.#options.isRecorded === true;
  }
  /** False while the server counts as unreachable: its items have left listings, or are marked in them. */
  get listed(): boolean {
    return this.#shared.listed;
  }
  /** When the present conversation began, in ms since the epoch; 0 while there is none. */
  get connectedAt(): number {
    return this.#shared.connectedAt;
  }
  /** Number of live conversations, the shared one included. */
  get conversations(): number {
    return this.#sessions.open.length + this.#shared.count;
  }
  /** The wire of the present conversation, such as `container` or `streamable-http`. */
  get transport(): string | undefined {
    return this.#shared.present?.transport;
  }
  /** Which eras the server speaks, as far as that is known. */
  get eras(): EraStatus {
    return this.#shared.eras;
  }
  /** Last lines of the server's stderr, of the present or the last process. */
  get lastWords(): readonly string[] {
    return this.#shared.lastWords;
  }

  /** The first attempt. Rejects with the reason of the failure; with `retry` the pool goes on trying by itself. */
  start(options: { readonly retry: boolean }): Promise<void> {
    return this.#shared.start(options);
  }

  /** The conversation that serves all clients. Waits for one that is being opened; rejects at once with the reason when there is none. */
  shared(): Promise<LegacyUpstream | ModernUpstream> {
    return this.#shared.get();
  }

  /**
   * The conversation for the requests of modern clients; undefined when the server speaks only the legacy era. The
   * first one to ask waits until that is found out.
   */
  modern(): Promise<ModernUpstream | undefined> {
    return this.#shared.modern();
  }

  /** The conversation for modern clients when there is no need to wait for it: what `modern` would resolve to. */
  get readyModern(): ModernUpstream | undefined {
    return this.#shared.readyModern;
  }

  /** The error for a request that the server cannot take now. */
  unavailable(): GatewayError {
    return this.#shared.unavailable();
  }

  /** What the server has listed last, because of this error; undefined when nothing is known. */
  lastListing(row: ListingRow, error: unknown): Listing | undefined {
    const last = this.#catalogue.last(row);
    if (last !== undefined) this.#options.log.debug({ err: error, method: row.method }, 'the last listing is shown');
    return last;
  }

  /** Reads all listings anew, with all pages. Rejects with the failure of any of them; what was known stays then. */
  refresh(): Promise<Refreshed> {
    return this.#refresher.refresh();
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
    this.#shared.presentModern?.watch(this.routing.needs(this.name).subscriptions);
  }

  /** The conversation for the calls of a session. */
  for(attachment: Attachment): Promise<LegacyUpstream | ModernUpstream> {
    if (attachment.closed) return Promise.reject(sessionEnded());
    const alone = this.ownsUpstream(attachment);
    this.routing.attach(attachment, !alone);
    return alone ? this.#sessions.get(attachment) : this.#shared.get();
  }

  /** The same where there is no need to wait for it. */
  readyFor(attachment: Attachment): LegacyUpstream | ModernUpstream | undefined {
    if (attachment.closed) return undefined;
    const alone = this.ownsUpstream(attachment);
    this.routing.attach(attachment, !alone);
    return alone ? this.#sessions.present(attachment) : this.#shared.present;
  }

  /** The conversation for the listings of a session: its own if it has one already, else the shared one. */
  forListing(attachment: Attachment | undefined): Promise<LegacyUpstream | ModernUpstream> {
    if (attachment === undefined) return this.#shared.get();
    if (attachment.closed) return Promise.reject(sessionEnded());
    this.routing.attach(attachment, !this.ownsUpstream(attachment));
    const own = this.#sessions.present(attachment);
    return own === undefined ? this.#shared.get() : Promise.resolve(own);
  }

  /** The same where it is open and can be told at once; undefined when it takes a promise to find out. */
  presentForListing(attachment: Attachment | undefined): LegacyUpstream | ModernUpstream | undefined {
    if (attachment === undefined) return this.#shared.present;
    if (attachment.closed) return undefined;
    this.routing.attach(attachment, !this.ownsUpstream(attachment));
    return this.#sessions.present(attachment) ?? this.#shared.present;
  }

  /** The conversation for modern clients, where it is open. */
  get presentModern(): ModernUpstream | undefined {
    return this.#shared.presentModern;
  }

  /** True when the session talks to the server alone (docs/decisions/0004). */
  ownsUpstream(attachment: Attachment): boolean {
    // Modern servers have no sessions: every request says for itself who sends it.
    if (this.#shared.primaryEra === 'modern') return false;
    if (this.config.kind === 'http') return true;
    if (this.config.isolation === 'auto') return attachment.askable;
    return this.config.isolation === 'session';
  }

  /** The conversation that serves the session at present; opens none. */
  present(attachment: Attachment): Upstream | undefined {
    return this.ownsUpstream(attachment) ? this.#sessions.present(attachment) : this.#shared.present;
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
    const { present } = this.#shared;
    if (present !== undefined) void this.#settle(present);
  }

  /** The session is over: its conversation ends with it. */
  async detach(attachment: Attachment): Promise<void> {
    this.routing.detach(attachment);
    // Asking all others what they want takes long when there are thousands of them.
    if (attachment.subscriptions(this.name).size > 0) this.syncWatch();
    await this.#sessions.end(attachment);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#refresher[Symbol.dispose]();
    const shared = this.#shared[Symbol.asyncDispose]();
    await Promise.all([shared, this.#sessions[Symbol.asyncDispose]()]);
  }

  /** Gives a shared conversation what its sessions need of it, and tells them that its lists may differ from those they have. */
  async #settle(upstream: LegacyUpstream | ModernUpstream): Promise<void> {
    const { logLevel, subscriptions } = this.routing.needs(this.name);
    if (upstream.era === 'modern') this.syncWatch();
    else await replay(upstream, logLevel, subscriptions, this.#options.log);
    this.routing.announceLists(this.name, upstream.capabilities);
  }
}
