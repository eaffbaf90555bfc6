/** A conversation with a modern server (2026-07-28): no handshake and no session, every request says who sends it. */
import type { Logger } from 'pino';
import { findSpan, setMember, sliceSpan, splice } from '../mcp/json-text.ts';
import { listingOf, type Listing, type ListingItem, type ListingRow } from '../mcp/listing.ts';
import {
  isObject,
  notificationText,
  outlinedMessage,
  parseMessage,
  requestText,
  resultText,
  spanIn,
  type JsonObject,
  type Message,
} from '../mcp/message.ts';
import {
  CLIENT_CAPABILITIES_KEY,
  CLIENT_INFO_KEY,
  PROTOCOL_VERSION_KEY,
  SERVER_INFO_KEY,
  SUBSCRIPTION_ID_KEY,
} from '../mcp/modern/envelope.ts';
import { namesVersion } from '../mcp/modern/errors.ts';
import { standardHeaders } from '../mcp/modern/headers.ts';
import { paramHeaders, type ParamHeader } from '../mcp/modern/param-headers.ts';
import { readCacheHint } from '../mcp/modern/results.ts';
import { declaredIn, scanTool } from '../mcp/modern/tool-headers.ts';
import type { Received } from '../mcp/large-message.ts';
import { MODERN_VERSION } from '../mcp/versions.ts';
import { unlessAborted } from '../shared/async.ts';
import { GatewayError } from '../shared/errors.ts';
import { Calls, type Pending } from './calls.ts';
import { fetchListing } from './fetch-listing.ts';
import { describeError } from './legacy-upstream.ts';
import type { MessageText, Transport } from './transport.ts';
import { ToolCallHeaders } from './tool-call-headers.ts';
import type { Answer, CallOptions, PendingCall, Upstream, UpstreamEvents } from './upstream.ts';
import { Watch } from './watch.ts';

export interface ModernUpstreamOptions {
  readonly server: string;
  readonly transport: Transport;
  readonly transportName: string;
  /** True when each request has a stream of its own, so that closing it cancels the request (HTTP). */
  readonly streamPerRequest: boolean;
  /** Name and version of the gateway, raw JSON text, for requests of its own. */
  readonly clientInfo: string;
  readonly events: UpstreamEvents;
  readonly log: Logger;
  /** Copies every message to the message log. */
  readonly record: (direction: 'IN' | 'OUT', text: MessageText) => void;
  /** As in ServerWires. */
  readonly onTrouble: () => void;
}

interface KeptListing {
  readonly listing: Promise<Listing>;
  /** What it resolved with, once it has. */
  whole: Listing | undefined;
  /** From when on it must be fetched anew, in ms since the epoch. */
  expires: number;
}

type CallHeaders = Readonly<Record<string, string>>;

const PAGE_TIMEOUT_MS = 30_000;
const TOOLS = listingOf('tools/list');

export class ModernUpstream implements Upstream {
  readonly era = 'modern';
  readonly server: string;
  readonly transport: string;
  readonly protocolVersion = MODERN_VERSION;
  readonly principals = new Set<string>();
  lastReceivedAt = Date.now();
  readonly #options: ModernUpstreamOptions;
  readonly #calls: Calls;
  readonly #listings = new Map<string, KeptListing>();
  readonly #watch: Watch;
  readonly #toolHeaders = new ToolCallHeaders();
  #discovered = '{}';
  #capabilities: JsonObject = {};

  constructor(options: ModernUpstreamOptions) {
    this.server = options.server;
    this.transport = options.transportName;
    this.#options = options;
    this.#calls = new Calls({
      server: options.server,
      transport: options.transport,
      record: options.record,
      onTrouble: options.onTrouble,
      onPassing: () => void (this.lastReceivedAt = Date.now()),
      onGivenUp: (upstreamId, _method, reason) => this.#giveUp(upstreamId, reason),
    });
    this.#watch = new Watch({
      call: (message, call) => this.call(message, call),
      stamp: (params) => this.#ownParams(params),
      onChange: (message) => this.#changed(message),
      log: options.log,
    });
  }

  /** Raw text of the result of `server/discover`. */
  get discovered(): string {
    return this.#discovered;
  }
  get capabilities(): JsonObject {
    return this.#capabilities;
  }
  get initializeResult(): string {
    const found = JSON.parse(this.#discovered) as JsonObject;
    const meta = found['_meta'];
    const serverInfo = isObject(meta) ? meta[SERVER_INFO_KEY] : undefined;
    return JSON.stringify({
      protocolVersion: MODERN_VERSION,
      capabilities: this.#capabilities,
      serverInfo: serverInfo ?? { name: this.server, version: '0' },
      ...(typeof found['instructions'] === 'string' ? { instructions: found['instructions'] } : {}),
    });
  }

  get closed(): boolean {
    return this.#calls.closed !== undefined;
  }

  calls(): Iterable<PendingCall> {
    return this.#calls.values();
  }

  /** Opens the wire and asks the server what it is. Rejects with a GatewayError, and has closed the wire then. */
  async open(signal: AbortSignal, timeoutMs: number): Promise<void> {
    const { transport } = this.#options;
    try {
      await transport.open(
        {
          onMessage: (message, requestId) => this.#receive(message, requestId),
          onRefused: (requestId, error) => this.#calls.get(requestId)?.reject(error),
          onClose: (reason) => this.#fail(reason),
        },
        signal,
      );
      transport.setProtocolVersion(MODERN_VERSION);
      await this.#discover(timeoutMs, signal);
    } catch (error) {
      this.#calls.fail(error instanceof Error ? error : new Error(String(error)));
      await transport.close();
      throw error;
    }
    this.#watch.start(this.#capabilities);
  }

  async #discover(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const first = await this.#ask('server/discover', undefined, timeoutMs, signal);
    // A server that refuses the version and yet names it is asked once more (2026-07-28, basic/versioning, "Negotiation").
    const answer = namesVersion(first, MODERN_VERSION)
      ? await this.#ask('server/discover', undefined, timeoutMs, signal)
      : first;
    const text = resultText(answer);
    const result = answer.value['result'];
    if (text === undefined || !isObject(result) || !Array.isArray(result['supportedVersions']))
      throw this.#error(
        'server_protocol_error',
        `The server does not answer "server/discover": ${describeError(answer)}`,
      );
    if (!result['supportedVersions'].includes(MODERN_VERSION))
      throw this.#error('server_protocol_error', `The server does not speak protocol version ${MODERN_VERSION}.`);
    this.#discovered = text;
    this.#capabilities = isObject(result['capabilities']) ? result['capabilities'] : {};
  }

  call(message: Message, options: CallOptions): Promise<Answer> {
    if (options.principal !== undefined) this.principals.add(options.principal);
    const headers = this.#headers(message, options.headers);
    if (!(headers instanceof Promise)) return this.#calls.call(message, options, headers);
    const { signal } = options;
    const made = signal === undefined ? headers : unlessAborted(headers, signal);
    return made.then((known) => this.#calls.call(message, options, known));
  }

  /** Sends a request of the gateway's own. */
  #ask(method: string, params: string | undefined, timeoutMs: number, signal?: AbortSignal): Promise<Message> {
    const own = this.#ownParams(params ?? '{}');
    const headers = standardHeaders(parseMessage(requestText('0', method, own)));
    return this.#calls.ask(method, own, { timeoutMs, ...(signal === undefined ? {} : { signal }) }, headers);
  }

  #ownParams(params: string): string {
    const meta = `{${JSON.stringify(PROTOCOL_VERSION_KEY)}:"${MODERN_VERSION}",${JSON.stringify(CLIENT_INFO_KEY)}:${this.#options.clientInfo},${JSON.stringify(CLIENT_CAPABILITIES_KEY)}:{}}`;
    return setMember(params, '_meta', meta);
  }

  /** The Mcp-* headers of a request; a wire without headers needs no look at the tool's schema. */
  #headers(message: Message, extra: CallOptions['headers']): CallHeaders | Promise<CallHeaders> {
    const isTool = message.method === 'tools/call' && this.#options.streamPerRequest;
    if (!isTool) return this.#withDeclared(message, extra, []);
    const declared = this.paramHeadersOf(String(message.parameter('name')));
    return declared instanceof Promise
      ? declared.then((found) => this.#withDeclared(message, extra, found))
      : this.#withDeclared(message, extra, declared);
  }

  #withDeclared(message: Message, extra: CallOptions['headers'], declared: readonly ParamHeader[]): CallHeaders {
    if (declared.length === 0 && extra === undefined) return this.#toolHeaders.of(message);
    const own = declared.length === 0 ? undefined : paramHeaders(declared, message.parameter('arguments'));
    return { ...extra, ...standardHeaders(message), ...own };
  }

  /** The arguments that a tool wants in headers; none when its listing cannot be had. A promise only while the listing is on its way. */
  paramHeadersOf(tool: string): readonly ParamHeader[] | Promise<readonly ParamHeader[]> {
    if (TOOLS === undefined || !isObject(this.#capabilities['tools'])) return [];
    const { whole } = this.#listings.get(TOOLS.method) ?? {};
    if (whole !== undefined) return declaredIn(whole, tool);
    return this.known(TOOLS).then(
      (listing) => declaredIn(listing, tool),
      () => [],
    );
  }

  /** Forgets the listings: the server says that the gateway made a header that does not fit its schema. */
  refresh(): void {
    this.#listings.clear();
  }

  list(row: ListingRow): Promise<Listing> {
    const kept = this.#listings.get(row.method);
    if (kept !== undefined && Date.now() < kept.expires) return kept.listing;
    const listing = this.#fetch(row);
    // While it is on its way everybody shares it; then it lives for as long as the server said.
    const entry: KeptListing = { listing, whole: undefined, expires: Number.POSITIVE_INFINITY };
    this.#listings.set(row.method, entry);
    listing.then(
      (whole) => {
        entry.whole = whole;
        entry.expires = Date.now() + readCacheHint(whole.frame).ttlMs;
        this.#options.events.onListing?.(row, whole);
      },
      () => this.#listings.get(row.method) === entry && this.#listings.delete(row.method),
    );
    return listing;
  }

  kept(row: ListingRow): Listing | undefined {
    const kept = this.#listings.get(row.method);
    return kept !== undefined && Date.now() < kept.expires ? kept.whole : undefined;
  }

  async renew(row: ListingRow): Promise<Listing> {
    const before = this.#listings.get(row.method);
    const listing = this.#fetch(row);
    const whole = await listing;
    // What has changed meanwhile is newer.
    if (this.#listings.get(row.method) === before)
      this.#listings.set(row.method, { listing, whole, expires: Date.now() + readCacheHint(whole.frame).ttlMs });
    this.#options.events.onListing?.(row, whole);
    return whole;
  }

  known(row: ListingRow): Promise<Listing> {
    return this.#listings.get(row.method)?.listing ?? this.list(row);
  }

  async #fetch(row: ListingRow): Promise<Listing> {
    const { frame, items } = await fetchListing(this.server, row, this.#capabilities, (params) =>
      this.#ask(row.method, params, PAGE_TIMEOUT_MS),
    );
    return { frame, items: row.kind === 'tools' ? items.filter((item) => this.#isValid(item)) : items };
  }

  /** Tools with wrong header declarations must not be offered (2026-07-28, basic/transports, "Client Behavior"). */
  #isValid(item: ListingItem): boolean {
    const scan = scanTool(item);
    if (scan.valid) return true;
    this.#options.log.warn({ tool: item.key, reason: scan.reason }, 'a tool with a wrong x-mcp-header is left out');
    return false;
  }

  async ensureLogLevel(): Promise<void> {
    // Every request says for itself which log messages it wants.
  }

  /** Asks to be told of changes of these resources, and of no others any more. */
  watch(uris: ReadonlySet<string>): void {
    this.#watch.resources(uris);
  }

  notify(text: string): Promise<void> {
    if (this.#calls.closed !== undefined) return Promise.reject(this.#calls.closed);
    // Over HTTP the version has no notifications from clients to servers.
    if (this.#options.streamPerRequest) return Promise.resolve();
    this.#options.record('OUT', text);
    return this.#options.transport.send(text);
  }

  respond(): Promise<void> {
    return Promise.reject(this.#error('server_protocol_error', 'Modern servers send no requests.'));
  }

  async ping(timeoutMs: number): Promise<void> {
    await this.#discover(timeoutMs);
  }

  lastWords(): readonly string[] {
    return this.#options.transport.lastWords();
  }

  async close(): Promise<void> {
    this.#watch.stop();
    this.#calls.fail(this.#error('server_unavailable', 'The conversation with the MCP server was closed.'));
    await this.#options.transport.close();
  }

  #receive(received: Received, requestId: string | undefined): void {
    this.lastReceivedAt = Date.now();
    const isText = typeof received === 'string';
    this.#options.record('IN', isText ? received : [received.bytes]);
    try {
      this.#dispatch(isText ? parseMessage(received) : outlinedMessage(received), requestId);
    } catch (error) {
      this.#options.log.warn({ err: error, server: this.server }, 'the server sent a message that is not MCP');
      if (!(error instanceof GatewayError)) return;
      const detail = `The server answered with something that is not MCP: ${error.message}`;
      this.#calls.get(requestId)?.reject(this.#error('server_protocol_error', detail));
    }
  }

  #dispatch(message: Message, requestId: string | undefined): void {
    if (message.kind === 'response') return this.#calls.answer(message, requestId, restoreSubscription);
    if (message.kind === 'request') {
      this.#options.log.warn({ method: message.method }, 'a modern server sent a request; it is not passed on');
      return;
    }
    if (message.method === 'notifications/progress') return this.#calls.forwardProgress(message);
    const subscription = subscriptionOf(message);
    const related = this.#calls.get(requestId) ?? this.#calls.get(subscription);
    if (message.method === 'notifications/cancelled') return this.#subscriptionEnded(message);
    if (subscription !== undefined && related !== undefined) {
      return related.onMessage(withSubscription(message, related.originalId));
    }
    this.#options.events.onNotification(message, related);
  }

  /** On stdio a server ends a subscription by cancelling it; nothing else may be cancelled by a server. */
  #subscriptionEnded(message: Message): void {
    const span = spanIn(message, ['params', 'requestId']);
    const pending = this.#calls.get(span && sliceSpan(message.text, span));
    if (pending?.method === 'subscriptions/listen')
      pending.reject(this.#error('server_unavailable', 'The server ended the subscription.'));
  }

  #changed(message: Message): void {
    if (message.method?.endsWith('/list_changed') === true) this.#listings.clear();
    this.#options.events.onNotification(message, undefined);
  }

  #giveUp(upstreamId: string, reason: string): void {
    // Over HTTP the closed stream says it.
    if (this.#options.streamPerRequest) return;
    const params = `{"requestId":${upstreamId},"reason":${JSON.stringify(reason)}}`;
    this.notify(notificationText('notifications/cancelled', params)).catch((error: unknown) =>
      this.#options.log.debug({ err: error }, 'could not pass on a cancellation'),
    );
  }

  #fail(reason: GatewayError): void {
    this.#watch.stop();
    if (this.#calls.fail(reason)) this.#options.events.onClose(reason);
  }

  #error(code: 'server_protocol_error' | 'server_unavailable', message: string): GatewayError {
    return new GatewayError(code, message, { server: this.server, detail: message });
  }
}

/** Raw JSON text of the subscription id of a notification. */
function subscriptionOf(message: Message): string | undefined {
  const span = spanIn(message, ['params', '_meta', SUBSCRIPTION_ID_KEY]);
  return span && sliceSpan(message.text, span);
}

/** The notification under the id that the client gave its subscription. */
function withSubscription(message: Message, id: string): string {
  const span = spanIn(message, ['params', '_meta', SUBSCRIPTION_ID_KEY]);
  return span === undefined ? message.text : splice(message.text, [{ span, text: id }]);
}

/** The final answer of a subscription names it once more. */
function restoreSubscription(text: string, { method, originalId }: Pending): string {
  if (method !== 'subscriptions/listen') return text;
  const span = findSpan(text, ['result', '_meta', SUBSCRIPTION_ID_KEY]);
  return span === undefined ? text : splice(text, [{ span, text: originalId }]);
}
