/** Forwards the messages of a client on stdio to a gateway over HTTP, in the era that the client speaks. */
import {
  cancelledId,
  errorText,
  isObject,
  notificationText,
  parseMessage,
  paramsOf,
  requestText,
  type Message,
} from '../../mcp/message.ts';
import { readEnvelope } from '../../mcp/modern/envelope.ts';
import { modernGatewayCode } from '../../mcp/modern/errors.ts';
import { standardHeaders } from '../../mcp/modern/headers.ts';
import { MODERN_VERSION } from '../../mcp/versions.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { Transport } from '../../upstream/transport.ts';
import { KnownTools } from './known-tools.ts';

export interface ForwarderOptions {
  /** A new wire to the gateway. */
  readonly connect: () => Transport;
  /** Writes one message to the client. */
  readonly write: (text: string) => void;
  /** Tells people what went wrong; stdout belongs to the protocol. */
  readonly warn: (text: string) => void;
}

/** A request of our own; the client never sees its answer. */
const OWN_ID = '"gatehouse-connect"';
const OWN_TIMEOUT_MS = 30_000;

export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #tools = new KnownTools();
  readonly #inFlight = new Map<string, { readonly abort: AbortController; readonly done: Promise<void> }>();
  #wire: Transport | undefined;
  /** The client's handshake, to be repeated when the gateway has forgotten the session. */
  #initialize: Message | undefined;
  #reopening: Promise<Transport> | undefined;
  #own: ((answer: Message) => void) | undefined;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /** Takes one line of the client. Never throws. */
  take(text: string): void {
    let message: Message;
    try {
      message = parseMessage(text);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.#options.write(errorText(undefined, { code: error.rpcCode, message: error.message }));
      return;
    }
    if (message.kind === 'request') this.#request(message);
    else void this.#oneWay(message);
  }

  /** Resolves when nothing is in flight any more. */
  async settled(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all([...this.#inFlight.values()].map(({ done }) => done));
  }

  async close(): Promise<void> {
    for (const { abort } of this.#inFlight.values()) abort.abort();
    await this.#wire?.close();
  }

  #request(message: Message): void {
    const id = message.id ?? 'null';
    const abort = new AbortController();
    const done = this.#answer(message, abort.signal)
      .catch((error: unknown) => {
        if (!abort.signal.aborted) this.#options.write(failureText(id, error, isModern(message)));
      })
      .finally(() => this.#inFlight.delete(id));
    this.#inFlight.set(id, { abort, done });
  }

  async #answer(message: Message, signal: AbortSignal): Promise<void> {
    if (message.method === 'initialize') this.#initialize = message;
    try {
      await this.#send(await this.#open(), message, signal);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'server_session_lost') throw error;
      await this.#send(await this.#reopen(), message, signal);
    }
  }

  async #send(wire: Transport, message: Message, signal: AbortSignal): Promise<void> {
    const options = { requestId: message.id ?? 'null', signal };
    if (!isModern(message)) return wire.send(message.text, options);
    const headers = { ...standardHeaders(message), ...(await this.#paramHeaders(wire, message)) };
    return wire.send(message.text, { ...options, headers });
  }

  /** The arguments that a tool wants in headers; a tool that was never listed is looked up first. */
  async #paramHeaders(wire: Transport, message: Message): Promise<Record<string, string>> {
    if (message.method !== 'tools/call') return {};
    const { name, arguments: args, _meta: meta } = paramsOf(message);
    if (!this.#tools.has(String(name))) {
      const params = JSON.stringify({ _meta: meta });
      const request = parseMessage(requestText(OWN_ID, 'tools/list', params));
      const answer = new Promise<void>((resolve) => {
        this.#own = () => resolve();
      });
      const sent = wire.send(request.text, {
        requestId: OWN_ID,
        headers: standardHeaders(request),
        signal: AbortSignal.timeout(OWN_TIMEOUT_MS),
      });
      await Promise.race([answer, sent]).catch(() => undefined);
    }
    return this.#tools.headers(String(name), args);
  }

  /** Notifications and answers. */
  async #oneWay(message: Message): Promise<void> {
    try {
      const cancelled = message.method === 'notifications/cancelled' ? cancelledId(message) : undefined;
      const call = cancelled === undefined ? undefined : this.#inFlight.get(cancelled);
      // Modern requests are cancelled by closing their stream; legacy ones by the message, which the gateway must get.
      if (call !== undefined && this.#initialize === undefined) return call.abort.abort();
      const wire = await this.#open();
      await wire.send(message.text);
      if (message.method === 'notifications/initialized') await wire.listen?.();
    } catch (error) {
      this.#options.warn(ofGateway(error));
    }
  }

  async #open(): Promise<Transport> {
    if (this.#reopening !== undefined) return this.#reopening;
    if (this.#wire !== undefined) return this.#wire;
    const wire = this.#options.connect();
    this.#wire = wire;
    await wire.open(
      {
        onMessage: (message) => this.#receive(wire, typeof message === 'string' ? message : message.text),
        onClose: (reason) => {
          if (this.#wire === wire) this.#wire = undefined;
          if (reason.code !== 'server_session_lost') this.#options.warn(reason.message);
        },
      },
      AbortSignal.timeout(OWN_TIMEOUT_MS),
    );
    return wire;
  }

  /** Repeats the client's handshake in a new session; the client notices nothing. */
  #reopen(): Promise<Transport> {
    this.#reopening ??= this.#handshake().finally(() => (this.#reopening = undefined));
    return this.#reopening;
  }

  async #handshake(): Promise<Transport> {
    const initialize = this.#initialize;
    if (initialize === undefined) throw new GatewayError('server_session_lost', 'There is no session to begin again.');
    this.#wire = undefined;
    const wire = await this.#openNew();
    const params = JSON.stringify(paramsOf(initialize));
    await wire.send(requestText(OWN_ID, 'initialize', params), { requestId: OWN_ID });
    await wire.send(notificationText('notifications/initialized'));
    await wire.listen?.();
    return wire;
  }

  #openNew(): Promise<Transport> {
    const reopening = this.#reopening;
    this.#reopening = undefined;
    const opened = this.#open();
    this.#reopening = reopening;
    return opened;
  }

  #receive(wire: Transport, text: string): void {
    let message: Message;
    try {
      message = parseMessage(text);
    } catch {
      this.#options.warn('The gateway sent a message that is not MCP.');
      return;
    }
    const result = message.kind === 'response' ? message.value['result'] : undefined;
    if (isObject(result)) {
      const { protocolVersion } = result;
      const handshake = message.id === OWN_ID || message.id === this.#initialize?.id;
      if (handshake && typeof protocolVersion === 'string') wire.setProtocolVersion(protocolVersion);
      this.#tools.learn(message);
    }
    if (message.id !== OWN_ID) this.#options.write(text);
    else if (message.kind === 'response') this.#own?.(message);
  }
}

function isModern(message: Message): boolean {
  const reading = readEnvelope(message);
  return reading.kind === 'valid' && reading.envelope.protocolVersion === MODERN_VERSION;
}

function failureText(id: string, error: unknown, modern: boolean): string {
  if (!(error instanceof GatewayError)) return errorText(id, { code: -32603, message: String(error) });
  const code = modern ? modernGatewayCode(error.rpcCode, error.status) : error.rpcCode;
  const data = { error: error.code, ...(error.detail === undefined ? {} : { detail: error.detail }) };
  return errorText(id, { code, message: ofGateway(error), data });
}

/** What the transport says of "the MCP server" is said of the gateway here, and its credentials are the user's. */
function ofGateway(error: unknown): string {
  if (!(error instanceof GatewayError)) return String(error);
  const detail = error.detail === undefined ? '' : ` (${error.detail})`;
  if (error.code === 'server_auth_required')
    return `The gateway refused the credentials that were given to it; is MCP_GATEWAY_AGENT_ID right?${detail}`;
  return error.message.replace(/\bthe MCP server\b/i, (words) =>
    words.startsWith('T') ? 'The gateway' : 'the gateway',
  );
}
