/** A conversation with a server of a protocol version that has `initialize` and sessions (2025-11-25 and older). */
import type { Logger } from 'pino';
import { setMember, sliceSpan, splice } from '../mcp/json-text.ts';
import type { Listing, ListingRow } from '../mcp/listing.ts';
import {
  idEdit,
  isObject,
  notificationText,
  parseMessage,
  progressTokenOf,
  requestText,
  responseText,
  resultText,
  spanIn,
  withId,
  type JsonObject,
  type Message,
} from '../mcp/message.ts';
import { isLegacyVersion } from '../mcp/versions.ts';
import { GatewayError } from '../shared/errors.ts';
import { fetchListing } from './fetch-listing.ts';
import { MAX_MESSAGE_BYTES, type Transport } from './transport.ts';
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
  readonly record: (direction: 'IN' | 'OUT', text: string) => void;
}

interface Pending extends PendingCall {
  readonly originalId: string;
  readonly originalToken: string | undefined;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** Requests that the gateway sends for itself belong to nobody. */
const GATEWAY_OWNER = {};
const LISTING_PAGE_TIMEOUT_MS = 30_000;
/** How long a listing is believed when nobody would tell of a change. */
const LISTING_LIFETIME_MS = 5_000;

export class LegacyUpstream implements Upstream {
  readonly server: string;
  readonly transport: string;
  readonly principals = new Set<string>();
  lastReceivedAt = Date.now();
  readonly #options: LegacyUpstreamOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #listings = new Map<string, { readonly listing: Promise<Listing>; readonly until: number }>();
  #nextId = 1;
  #initializeResult = '{}';
  #capabilities: JsonObject = {};
  #protocolVersion = '';
  #closed: Error | undefined;

  constructor(options: LegacyUpstreamOptions) {
    this.server = options.server;
    this.transport = options.transportName;
    this.#options = options;
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
    return this.#closed !== undefined;
  }
  calls(): Iterable<PendingCall> {
    return this.#pending.values();
  }

  /** Opens the wire and shakes hands. Rejects with a GatewayError, and has closed the wire then. */
  async open(signal: AbortSignal, timeoutMs: number): Promise<void> {
    const { transport } = this.#options;
    try {
      await transport.open(
        {
          onMessage: (text, requestId) => this.#receive(text, requestId),
          onDropped: () => this.#failDropped(),
          onClose: (reason) => this.#fail(reason),
        },
        signal,
      );
      await this.#initialize(signal, timeoutMs);
    } catch (error) {
      this.#closed ??= error instanceof Error ? error : new Error(String(error));
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
    const upstreamId = String(this.#nextId++);
    const token = progressTokenOf(message);
    const edits = idEdit(message, upstreamId);
    if (token !== undefined) edits.push({ span: token.span, text: upstreamId });
    return this.#send(upstreamId, splice(message.text, edits), {
      method: message.method ?? '',
      originalId: message.id ?? 'null',
      originalToken: token?.raw,
      options,
    });
  }

  async #ask(method: string, params: string | undefined, timeoutMs: number, signal?: AbortSignal): Promise<Message> {
    const upstreamId = String(this.#nextId++);
    const options: CallOptions = {
      owner: GATEWAY_OWNER,
      timeoutMs,
      onMessage: () => undefined,
      ...(signal === undefined ? {} : { signal }),
    };
    const answer = await this.#send(upstreamId, requestText(upstreamId, method, params), {
      method,
      originalId: upstreamId,
      originalToken: undefined,
      options,
    });
    return answer.message;
  }

  #send(
    upstreamId: string,
    text: string,
    call: { method: string; originalId: string; originalToken: string | undefined; options: CallOptions },
  ): Promise<Answer> {
    const { signal, timeoutMs, owner, onMessage } = call.options;
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (signal?.aborted === true) return Promise.reject(asGatewayError(signal.reason));
    const wire = new AbortController();
    const startedAt = performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();

    const giveUp = (error: GatewayError, reason: string): void => {
      if (!this.#pending.has(upstreamId)) return;
      finish();
      reject(error);
      // `initialize` must never be cancelled (2025-11-25, basic/utilities/cancellation).
      if (call.method !== 'initialize') this.#cancel(upstreamId, reason);
      wire.abort();
    };
    const onAbort = (): void => {
      const reason = asGatewayError(signal?.reason);
      giveUp(reason, reason.message);
    };
    const timer = setTimeout(() => {
      const elapsed = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
      const detail = `"${call.method}" on server "${this.server}" got no answer within ${elapsed}.`;
      giveUp(
        new GatewayError('server_timeout', `The MCP server timed out: ${detail}`, { server: this.server, detail }),
        detail,
      );
    }, timeoutMs);
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      this.#pending.delete(upstreamId);
    };

    signal?.addEventListener('abort', onAbort, { once: true });
    this.#pending.set(upstreamId, {
      method: call.method,
      owner,
      onMessage,
      logLevel: call.options.logLevel,
      originalId: call.originalId,
      originalToken: call.originalToken,
      resolve: (answer) => {
        finish();
        resolve(answer);
      },
      reject: (error) => {
        finish();
        reject(error);
        wire.abort();
      },
    });
    this.#options.record('OUT', text);
    this.#options.transport.send(text, { requestId: upstreamId, signal: wire.signal }).catch((error: unknown) => {
      this.#pending.get(upstreamId)?.reject(asError(error));
    });
    return promise;
  }

  #cancel(upstreamId: string, reason: string): void {
    const text = notificationText(
      'notifications/cancelled',
      `{"requestId":${upstreamId},"reason":${JSON.stringify(reason)}}`,
    );
    this.notify(text).catch((error: unknown) =>
      this.#options.log.debug({ err: error }, 'could not pass on a cancellation'),
    );
  }

  async notify(text: string): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    this.#options.record('OUT', text);
    await this.#options.transport.send(text);
  }

  respond(text: string): Promise<void> {
    return this.notify(text);
  }

  list(row: ListingRow): Promise<Listing> {
    const kept = this.#listings.get(row.method);
    if (kept !== undefined && (kept.until > Date.now() || this.#hearsChanges(row))) return kept.listing;
    const listing = fetchListing(this.server, row, this.#capabilities, (params) =>
      this.#ask(row.method, params, LISTING_PAGE_TIMEOUT_MS),
    );
    const entry = { listing, until: Date.now() + LISTING_LIFETIME_MS };
    this.#listings.set(row.method, entry);
    listing.catch(() => {
      if (this.#listings.get(row.method) === entry) this.#listings.delete(row.method);
    });
    return listing;
  }

  /** True when the server says that it announces changes of the list, and is heard when it does. */
  #hearsChanges({ capability }: ListingRow): boolean {
    const declared = this.#capabilities[capability];
    return isObject(declared) && declared['listChanged'] === true && this.#options.transport.listening;
  }

  async ping(timeoutMs: number): Promise<void> {
    await this.#ask('ping', undefined, timeoutMs);
  }

  lastWords(): readonly string[] {
    return this.#options.transport.lastWords();
  }

  async close(): Promise<void> {
    const reason = this.#error('server_unavailable', 'The conversation with the MCP server was closed.');
    this.#closed ??= reason;
    this.#rejectPending(this.#closed);
    await this.#options.transport.close();
  }

  #receive(text: string, requestId: string | undefined): void {
    this.lastReceivedAt = Date.now();
    this.#options.record('IN', text);
    try {
      this.#dispatch(text, parseMessage(text), requestId);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.log.warn({ reason, excerpt: text.slice(0, 200) }, 'the server sent a line that is not MCP');
      if (requestId !== undefined && error instanceof GatewayError) {
        const failure = this.#error(
          'server_protocol_error',
          `The server answered with something that is not MCP: ${error.message}`,
        );
        this.#pending.get(requestId)?.reject(failure);
      }
    }
  }

  #dispatch(text: string, message: Message, requestId: string | undefined): void {
    const related = requestId === undefined ? undefined : this.#pending.get(requestId);
    if (message.kind === 'response') {
      const pending = this.#pending.get(message.id ?? requestId ?? '');
      if (pending === undefined) {
        this.#options.log.debug({ id: message.id }, 'the server answered a request that nobody waits for');
        return;
      }
      const { originalId } = pending;
      pending.resolve({
        text: message.members.has('id') ? withId(message, originalId) : setMember(text, 'id', originalId),
        message,
      });
    } else if (message.kind === 'request') {
      if (message.method === 'ping') this.#answerPing(message);
      else this.#options.events.onRequest(message, related);
    } else if (message.method === 'notifications/progress') {
      this.#forwardProgress(message);
    } else {
      if (message.method?.endsWith('/list_changed') === true) this.#listings.clear();
      this.#options.events.onNotification(message, related);
    }
  }

  /** Progress finds its call by the token, which is the id that the call has upstream. */
  #forwardProgress(message: Message): void {
    const token = spanIn(message, ['params', 'progressToken']);
    if (token === undefined) return;
    const pending = this.#pending.get(sliceSpan(message.text, token));
    if (pending?.originalToken === undefined) return;
    pending.onMessage(splice(message.text, [{ span: token, text: pending.originalToken }]));
  }

  #answerPing(message: Message): void {
    if (message.id === undefined) return;
    this.respond(responseText(message.id, '{}')).catch((error: unknown) =>
      this.#options.log.debug({ err: error }, 'could not answer a ping'),
    );
  }

  #fail(reason: GatewayError): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    // When only the session is gone, calls under way are answered or refused one by one.
    if (reason.code !== 'server_session_lost') this.#rejectPending(reason);
    this.#options.events.onClose(reason);
  }

  /** Only when one call waits is it known that the lost message was its answer; else the calls wait for their timeout. */
  #failDropped(): void {
    const waiting = [...this.#pending.values()].filter(({ method }) => method !== 'ping');
    const limit = `${MAX_MESSAGE_BYTES / 1024 / 1024} MiB`;
    const methods = waiting.map(({ method }) => method);
    this.#options.log.warn({ waiting: methods }, `the server sent a message of more than ${limit}, which was dropped`);
    const [sole, ...others] = waiting;
    if (sole === undefined || others.length > 0) return;
    const message = `Server "${this.server}" answered "${sole.method}" with a message of more than ${limit}, which was dropped.`;
    sole.reject(this.#error('server_protocol_error', message));
  }

  #rejectPending(reason: Error): void {
    for (const pending of [...this.#pending.values()]) pending.reject(reason);
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

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** The reason of an abort signal as the reason of a failed call. */
function asGatewayError(reason: unknown): GatewayError {
  return reason instanceof GatewayError ? reason : new GatewayError('cancelled', 'The request was cancelled.');
}
