/** The wire to a server over HTTP+SSE (protocol version 2024-11-05): one event stream for its messages, POST for ours. */
import { GatewayError } from '../../shared/errors.ts';
import type { MessageText, SendOptions, Transport, TransportEvents } from '../transport.ts';
import { SharedWireReader, type Received } from '../../mcp/large-message.ts';
import { splitBatch } from './answers.ts';
import type { OutboundResponse } from './connector.ts';
import { discard } from './discard.ts';
import { peerError, printable } from './http-errors.ts';
import { statusError } from './http-status.ts';
import type { HttpTransportOptions } from './http-transport-options.ts';
import type { Outbound } from './outbound.ts';
import { STREAM_START, readEvents } from './event-reader.ts';
import { mediaType } from './read-answer.ts';

const POST_TIMEOUT_MS = 30_000;

/** The stream is the conversation: when it ends, the wire is gone. `send` resolves when the server has taken the message. */
export class SseTransport implements Transport {
  readonly listening = true;
  readonly #options: HttpTransportOptions;
  readonly #outbound: Outbound;
  readonly #wire = new AbortController();
  #events: TransportEvents | undefined;
  #endpoint: URL | undefined;
  #protocolVersion: string | undefined;
  #closed: GatewayError | undefined;

  constructor(options: HttpTransportOptions) {
    this.#options = options;
    this.#outbound = options.outbound;
  }

  /** Opens the stream and waits until the server has named the place to send messages to. */
  async open(events: TransportEvents, signal: AbortSignal): Promise<void> {
    const onAbort = (): void => this.#wire.abort(new GatewayError('cancelled', 'The connection is no longer wanted.'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const response = await this.#openStream();
      const endpoint = Promise.withResolvers<void>();
      const onEndpoint = (): void => {
        // From here on the end of the stream is the end of the wire, even when it comes with the same bytes.
        this.#events = events;
        endpoint.resolve();
      };
      this.#read(response, onEndpoint).then(
        () => this.#end('the server ended the event stream', undefined, endpoint.reject),
        (error: unknown) => this.#end('the event stream broke', error, endpoint.reject),
      );
      await endpoint.promise;
    } catch (error) {
      this.#closed ??= this.#outbound.explain(this.#wire.signal.aborted ? this.#wire.signal.reason : error);
      this.#wire.abort(this.#closed);
      throw this.#closed;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async send(text: MessageText, { signal, headers }: SendOptions = {}): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#endpoint === undefined) throw this.#error('server_unavailable', 'the event stream is not open');
    const post = new AbortController();
    const onCancel = (): void => post.abort(new GatewayError('cancelled', 'The request was cancelled.'));
    const onClose = (): void => post.abort(this.#closed);
    if (signal?.aborted === true) onCancel();
    signal?.addEventListener('abort', onCancel, { once: true });
    this.#wire.signal.addEventListener('abort', onClose, { once: true });
    try {
      post.signal.throwIfAborted();
      await this.#post(text, this.#endpoint, post.signal, headers);
    } catch (error) {
      throw this.#outbound.explain(post.signal.aborted ? post.signal.reason : error);
    } finally {
      signal?.removeEventListener('abort', onCancel);
      this.#wire.signal.removeEventListener('abort', onClose);
    }
  }

  setProtocolVersion(version: string): void {
    this.#protocolVersion = version;
  }

  async close(): Promise<void> {
    this.#closed ??= this.#error('server_unavailable', 'the conversation was closed');
    this.#wire.abort(this.#closed);
  }

  lastWords(): readonly string[] {
    return [];
  }

  async #openStream(): Promise<OutboundResponse> {
    const response = await this.#outbound.request({
      method: 'GET',
      headers: { accept: 'text/event-stream' },
      signal: this.#wire.signal,
      // The owner's deadline for opening holds; afterwards the stream may be silent for as long as it likes.
      headersTimeoutMs: 0,
      bodyTimeoutMs: 0,
    });
    if (response.status === 200 && mediaType(response) === 'event-stream') return response;
    discard(response.body);
    if (response.status !== 200) throw statusError(this.#outbound.server, response, 'GET', false);
    const type = printable(response.header('content-type') ?? '', 100);
    throw this.#error(
      'server_protocol_error',
      `the answer to GET has the content type "${type}" and is no event stream`,
    );
  }

  async #read(response: OutboundResponse, onEndpoint: () => void): Promise<void> {
    const { cause } = await readEvents(response, {
      maxEventBytes: this.#options.maxMessageBytes,
      from: STREAM_START,
      // The wire lives on: what nobody can read is told as what it is.
      onLongEvent: (beginning) => {
        const reader = new SharedWireReader((message, answered) => this.#deliver(message, answered), {
          pause: () => response.body.pause(),
          resume: () => response.body.resume(),
          refuse: (answered, error) => this.#events?.onRefused?.(answered, error),
        });
        reader.push(beginning);
        return reader;
      },
      onEvent: ({ event, data }) => {
        if (event === 'endpoint' && this.#endpoint === undefined) {
          this.#endpoint = this.#checkEndpoint(data);
          onEndpoint();
        } else if (event === 'message' && this.#closed === undefined) {
          this.#deliver(data, undefined);
        }
      },
    });
    if (cause !== undefined) throw cause instanceof Error ? cause : new Error(String(cause));
  }

  #deliver(received: Received, answered: string | undefined): void {
    for (const message of typeof received === 'string' ? splitBatch(received) : [received])
      this.#events?.onMessage(message, answered);
  }

  /** Messages carry our credentials: they go to the origin that the operator configured and to no other. */
  #checkEndpoint(data: string): URL {
    if (!URL.canParse(data, this.#outbound.url))
      throw this.#error('server_protocol_error', 'its "endpoint" event holds no URL');
    const endpoint = new URL(data, this.#outbound.url);
    if (endpoint.origin !== this.#outbound.url.origin) {
      throw this.#error('server_protocol_error', `its "endpoint" event names another origin, ${endpoint.origin}`);
    }
    return endpoint;
  }

  async #post(text: MessageText, endpoint: URL, signal: AbortSignal, further: SendOptions['headers']): Promise<void> {
    const headers: Record<string, string> = {
      ...further,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    };
    if (this.#protocolVersion !== undefined) headers['mcp-protocol-version'] = this.#protocolVersion;
    const response = await this.#outbound.request({
      url: endpoint,
      method: 'POST',
      headers,
      body: text,
      signal,
      headersTimeoutMs: POST_TIMEOUT_MS,
      bodyTimeoutMs: POST_TIMEOUT_MS,
    });
    discard(response.body);
    if (response.status < 400) return;
    if (response.status !== 404) throw statusError(this.#outbound.server, response, 'POST', false);
    // Calls that are under way end with the wire, and whether they were worked on cannot be known.
    const gone = this.#error('server_unavailable', 'it answered HTTP 404 to a message');
    this.#lose(gone);
    throw gone;
  }

  /** The stream ended by itself. Before the endpoint came that fails `open`, later it is the end of the wire. */
  #end(what: string, cause: unknown, rejectOpen: (error: unknown) => void): void {
    const explained = cause === undefined ? this.#error('server_unavailable', what) : this.#outbound.explain(cause);
    rejectOpen(explained);
    if (this.#events !== undefined) this.#lose(explained);
  }

  #lose(reason: GatewayError): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    this.#wire.abort(reason);
    this.#events?.onClose(reason);
  }

  #error(code: 'server_protocol_error' | 'server_unavailable', detail: string): GatewayError {
    return peerError(code, detail, this.#outbound);
  }
}
