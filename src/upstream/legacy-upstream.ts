/** A conversation with a server of a protocol version that has `initialize` and sessions (2025-11-25 and older). */
import type { Logger } from 'pino';
import type { Listing, ListingRow } from '../mcp/listing.ts';
import type { Received } from '../mcp/large-message.ts';
import { isAtLeastAsTalkative } from '../mcp/log-levels.ts';
import {
  isObject,
  notificationText,
  outlinedMessage,
  paramsOf,
  parseMessage,
  responseText,
  resultText,
  type JsonObject,
  type Message,
} from '../mcp/message.ts';
import { isLegacyVersion } from '../mcp/versions.ts';
import { GatewayError } from '../shared/errors.ts';
import { Calls } from './calls.ts';
import { fetchListing } from './fetch-listing.ts';
import { MAX_MESSAGE_BYTES, type MessageText, type Transport } from './transport.ts';
import type { Answer, CallOptions, PendingCall, Upstream, UpstreamEvents } from './upstream.ts';

export interface LegacyUpstreamOptions {
  readonly server: string;
  readonly transport: Transport;
  readonly transportName: string;
  /** Raw JSON text of what `initialize` says about the client. */
  readonly clientInfo: string;
  readonly clientCapabilities: string;
  readonly requestedVersion: string;
  readonly events: UpstreamEvents;
  readonly log: Logger;
  /** Copies every message to the message log. */
  readonly record: (direction: 'IN' | 'OUT', text: MessageText) => void;
  /** As in ServerWires. */
  readonly onTrouble: () => void;
}

const LISTING_PAGE_TIMEOUT_MS = 30_000;
/** How long a listing is believed when nobody would tell of a change. */
const LISTING_LIFETIME_MS = 5_000;
/** For so long after that whoever must not wait gets it while it is being renewed. */
const LISTING_GRACE_MS = 25_000;

interface KeptListing {
  readonly listing: Promise<Listing>;
  /** What it resolved with, once it has. */
  whole: Listing | undefined;
  readonly until: number;
  isRenewing?: true;
}

export class LegacyUpstream implements Upstream {
  readonly era = 'legacy';
  readonly server: string;
  readonly transport: string;
  readonly principals = new Set<string>();
  lastReceivedAt = Date.now();
  readonly #options: LegacyUpstreamOptions;
  readonly #calls: Calls;
  readonly #listings = new Map<string, KeptListing>();
  #logLevel: string | undefined;
  #initializeResult = '{}';
  #capabilities: JsonObject = {};
  #protocolVersion = '';

  constructor(options: LegacyUpstreamOptions) {
    this.server = options.server;
    this.transport = options.transportName;
    this.#options = options;
    this.#calls = new Calls({
      server: options.server,
      transport: options.transport,
      record: options.record,
      onTrouble: options.onTrouble,
      onPassing: () => void (this.lastReceivedAt = Date.now()),
      onGivenUp: (upstreamId, method, reason) => this.#cancel(upstreamId, method, reason),
    });
  }

  get initializeResult(): string {
    return this.#initializeResult;
  }
  get capabilities(): JsonObject {
    return this.#capabilities;
  }
  get protocolVersion(): string {
    return this.#protocolVersion;
  }
  get closed(): boolean {
    return this.#calls.closed !== undefined;
  }
  calls(): Iterable<PendingCall> {
    return this.#calls.values();
  }

  /** Opens the wire and shakes hands. Rejects with a GatewayError, and has closed the wire then. */
  async open(signal: AbortSignal, timeoutMs: number): Promise<void> {
    const { transport } = this.#options;
    try {
      await transport.open(
        {
          onMessage: (message, requestId) => this.#receive(message, requestId),
          onDropped: () => this.#failDropped(),
          onRefused: (requestId, error) => this.#calls.get(requestId)?.reject(error),
          onClose: (reason) => this.#fail(reason),
        },
        signal,
      );
      await this.#initialize(signal, timeoutMs);
    } catch (error) {
      this.#calls.fail(error instanceof Error ? error : new Error(String(error)));
      await transport.close();
      throw error;
    }
    await transport.listen?.();
  }

  async #initialize(signal: AbortSignal, timeoutMs: number): Promise<void> {
    const { requestedVersion, clientInfo, clientCapabilities } = this.#options;
    const params = `{"protocolVersion":${JSON.stringify(requestedVersion)},"capabilities":${clientCapabilities},"clientInfo":${clientInfo}}`;
    const answer = await this.#ask('initialize', params, timeoutMs, signal);
    const text = resultText(answer);
    const result = answer.value['result'];
    if (text === undefined || !isObject(result)) {
      throw this.#error('server_protocol_error', `The server refused "initialize": ${describeError(answer)}`);
    }
    const version = result['protocolVersion'];
    if (typeof version !== 'string' || !isLegacyVersion(version)) {
      throw this.#error(
        'server_protocol_error',
        `The server speaks protocol version ${JSON.stringify(version)}, which the gateway does not.`,
      );
    }
    this.#initializeResult = text;
    this.#capabilities = isObject(result['capabilities']) ? result['capabilities'] : {};
    this.#protocolVersion = version;
    this.#options.transport.setProtocolVersion(version);
    await this.notify(notificationText('notifications/initialized'));
  }

  call(message: Message, options: CallOptions): Promise<Answer> {
    if (options.principal !== undefined) this.principals.add(options.principal);
    if (message.method === 'logging/setLevel') this.#logLevel = String(paramsOf(message)['level']);
    return this.#calls.call(message, options, options.headers);
  }

  #ask(method: string, params: string | undefined, timeoutMs: number, signal?: AbortSignal): Promise<Message> {
    return this.#calls.ask(method, params, { timeoutMs, ...(signal === undefined ? {} : { signal }) });
  }

  async ensureLogLevel(level: string, timeoutMs: number): Promise<void> {
    if (this.#capabilities['logging'] === undefined || isAtLeastAsTalkative(this.#logLevel, level)) return;
    this.#logLevel = level;
    await this.#ask('logging/setLevel', JSON.stringify({ level }), timeoutMs);
  }

  #cancel(upstreamId: string, method: string, reason: string): void {
    // `initialize` must never be cancelled (2025-11-25, basic/utilities/cancellation).
    if (method === 'initialize') return;
    const text = notificationText(
      'notifications/cancelled',
      `{"requestId":${upstreamId},"reason":${JSON.stringify(reason)}}`,
    );
    this.notify(text).catch((error: unknown) =>
      this.#options.log.debug({ err: error }, 'could not pass on a cancellation'),
    );
  }

  async notify(text: string): Promise<void> {
    if (this.#calls.closed !== undefined) throw this.#calls.closed;
    this.#options.record('OUT', text);
    await this.#options.transport.send(text);
  }

  respond(text: string): Promise<void> {
    return this.notify(text);
  }

  list(row: ListingRow): Promise<Listing> {
    const kept = this.#listings.get(row.method);
    if (kept !== undefined && this.#counts(kept, row)) return kept.listing;
    const listing = this.#fetch(row);
    const entry: KeptListing = { listing, whole: undefined, until: Date.now() + LISTING_LIFETIME_MS };
    this.#listings.set(row.method, entry);
    listing.then(
      (whole) => {
        entry.whole = whole;
        this.#options.events.onListing?.(row, whole);
      },
      () => {
        if (this.#listings.get(row.method) === entry) this.#listings.delete(row.method);
      },
    );
    return listing;
  }

  kept(row: ListingRow): Listing | undefined {
    const kept = this.#listings.get(row.method);
    if (kept === undefined || this.#counts(kept, row)) return kept?.whole;
    if (kept.whole === undefined || kept.until + LISTING_GRACE_MS < Date.now()) return undefined;
    // Endpoints of hundreds of servers would else wait for all of them again and again.
    if (!kept.isRenewing) this.renew(row).catch(() => undefined);
    kept.isRenewing = true;
    return kept.whole;
  }

  #counts({ until }: KeptListing, row: ListingRow): boolean {
    return until > Date.now() || this.#hearsChanges(row);
  }

  async renew(row: ListingRow): Promise<Listing> {
    const before = this.#listings.get(row.method);
    const listing = this.#fetch(row);
    const whole = await listing;
    // What has changed meanwhile is newer.
    if (this.#listings.get(row.method) === before)
      this.#listings.set(row.method, { listing, whole, until: Date.now() + LISTING_LIFETIME_MS });
    this.#options.events.onListing?.(row, whole);
    return whole;
  }

  #fetch(row: ListingRow): Promise<Listing> {
    return fetchListing(this.server, row, this.#capabilities, (params) =>
      this.#ask(row.method, params, LISTING_PAGE_TIMEOUT_MS),
    );
  }

  /** True when the server says that it announces changes of the list, and is heard when it does. */
  #hearsChanges({ capability }: ListingRow): boolean {
    const declared = this.#capabilities[capability];
    return isObject(declared) && declared['listChanged'] === true && this.#options.transport.listening;
  }

  known(row: ListingRow): Promise<Listing> {
    return this.#listings.get(row.method)?.listing ?? this.list(row);
  }

  async ping(timeoutMs: number): Promise<void> {
    await this.#ask('ping', undefined, timeoutMs);
  }

  lastWords(): readonly string[] {
    return this.#options.transport.lastWords();
  }

  async close(): Promise<void> {
    const reason = this.#error('server_unavailable', 'The conversation with the MCP server was closed.');
    this.#calls.fail(reason);
    await this.#options.transport.close();
  }

  #receive(received: Received, requestId: string | undefined): void {
    this.lastReceivedAt = Date.now();
    const isText = typeof received === 'string';
    this.#options.record('IN', isText ? received : [received.bytes]);
    try {
      this.#dispatch(isText ? parseMessage(received) : outlinedMessage(received), requestId);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.log.warn(
        { reason, excerpt: isText ? received.slice(0, 200) : undefined },
        'the server sent a line that is not MCP',
      );
      if (requestId !== undefined && error instanceof GatewayError) {
        const failure = this.#error(
          'server_protocol_error',
          `The server answered with something that is not MCP: ${error.message}`,
        );
        this.#calls.get(requestId)?.reject(failure);
      }
    }
  }

  #dispatch(message: Message, requestId: string | undefined): void {
    const related = this.#calls.get(requestId);
    if (message.kind === 'response') {
      this.#calls.answer(message, requestId);
    } else if (message.kind === 'request') {
      if (message.method === 'ping') this.#answerPing(message);
      else this.#options.events.onRequest(message, related);
    } else if (message.method === 'notifications/progress') {
      this.#calls.forwardProgress(message);
    } else {
      if (message.method?.endsWith('/list_changed') === true) this.#listings.clear();
      this.#options.events.onNotification(message, related);
    }
  }

  #answerPing(message: Message): void {
    if (message.id === undefined) return;
    this.respond(responseText(message.id, '{}')).catch((error: unknown) =>
      this.#options.log.debug({ err: error }, 'could not answer a ping'),
    );
  }

  #fail(reason: GatewayError): void {
    // When only the session is gone, calls under way are answered or refused one by one.
    if (this.#calls.fail(reason, { keepCalls: reason.code === 'server_session_lost' }))
      this.#options.events.onClose(reason);
  }

  /** Only when one call waits is it known that the lost message was its answer; else the calls wait for their timeout. */
  #failDropped(): void {
    const waiting = this.#calls.waiting().filter(({ method }) => method !== 'ping');
    const limit = `${MAX_MESSAGE_BYTES / 1024 / 1024} MiB`;
    const methods = waiting.map(({ method }) => method);
    this.#options.log.warn({ waiting: methods }, `the server sent a message of more than ${limit}, which was dropped`);
    const [sole, ...others] = waiting;
    if (sole === undefined || others.length > 0) return;
    const message = `Server "${this.server}" answered "${sole.method}" with a message of more than ${limit}, which was dropped.`;
    sole.reject(this.#error('server_protocol_error', message));
  }

  #error(code: 'server_protocol_error' | 'server_unavailable', message: string): GatewayError {
    return new GatewayError(code, message, { server: this.server, detail: message });
  }
}

/** One line about the error in a response, for people. */
export function describeError(message: Message): string {
  const error = message.value['error'];
  if (!isObject(error)) return 'the answer has no result';
  return `${String(error['message'])} (${String(error['code'])})`;
}
