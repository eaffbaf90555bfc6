/** The wire to a server over streamable HTTP (protocol versions 2025-03-26 to 2025-11-25), with or without a session. */
import { within } from '../../shared/async.ts';
import { Cancellation, type CancelSignal } from '../../shared/cancellation.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { MessageText, SendOptions, Transport, TransportEvents } from '../transport.ts';
import { followAnswer, type AnswerOwner } from './answer-stream.ts';
import { answers, errorAnswer, splitBatch } from './answers.ts';
import type { OutboundResponse } from './connector.ts';
import { discard } from './discard.ts';
import { peerError, printable } from './http-errors.ts';
import { isSessionForgotten, statusError } from './http-status.ts';
import type { HttpTransportOptions } from './http-transport-options.ts';
import { listenStream } from './listen-stream.ts';
import type { Outbound, PeerRequest } from './outbound.ts';
import { mediaType, readResponse, readText } from './read-answer.ts';
import type { Received } from '../../mcp/large-message.ts';
import { TurnoverSet } from '../../shared/turnover.ts';

/** A notification or a response of a client is taken, not worked on: the server has nothing to wait for. */
const ACKNOWLEDGE_TIMEOUT_MS = 30_000;
const DELETE_TIMEOUT_MS = 2_000;
const MAX_ERROR_BODY_BYTES = 1024 * 1024;
/** 2025-11-25, basic/transports, "Session Management"; the length keeps it within common limits for headers. */
const SESSION_ID = /^[\x21-\x7e]{1,4096}$/;

/** Stands for no further headers. */
const NO_HEADERS: Readonly<Record<string, string>> = {};

const FORGOTTEN = 'it no longer knows the session id that it had given';

/** Some servers send the head of their stream with its first message only: the conversation does not wait for that. */
const LISTEN_PATIENCE_MS = 500;

/**
 * For a request, `send` settles when its response was delivered, or can no longer come: until then it watches over the
 * stream and resumes it. For anything else it resolves when the server has taken the message.
 */
export class StreamableHttpTransport implements Transport {
  readonly #options: HttpTransportOptions;
  readonly #outbound: Outbound;
  /** What ends each HTTP request that is open now. */
  readonly #open = new TurnoverSet<Cancellation>();
  #events: TransportEvents | undefined;
  #sessionId: string | undefined;
  #protocolVersion: string | undefined;
  /** The headers of POSTs, by those that were added. */
  #kept = new WeakMap<Readonly<Record<string, string>>, Readonly<Record<string, string>>>();
  #everAnswered = false;
  #listening = false;
  #hasListened = false;
  #isStanding = false;
  #lost = false;
  readonly #stopListening = new Cancellation();
  #standingSettled: () => void = () => undefined;
  #closed: GatewayError | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: HttpTransportOptions) {
    this.#options = options;
    this.#outbound = options.outbound;
  }

  /** There is no connection to make before the first message. */
  async open(events: TransportEvents, signal: CancelSignal): Promise<void> {
    if (signal.aborted) throw cancelled();
    this.#events = events;
  }

  send(text: MessageText, options: SendOptions = {}): Promise<void> {
    const { requestId, signal, headers } = options;
    if (requestId !== undefined) return this.#ask(text, requestId, options);
    return this.#during(signal, async (wire) => {
      const response = await this.#outbound.request(this.#post(text, ACKNOWLEDGE_TIMEOUT_MS, wire, headers));
      if (response.status >= 400) return this.#failedPost(response, requestId);
      this.#everAnswered = true;
      discard(response.body);
    });
  }

  /** A request: without promises from step to step, because each call passes here. */
  #ask(text: MessageText, requestId: string, { signal, headers, onLargeAnswer }: SendOptions): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (signal?.aborted === true) return Promise.reject(this.#outbound.explain(cancelled()));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const wire = new Cancellation();
    const onAbort = (): void => wire.abort(cancelled());
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#open.add(wire);
    const end = (): void => {
      signal?.removeEventListener('abort', onAbort);
      this.#open.delete(wire);
    };
    const onEnd = (): void => {
      end();
      resolve();
    };
    const onError = (error: unknown): void => {
      end();
      reject(this.#outbound.explain(wire.aborted ? wire.reason : error));
    };
    // The owner of a request sets its deadline: a tool may take as long as it is allowed to.
    this.#outbound.begin(this.#post(text, 0, wire, headers), {
      onResponse: (response) => this.#answered(response, requestId, wire, onLargeAnswer, { onEnd, onError }),
      onError,
    });
    return promise;
  }

  #answered(
    response: OutboundResponse,
    requestId: string,
    wire: CancelSignal,
    way: SendOptions['onLargeAnswer'],
    over: AnswerOwner,
  ): void {
    try {
      if (response.status >= 400) return settle(this.#failedPost(response, requestId), over);
      this.#everAnswered = true;
      this.#captureSession(response);
      const type = mediaType(response);
      if (type === 'event-stream') return this.#readStream(response, requestId, wire, way, over);
      if (type !== 'json') return over.onError(this.#unreadable(response));
    } catch (error) {
      return over.onError(error);
    }
    const options = { maxBytes: this.#options.maxMessageBytes, requestId, onLargeAnswer: way };
    readResponse(response, options, {
      onMessage: (message) => {
        try {
          if (message !== undefined) this.#deliverAnswer(message, requestId);
        } catch (error) {
          return over.onError(error);
        }
        over.onEnd();
      },
      onError: (error) => over.onError(error),
    });
  }

  setProtocolVersion(version: string): void {
    this.#protocolVersion = version;
    this.#kept = new WeakMap();
  }

  get listening(): boolean {
    return this.#isStanding;
  }

  async listen(): Promise<void> {
    if (this.#listening || this.#closed !== undefined) return;
    this.#listening = true;
    const settled = Promise.withResolvers<void>();
    this.#standingSettled = settled.resolve;
    void this.#during(this.#stopListening.signal, (wire) =>
      listenStream({
        maxEventBytes: this.#options.maxMessageBytes,
        signal: wire,
        deliver: (message) => this.#deliver(message, undefined),
        open: (lastEventId) => this.#openListening(lastEventId, wire),
        onBreak: (error, retryInMs) => {
          this.#isStanding = false;
          this.#options.log.debug(
            { err: error, retryInMs },
            'the stream for server messages is closed; opening it again',
          );
        },
      }),
    )
      .catch(() => undefined)
      .finally(settled.resolve);
    await within(settled.promise, LISTEN_PATIENCE_MS).catch(() => undefined);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** HTTP servers have no stderr that we could read. */
  lastWords(): readonly string[] {
    return [];
  }

  async #close(): Promise<void> {
    const mustSayGoodbye = this.#closed === undefined && this.#sessionId !== undefined;
    this.#closed ??= peerError('server_unavailable', 'the conversation was closed', this.#outbound);
    for (const each of [...this.#open]) each.abort(this.#closed);
    if (mustSayGoodbye) await this.#deleteSession();
  }

  /** Whether the server keeps to it or not (405 = it does not let clients end sessions), the conversation is over. */
  async #deleteSession(): Promise<void> {
    try {
      const response = await this.#outbound.request({
        method: 'DELETE',
        headers: this.#headers(),
        signal: AbortSignal.timeout(DELETE_TIMEOUT_MS),
        headersTimeoutMs: DELETE_TIMEOUT_MS,
        bodyTimeoutMs: DELETE_TIMEOUT_MS,
      });
      discard(response.body);
    } catch (error) {
      this.#options.log.debug({ err: error }, 'could not end the session of the server');
    }
  }

  /** Runs `work` with a signal of its own, which the caller's signal, `close()` and the loss of the session end. Rejects with GatewayErrors only. */
  async #during(signal: CancelSignal | undefined, work: (wire: CancelSignal) => Promise<void> | void): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    const controller = new Cancellation();
    const onAbort = (): void => controller.abort(cancelled());
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#open.add(controller);
    try {
      controller.throwIfAborted();
      await work(controller.signal);
    } catch (error) {
      throw this.#outbound.explain(controller.aborted ? controller.reason : error);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#open.delete(controller);
    }
  }

  #post(text: MessageText, timeoutMs: number, signal: CancelSignal, extra: SendOptions['headers']): PeerRequest {
    return {
      method: 'POST',
      headers: this.#postHeaders(extra),
      body: text,
      signal,
      headersTimeoutMs: timeoutMs,
      bodyTimeoutMs: timeoutMs,
    };
  }

  /** The same object for the same `extra`, until the conversation has other headers. */
  #postHeaders(extra: Readonly<Record<string, string>> = NO_HEADERS): Readonly<Record<string, string>> {
    let headers = this.#kept.get(extra);
    if (headers === undefined) {
      const accept = 'application/json, text/event-stream';
      headers = this.#headers({ ...extra, 'content-type': 'application/json', accept });
      this.#kept.set(extra, headers);
    }
    return headers;
  }

  #get(lastEventId: string | undefined, signal: CancelSignal): Promise<OutboundResponse> {
    // Headers are written byte by byte: this sends the UTF-8 that the event carried.
    const resumeFrom =
      lastEventId === undefined ? {} : { 'last-event-id': Buffer.from(lastEventId).toString('latin1') };
    return this.#outbound.request({
      method: 'GET',
      headers: this.#headers({ accept: 'text/event-stream', ...resumeFrom }),
      signal,
      headersTimeoutMs: 0,
      bodyTimeoutMs: 0,
    });
  }

  #headers(headers: Record<string, string> = {}): Record<string, string> {
    if (this.#sessionId !== undefined) headers['mcp-session-id'] = this.#sessionId;
    if (this.#protocolVersion !== undefined) headers['mcp-protocol-version'] = this.#protocolVersion;
    return headers;
  }

  #captureSession(response: OutboundResponse): void {
    const id = response.header('mcp-session-id');
    if (id === undefined || this.#sessionId !== undefined) return;
    if (!SESSION_ID.test(id)) {
      discard(response.body);
      throw this.#error('server_protocol_error', 'its Mcp-Session-Id has characters that are not allowed');
    }
    this.#sessionId = id;
    this.#kept = new WeakMap();
  }

  #readStream(
    response: OutboundResponse,
    requestId: string,
    signal: CancelSignal,
    onLargeAnswer: SendOptions['onLargeAnswer'],
    over: AnswerOwner,
  ): void {
    const options = {
      server: this.#outbound.server,
      requestId,
      maxEventBytes: this.#options.maxMessageBytes,
      signal,
      onLargeAnswer,
      deliver: (message: Received) => this.#deliver(message, requestId),
      resume: (lastEventId: string) => this.#resume(lastEventId, signal),
    };
    followAnswer(response, options, over);
  }

  #unreadable(response: OutboundResponse): GatewayError {
    discard(response.body);
    const described = printable(response.header('content-type') ?? '', 100);
    const fault = `the answer has the content type "${described}"`;
    return this.#error(
      'server_protocol_error',
      response.status === 202 ? 'it took the request and gave no answer (HTTP 202)' : fault,
    );
  }

  #deliverAnswer(received: Received, requestId: string): void {
    const messages = typeof received === 'string' ? splitBatch(received) : [received];
    let answered = false;
    for (const message of messages) {
      this.#deliver(message, requestId);
      answered ||= answers(message, requestId);
    }
    if (answered) return;
    const fault = messages.length === 0 ? 'the answer is empty' : 'the answer holds no response to the request';
    throw this.#error('server_protocol_error', fault);
  }

  /** Answers that are not successes: a JSON-RPC error is an answer like others, everything else is a failure of the server. */
  async #failedPost(response: OutboundResponse, requestId: string | undefined): Promise<void> {
    const error = statusError(this.#outbound.server, response, 'POST', !this.#everAnswered);
    if (requestId === undefined || error.code === 'server_auth_required') {
      discard(response.body);
      throw response.status === 404 && this.#sessionId !== undefined ? this.#loseSession() : error;
    }
    const body = await readText(response, MAX_ERROR_BODY_BYTES).catch(() => '');
    const answer = errorAnswer(body, requestId);
    if (this.#sessionId !== undefined && isSessionForgotten(response.status, body, answer)) throw this.#loseSession();
    if (answer === undefined) throw error;
    this.#everAnswered = true;
    this.#deliver(answer.text, requestId);
  }

  async #resume(lastEventId: string, signal: CancelSignal): Promise<OutboundResponse> {
    const response = await this.#get(lastEventId, signal);
    if (response.status === 200 && mediaType(response) === 'event-stream') return response;
    throw this.#failedGet(response);
  }

  async #openListening(lastEventId: string | undefined, signal: CancelSignal): Promise<OutboundResponse | undefined> {
    const response = await this.#get(lastEventId, signal);
    const { status } = response;
    if (status === 200 && mediaType(response) === 'event-stream') {
      this.#hasListened = true;
      this.#isStanding = true;
      this.#standingSettled();
      return response;
    }
    // Frameworks answer 404 where they have no route for GET: only after a stream was there it tells of the session.
    const mayComeLater = [401, 403, 408, 409, 429].includes(status) || (status >= 500 && status !== 501);
    if (mayComeLater || (status === 404 && this.#hasListened)) throw this.#failedGet(response);
    discard(response.body);
    this.#options.log.debug({ status }, 'the server has no stream for messages of its own');
    return undefined;
  }

  #failedGet(response: OutboundResponse): GatewayError {
    discard(response.body);
    if (response.status === 404 && this.#sessionId !== undefined) return this.#loseSession();
    return statusError(this.#outbound.server, response, 'GET', false);
  }

  /**
   * The owner has to begin again with `initialize`. Requests that are under way go on: the server either answers them
   * or refuses them one by one, and only those that it refused may be sent again.
   */
  #loseSession(): GatewayError {
    if (this.#closed !== undefined) return this.#error('server_session_lost', FORGOTTEN);
    const error = this.#error('server_session_lost', FORGOTTEN);
    this.#closed = error;
    this.#lost = true;
    this.#stopListening.abort(undefined);
    this.#events?.onClose(error);
    return error;
  }

  #deliver(message: Received, requestId: string | undefined): void {
    if (this.#closed === undefined || (this.#lost && requestId !== undefined))
      this.#events?.onMessage(message, requestId);
  }

  #error(code: 'server_protocol_error' | 'server_session_lost', detail: string): GatewayError {
    return peerError(code, detail, this.#outbound);
  }
}

function settle(work: Promise<void>, over: AnswerOwner): void {
  work.then(
    () => over.onEnd(),
    (error: unknown) => over.onError(error),
  );
}

function cancelled(): GatewayError {
  return new GatewayError('cancelled', 'The request was cancelled.');
}
