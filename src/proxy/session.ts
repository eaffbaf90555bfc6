/** One client's legacy conversation (2025-11-25 and older): who it is, what it asked for, and how messages reach it. */
import type { Principal } from '../auth/authenticator.ts';
import { sliceSpan, splice } from '../mcp/json-text.ts';
import { cancelledId, progressTokenOf, spanIn, withId, type Message } from '../mcp/message.ts';
import { unifiedUri } from '../mcp/uris.ts';
import { GatewayError } from '../shared/errors.ts';
import type { Attachment } from '../upstream/attachment.ts';
import type { Asker, PendingCall } from '../upstream/upstream.ts';
import { StreamLog, type LoggedStream } from './downstream/stream-log.ts';
import type { Exchange } from './exchange.ts';
import { routeKey, type Endpoint } from './route.ts';
import type { View } from './view/view.ts';
import { TurnoverMap } from '../shared/turnover.ts';

export interface SessionInit {
  readonly sessionId: string;
  readonly caller: Principal;
  readonly route: Endpoint;
  readonly view: View;
  readonly unified: boolean;
  readonly clientInfo: string;
  readonly clientCapabilities: string;
  readonly askable: boolean;
  readonly protocolVersion: string;
}

/** A way to the client for what belongs to no request of its own. */
export interface ClientStream {
  readonly open: boolean;
  /** Sends one JSON-RPC message; false when the client is gone. */
  send(text: string): boolean;
  end(): void;
}

/** A question of a server that waits for the client's answer. */
interface Question {
  readonly upstream: Asker;
  /** The id that the server gave it, raw JSON text. */
  readonly originalId: string;
  readonly originalToken: string | undefined;
  readonly call: PendingCall | undefined;
}

type StandingStream = ClientStream | LoggedStream;

/** Messages that wait for the client to open its stream; older ones give way. */
const MAX_WAITING = 100;
const MAX_WAITING_LENGTH = 1024 * 1024;
const MAX_QUESTIONS = 1_000;
const MAX_STREAMS = 8;
const NO_URIS: ReadonlySet<string> = new Set();

export class Session implements Attachment {
  readonly sessionId: string;
  readonly principal: string;
  readonly route: Endpoint;
  readonly routeKey: string;
  /** Its principal with the rights that it had last. */
  caller: Principal;
  /** What existed for it last. */
  view: View;
  readonly clientInfo: string;
  readonly clientCapabilities: string;
  readonly askable: boolean;
  readonly protocolVersion: string;
  logLevel: string | undefined;
  lastUsed = Date.now();
  closed = false;
  readonly unified: boolean;
  readonly #exchanges = new TurnoverMap<string, Exchange>();
  /** Each of these is there only once there is something in it: most sessions have neither. */
  #questions: Map<string, Question> | undefined;
  #subscriptions: Map<string, Set<string>> | undefined;
  /** What its streams carried. */
  readonly log = new StreamLog();
  readonly #streams: StandingStream[] = [];
  readonly #waiting: string[] = [];
  #nextQuestion = 1;
  #waitingBytes = 0;

  constructor(init: SessionInit) {
    this.sessionId = init.sessionId;
    this.principal = init.caller.subject;
    this.caller = init.caller;
    this.route = init.route;
    this.routeKey = routeKey(init.route);
    this.view = init.view;
    this.clientInfo = init.clientInfo;
    this.clientCapabilities = init.clientCapabilities;
    this.askable = init.askable;
    this.protocolVersion = init.protocolVersion;
    this.unified = init.unified;
  }

  /** True while something is being worked on. */
  get working(): boolean {
    return this.#exchanges.size > 0;
  }

  /** True while somebody listens or something is being worked on. */
  get busy(): boolean {
    return this.#exchanges.size > 0 || this.#streams.some((stream) => stream.open);
  }

  subscriptions(server: string): ReadonlySet<string> {
    return this.#subscriptions?.get(server) ?? NO_URIS;
  }

  /** The same, to be changed. */
  ownSubscriptions(server: string): Set<string> {
    this.#subscriptions ??= new Map();
    let uris = this.#subscriptions.get(server);
    if (uris === undefined) this.#subscriptions.set(server, (uris = new Set()));
    return uris;
  }

  /** A request of the client is on its way. Throws `invalid_request` for an id that is in use: neither could be cancelled. */
  begin(exchange: Exchange): void {
    const { id } = exchange.message;
    if (this.closed) throw new GatewayError('session_not_found', 'The session has ended.');
    if (id === undefined) return;
    if (this.#exchanges.has(id)) {
      throw new GatewayError('invalid_request', 'The id of the request is in use by another request of the session.');
    }
    this.#exchanges.set(id, exchange);
  }

  end(exchange: Exchange): void {
    const { id } = exchange.message;
    if (id !== undefined && this.#exchanges.get(id) === exchange) this.#exchanges.delete(id);
    this.lastUsed = Date.now();
    if (this.#questions === undefined) return;
    for (const [questionId, { call }] of this.#questions) {
      if (call?.owner === exchange) this.#questions.delete(questionId);
    }
  }

  /** The client takes a request back; `id` is raw JSON text. */
  cancel(id: string, reason = 'The caller cancelled the request.'): void {
    this.#exchanges.get(id)?.abort.abort(new GatewayError('cancelled', reason));
  }

  /** Opens the client's stream for messages that belong to no request. */
  addStream(stream: StandingStream): void {
    if (this.#streams.length >= MAX_STREAMS) this.#streams.shift()?.end();
    this.#streams.push(stream);
    this.#waitingBytes = 0;
    for (const text of this.#waiting.splice(0)) stream.send(text);
  }

  removeStream(stream: StandingStream): void {
    const index = this.#streams.indexOf(stream);
    if (index !== -1) this.#streams.splice(index, 1);
  }

  onRequest(upstream: Asker, message: Message, call: PendingCall | undefined): void {
    const questions = (this.#questions ??= new Map<string, Question>());
    if (questions.size >= MAX_QUESTIONS) {
      const text = `{"jsonrpc":"2.0","id":${message.id ?? 'null'},"error":{"code":-32000,"message":"The client has too many open questions."}}`;
      upstream.respond(text).catch(() => undefined);
      return;
    }
    const id = String(this.#nextQuestion++);
    const token = progressTokenOf(message);
    questions.set(id, { upstream, originalId: message.id ?? 'null', originalToken: token?.raw, call });
    const text = withId(message, id);
    this.#deliver(token === undefined ? text : withToken(message, id), call);
  }

  onNotification(server: string, message: Message): void {
    if (message.method === 'notifications/cancelled') return this.#withdrawQuestion(server, message);
    if (message.method === 'notifications/resources/updated' && this.unified) {
      const span = spanIn(message, ['params', 'uri']);
      if (span === undefined) return;
      const uri = JSON.parse(sliceSpan(message.text, span)) as string;
      return this.#deliver(splice(message.text, [{ span, text: JSON.stringify(unifiedUri(server, uri)) }]), undefined);
    }
    this.#deliver(message.text, undefined);
  }

  /** The client answers a question. Resolves when the server has it; answers to nothing are dropped. */
  async answer(message: Message): Promise<void> {
    const question = message.id === undefined ? undefined : this.#questions?.get(message.id);
    if (question === undefined || message.id === undefined) return;
    this.#questions?.delete(message.id);
    // A server that is gone by now has no use for the answer.
    await question.upstream.respond(withId(message, question.originalId)).catch(() => undefined);
  }

  /** Progress that the client reports on a question. */
  async reportProgress(message: Message): Promise<void> {
    const span = spanIn(message, ['params', 'progressToken']);
    const question = span && this.#questions?.get(sliceSpan(message.text, span));
    if (span === undefined || question?.originalToken === undefined) return;
    await question.upstream.notify(splice(message.text, [{ span, text: question.originalToken }]));
  }

  /** Ends everything: requests in flight, streams, questions. */
  close(): void {
    this.closed = true;
    const reason = new GatewayError('cancelled', 'The session has ended.');
    for (const exchange of [...this.#exchanges.values()]) exchange.abort.abort(reason);
    for (const stream of this.#streams.splice(0)) stream.end();
    this.log.close();
    this.#questions?.clear();
    this.#waiting.length = 0;
  }

  /** On the stream of the call it belongs to, else on the standing stream, else on that of any call; else it waits. */
  #deliver(text: string, call: PendingCall | undefined): void {
    const own = call === undefined ? undefined : this.#exchangeOf(call);
    if (own?.reply.send(text) === true) return;
    for (const stream of this.#streams.toReversed()) {
      if (stream.open && stream.send(text)) return;
    }
    for (const exchange of this.#exchanges.values()) {
      if (exchange.reply.send(text)) return;
    }
    if (text.length > MAX_WAITING_LENGTH) return;
    this.#waiting.push(text);
    this.#waitingBytes += text.length;
    while (this.#waiting.length > MAX_WAITING || this.#waitingBytes > MAX_WAITING_LENGTH) {
      this.#waitingBytes -= this.#waiting.shift()?.length ?? 0;
    }
  }

  #exchangeOf(call: PendingCall): Exchange | undefined {
    for (const exchange of this.#exchanges.values()) {
      if (exchange === call.owner) return exchange;
    }
    return undefined;
  }

  /** The server takes a question back: the client knows it by another id. */
  #withdrawQuestion(server: string, message: Message): void {
    const originalId = cancelledId(message);
    for (const [id, question] of this.#questions ?? []) {
      if (question.originalId !== originalId || question.upstream.server !== server) continue;
      this.#questions?.delete(id);
      const span = spanIn(message, ['params', 'requestId']);
      if (span !== undefined) this.#deliver(splice(message.text, [{ span, text: id }]), question.call);
      return;
    }
  }
}

/** The message with the question's own id as id and as progress token. */
function withToken(message: Message, id: string): string {
  const token = spanIn(message, ['params', '_meta', 'progressToken']);
  const idSpan = message.member('id');
  return splice(
    message.text,
    [token, idSpan].flatMap((span) => (span === undefined ? [] : [{ span, text: id }])),
  );
}
