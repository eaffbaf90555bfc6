/** The requests in flight on one conversation: an id space of its own, deadlines, cancellation, and the way back to each caller. */
import { setMember, sliceSpan, splice } from '../mcp/json-text.ts';
import { idEdit, progressTokenOf, renumbered, requestText, spanIn, withId, type Message } from '../mcp/message.ts';
import { Cancellation, type CancelSignal } from '../shared/cancellation.ts';
import { Deadlines, type Deadline, type Late } from '../shared/deadlines.ts';
import { GatewayError } from '../shared/errors.ts';
import { textOfMessage, type LargeAnswerWay, type MessageText, type Transport } from './transport.ts';
import { PASSED_ON, type Answer, type AnswerSink, type CallOptions, type PendingCall } from './upstream.ts';
import { TurnoverMap } from '../shared/turnover.ts';

export interface CallsOptions {
  readonly server: string;
  readonly transport: Transport;
  /** Copies every message to the message log. */
  readonly record: (direction: 'IN' | 'OUT', text: MessageText) => void;
  /** Tells the server that nobody waits for this request any more. */
  readonly onGivenUp: (upstreamId: string, method: string, reason: string) => void;
  /** As in ServerWires. */
  readonly onTrouble: () => void;
  /** Told of an answer that the conversation does not see, because it is passed on while it comes. */
  readonly onPassing: () => void;
}

export interface Pending extends PendingCall {
  /** Raw JSON text of the id that the caller gave. */
  readonly originalId: string;
  readonly originalToken: string | undefined;
  readonly keeper: CallOptions['keeper'];
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** For the wire alone: the caller has been told already. */
const WIRE_GIVEN_UP = new Error('nobody waits for the answer any more');

/** Requests that the gateway sends for itself belong to nobody. */
const GATEWAY_OWNER = {};

export class Calls {
  readonly #options: CallsOptions;
  /** By numbers: V8 would put each key that is a text into a table of the whole process. */
  readonly #pending = new TurnoverMap<number, OpenCall>();
  readonly #deadlines = new Deadlines();
  readonly #watcher: CallWatcher;
  #nextId = 1;
  #closed: Error | undefined;

  constructor(options: CallsOptions) {
    this.#options = options;
    this.#watcher = {
      server: options.server,
      onEnd: (call) => void this.#pending.delete(call.key),
      onGivenUp: (call, reason) => options.onGivenUp(call.upstreamId, call.method, reason),
      onPassing: () => options.onPassing(),
      watch: (call) => {
        if (call.timeoutMs !== undefined) call.deadline = this.#deadlines.begin(call.timeoutMs, call);
      },
    };
  }

  /** Why nothing can be sent any more; undefined while the conversation lives. */
  get closed(): Error | undefined {
    return this.#closed;
  }

  values(): Iterable<PendingCall> {
    return this.#pending.values();
  }

  /** The requests in flight, for an owner who has to reject one. */
  waiting(): readonly Pending[] {
    return [...this.#pending.values()];
  }

  /** By the raw JSON text of the id that the request has upstream. */
  get(upstreamId: string | undefined): Pending | undefined {
    return upstreamId === undefined ? undefined : this.#pending.get(Number(upstreamId));
  }

  /** Sends a caller's request under an id and a progress token of our own. */
  call(message: Message, options: CallOptions, headers?: Readonly<Record<string, string>>): Promise<Answer> {
    const key = this.#nextId++;
    const upstreamId = String(key);
    const { outline } = message;
    if (outline !== undefined) {
      const { pieces, token } = renumbered(message, outline, upstreamId);
      return this.#send(key, upstreamId, pieces, askedBy(message, token), options, headers);
    }
    const token = progressTokenOf(message);
    const edits = idEdit(message, upstreamId);
    if (token !== undefined) edits.push({ span: token.span, text: upstreamId });
    const text = splice(message.text, edits);
    return this.#send(key, upstreamId, text, askedBy(message, token?.raw), options, headers);
  }

  /** Sends a request of the gateway's own. `params` is raw JSON text. */
  async ask(
    method: string,
    params: string | undefined,
    options: Pick<CallOptions, 'timeoutMs' | 'signal'>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Message> {
    const key = this.#nextId++;
    const upstreamId = String(key);
    const text = requestText(upstreamId, method, params);
    const asked = { method, originalId: upstreamId, originalToken: undefined };
    const own = { ...options, owner: GATEWAY_OWNER, onMessage: () => undefined };
    return (await this.#send(key, upstreamId, text, asked, own, headers)).message;
  }

  #send(
    key: number,
    upstreamId: string,
    text: MessageText,
    asked: Asked,
    options: CallOptions,
    headers: Readonly<Record<string, string>> | undefined,
  ): Promise<Answer> {
    const { signal, passTo } = options;
    const { transport, record } = this.#options;
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (signal?.aborted === true) return Promise.reject(abortReason(signal));
    const call = new OpenCall(key, upstreamId, asked, options, this.#watcher);
    this.#pending.set(key, call);
    this.#watcher.watch(call);
    record('OUT', text);
    transport
      .send(text, {
        requestId: upstreamId,
        signal: call,
        ...(headers && { headers }),
        ...(passTo && { onLargeAnswer: (beginning: Buffer) => call.passTo(passTo, beginning) }),
      })
      .catch((error: unknown) => this.#undelivered(call, error));
    return call.answered;
  }

  #undelivered(call: OpenCall, error: unknown): void {
    if (call.ended) return;
    if (this.#closed === undefined && isTrouble(error)) this.#options.onTrouble();
    call.reject(error instanceof Error ? error : new Error(String(error)));
  }

  /** A response of the server, under the id that the request had upstream; `requestId` = the request on whose stream it came. */
  answer(
    message: Message,
    requestId: string | undefined,
    rewrite: (text: string, call: Pending) => string = same,
  ): void {
    const pending = this.get(message.id ?? requestId);
    if (pending === undefined) return;
    const { originalId } = pending;
    const { outline } = message;
    if (outline !== undefined) {
      const { held } = outline;
      if (held !== undefined && pending.keeper !== undefined) {
        outline.held = undefined;
        pending.keeper.hold(held);
      }
      return pending.resolve(new LargeAnswer(message, pending, rewrite));
    }
    const text =
      message.member('id') !== undefined ? withId(message, originalId) : setMember(message.text, 'id', originalId);
    pending.resolve({ text: rewrite(text, pending), message });
  }

  /** Progress finds its call by the token, which is the id that the call has upstream. */
  forwardProgress(message: Message): void {
    const token = spanIn(message, ['params', 'progressToken']);
    if (token === undefined) return;
    const pending = this.get(sliceSpan(message.text, token));
    if (pending?.originalToken === undefined) return;
    pending.onMessage(splice(message.text, [{ span: token, text: pending.originalToken }]));
  }

  /** Ends everything; false when it had ended before. `keepCalls`: those under way may still be answered. */
  fail(reason: Error, { keepCalls }: { readonly keepCalls: boolean } = { keepCalls: false }): boolean {
    if (this.#closed !== undefined) return false;
    this.#closed = reason;
    if (keepCalls) return true;
    for (const pending of [...this.#pending.values()]) pending.reject(reason);
    this.#deadlines[Symbol.dispose]();
    return true;
  }
}

/** What the caller gave, in its own words. */
type Asked = Pick<Pending, 'method' | 'originalId' | 'originalToken'>;

function askedBy({ method, id }: Message, originalToken: string | undefined): Asked {
  return { method: method ?? '', originalId: id ?? 'null', originalToken };
}

/** Whoever can do without its text, does: that of megabytes stalls everybody. */
class LargeAnswer implements Answer {
  readonly message: Message;
  readonly #call: Pending;
  readonly #rewrite: (text: string, call: Pending) => string;

  constructor(message: Message, call: Pending, rewrite: (text: string, call: Pending) => string) {
    this.message = message;
    this.#call = call;
    this.#rewrite = rewrite;
  }

  get text(): string {
    const { outline } = this.message;
    if (outline === undefined) return '';
    const call = this.#call;
    return this.#rewrite(textOfMessage(outline.changed({ outer: { id: call.originalId } })), call);
  }
}

/** What is told of each call. */
interface CallWatcher {
  readonly server: string;
  /** It is over, whatever became of it. Called once. */
  onEnd(call: OpenCall): void;
  /** Nobody waits for it any more, and its server does not know. */
  onGivenUp(call: OpenCall, reason: string): void;
  /** Its answer is passed on while it comes. */
  onPassing(): void;
  /** Gives it its deadline, from now on. */
  watch(call: OpenCall): void;
}

/** One request in flight; as a signal it ends the delivery of its message. */
class OpenCall extends Cancellation implements Pending, Late {
  /** `upstreamId` as a number. */
  readonly key: number;
  readonly upstreamId: string;
  readonly method: string;
  readonly originalId: string;
  readonly originalToken: string | undefined;
  readonly owner: object;
  readonly onMessage: PendingCall['onMessage'];
  readonly onRequest: PendingCall['onRequest'];
  readonly logLevel: string | undefined;
  readonly keeper: CallOptions['keeper'];
  readonly timeoutMs: number | undefined;
  deadline: Deadline | undefined;
  ended = false;
  readonly #startedAt = performance.now();
  readonly #signal: CancelSignal | undefined;
  readonly #watcher: CallWatcher;
  readonly #answer = Promise.withResolvers<Answer>();
  /** Where the answer goes while it comes. */
  #way: AnswerSink | undefined;
  #isClientSlow = false;

  constructor(key: number, upstreamId: string, asked: Asked, options: CallOptions, watcher: CallWatcher) {
    super();
    this.key = key;
    this.upstreamId = upstreamId;
    this.method = asked.method;
    this.originalId = asked.originalId;
    this.originalToken = asked.originalToken;
    this.owner = options.owner;
    this.onMessage = options.onMessage;
    this.onRequest = options.onRequest;
    this.logLevel = options.logLevel;
    this.keeper = options.keeper;
    this.timeoutMs = options.timeoutMs;
    this.#watcher = watcher;
    this.#signal = options.signal;
    options.signal?.addEventListener('abort', this, { once: true });
  }

  /**
   * The caller takes it back. A method and no closure in a field: of objects with such a field V8 keeps each, with all
   * that hangs on it, until the next full collection.
   */
  handleEvent(): void {
    const reason = abortReason(this.#signal);
    this.#giveUp(reason, reason.message);
  }

  get answered(): Promise<Answer> {
    return this.#answer.promise;
  }

  resolve(answer: Answer): void {
    this.#end();
    this.#answer.resolve(answer);
  }

  reject(error: Error): void {
    this.#end();
    this.#answer.reject(error);
    this.abort(WIRE_GIVEN_UP);
  }

  onLate(): void {
    // Whoever waits for the client cannot be late.
    if (this.#isClientSlow) return this.#extend();
    const { server } = this.#watcher;
    const elapsed = `${((performance.now() - this.#startedAt) / 1000).toFixed(1)} s`;
    const detail = `"${this.method}" on server "${server}" got no answer within ${elapsed}.`;
    const message = `The MCP server timed out: ${detail}`;
    this.#giveUp(new GatewayError('server_timeout', message, { server, detail }), detail);
  }

  #giveUp(error: GatewayError, reason: string): void {
    if (this.ended) return;
    this.#end();
    this.#answer.reject(error);
    this.#watcher.onGivenUp(this, reason);
    this.abort(WIRE_GIVEN_UP);
  }

  #end(): void {
    this.ended = true;
    this.deadline?.end();
    this.#signal?.removeEventListener('abort', this);
    this.#watcher.onEnd(this);
    this.#way?.cut();
  }

  /** The way for an answer that is passed on while it comes; undefined = it must be read whole. */
  passTo(taker: NonNullable<CallOptions['passTo']>, beginning: Buffer): LargeAnswerWay | undefined {
    const sink = this.ended ? undefined : taker.passOn?.(beginning);
    if (sink === undefined) return undefined;
    this.#way = sink;
    this.#watcher.onPassing();
    sink.onGone = (reason = new GatewayError('cancelled', 'The caller has left.')) =>
      this.#giveUp(reason, reason.message);
    // From here on the deadline is for each piece: how long all of them take is up to the client as well.
    this.#extend();
    const following: AnswerSink = {
      write: (bytes) => {
        this.#extend();
        this.#isClientSlow = !sink.write(bytes);
        return !this.#isClientSlow;
      },
      end: (last) => {
        sink.end(last);
        if (!this.ended) this.resolve(PASSED_ON);
      },
      cut: () => sink.cut(),
      onReady: () => undefined,
      onGone: () => undefined,
    };
    sink.onReady = () => {
      this.#isClientSlow = false;
      this.#extend();
      following.onReady();
    };
    return { id: this.originalId, sink: following };
  }

  #extend(): void {
    this.deadline?.end();
    if (!this.ended) this.#watcher.watch(this);
  }
}

/** Failures that say something of the server, and not of one call. */
const TROUBLE: ReadonlySet<string> = new Set([
  'server_unavailable',
  'server_timeout',
  'server_tls_error',
  'server_auth_required',
]);

function isTrouble(error: unknown): boolean {
  return error instanceof GatewayError && TROUBLE.has(error.code);
}

function same(text: string): string {
  return text;
}

/** Whoever aborts may say why; without a GatewayError it is a cancellation. */
function abortReason(signal: CancelSignal | undefined): GatewayError {
  const reason: unknown = signal?.reason;
  return reason instanceof GatewayError ? reason : new GatewayError('cancelled', 'The request was cancelled.');
}
