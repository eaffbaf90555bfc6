/** The answer to one POST: plain JSON when the answer is all there is to say, an event stream as soon as something precedes it. */
import { errorText } from '../../mcp/message.ts';
import type { HeldAnswerBytes } from '../../shared/answer-budget.ts';
import { Deadlines, type Deadline, type Late } from '../../shared/deadlines.ts';
import type { GatewayError } from '../../shared/errors.ts';
import type { AnswerKeeper, AnswerSink, AnswerTaker } from '../../upstream/upstream.ts';
import type { ClientResponse } from '../client-response.ts';
import { answerJson, respondError, respondJson, respondPieces, rpcErrorOf } from '../respond.ts';
import { EventStream } from './event-stream.ts';
import type { Heartbeat } from './heartbeat.ts';
import { holdUntilOut } from './held-on-way.ts';
import { passAsBody } from './passed-answer.ts';
import type { LoggedStream, StreamLog } from './stream-log.ts';

/** An answer that is longer in coming becomes a stream, which a client that loses it can come back for. */
const STREAM_AFTER_MS = 250;
const OPENING = new Deadlines();

export interface ReplyOptions {
  readonly requestId: string;
  /** False for clients that accept no event stream: what precedes the answer cannot reach them. */
  readonly mayStream: boolean;
  /** True for clients that can tell the end of an answer from the end of a connection; default false. */
  readonly mayPassOn?: boolean;
  /** With it the stream can be resumed, and what is sent meanwhile waits in it. */
  readonly log?: StreamLog | undefined;
}

/** The way back to a client for one of its messages. */
export type ReplyChannel = Pick<
  Reply,
  'open' | 'setHeader' | 'keepAlive' | 'hold' | 'send' | 'answer' | 'answerPieces' | 'fail' | 'drop' | 'accept'
> &
  AnswerTaker;

export class Reply implements Late, AnswerKeeper {
  readonly #response: ClientResponse;
  readonly #options: ReplyOptions;
  /** Beside the id of the request. */
  #further: Record<string, string> | undefined;
  readonly #createdAt = performance.now();
  readonly #log: StreamLog | undefined;
  #heartbeat: Heartbeat | undefined;
  #stream: EventStream | LoggedStream | undefined;
  #opening: Deadline | undefined;
  #done = false;
  #gavePieces = false;

  constructor(response: ClientResponse, options: ReplyOptions) {
    this.#response = response;
    this.#options = options;
    this.#log = options.mayStream ? options.log : undefined;
    if (this.#log !== undefined) this.#opening = OPENING.begin(STREAM_AFTER_MS, this);
    response.once('close', () => {
      if (!this.#resumable) this.#finish();
    });
  }

  /** True while messages can still be sent ahead of the answer. */
  get open(): boolean {
    if (this.#done || !this.#options.mayStream) return false;
    if (this.#resumable) return true;
    return !this.#response.destroyed && (this.#stream !== undefined || !this.#response.headersSent);
  }

  setHeader(name: string, value: string): void {
    this.#further = { ...this.#further, [name]: value };
  }

  /** From now on shows proxies in between that the connection lives, whenever the answer is long in coming. */
  keepAlive(heartbeat: Heartbeat): void {
    if (this.#done) return;
    this.#heartbeat = heartbeat;
    heartbeat.add(this);
  }

  /** Its client has the answer, or cannot have it any more, when the connection that carries it now is done with it. */
  hold(held: HeldAnswerBytes): void {
    if (this.#done) held[Symbol.dispose]();
    else if (this.#stream !== undefined) this.#stream.hold(held, () => this.#gavePieces);
    else holdUntilOut(this.#response, held, () => this.#gavePieces);
  }

  /** Sends a message that precedes the answer; false when it cannot reach the client on this way. */
  send(text: string): boolean {
    if (!this.open) return false;
    return this.#open().send(text) || this.#resumable;
  }

  /** Sends the answer and ends. The status counts only when nothing was sent before. */
  answer(text: string, status = 200): void {
    if (this.#done) return;
    this.#finish();
    if (this.#stream !== undefined) this.#stream.end(text);
    else if (this.#further !== undefined) respondJson(this.#response, status, text, this.#headers);
    else answerJson(this.#response, status, text, this.#options.requestId);
  }

  /** The same for an answer that is there as pieces of UTF-8, which are not to be changed. */
  answerPieces(pieces: readonly Buffer[], status = 200): void {
    if (this.#done) return;
    // Who comes back for a stream may be given them once more, on another connection than the one that is watched.
    this.#gavePieces = !this.#resumable;
    const sink = status === 200 || this.#stream !== undefined ? this.passOn() : undefined;
    if (sink !== undefined) {
      for (const piece of pieces) sink.write(piece);
      sink.end('');
    } else if (this.#stream === undefined) {
      this.#finish();
      respondPieces(this.#response, status, pieces, this.#headers);
    } else this.answer(Buffer.concat(pieces).toString('utf8'));
  }

  /** The way for a large answer, which ends the reply; undefined when it must be given whole, to `answer`. */
  passOn(): AnswerSink | undefined {
    if (this.#done || this.#options.mayPassOn !== true || this.#response.destroyed) return undefined;
    const sink = this.#stream?.passOn() ?? (this.#stream === undefined ? this.#asBody() : undefined);
    if (sink !== undefined) this.#finish();
    return sink;
  }

  /** Answers with an error: by HTTP status while nothing was sent, else as the answer on the stream. `rpcId` is raw JSON text. */
  fail(error: GatewayError, rpcId: string | undefined): void {
    if (this.#done) return;
    this.#finish();
    const { requestId } = this.#options;
    if (this.#stream === undefined) respondError(this.#response, error, requestId, rpcId);
    else this.#stream.end(errorText(rpcId, rpcErrorOf(error, requestId)));
  }

  /** Ends without an answer, because the client took its request back; `error` is for those who can only be told so. */
  drop(error: GatewayError, rpcId: string): void {
    if (this.#done) return;
    if (!this.#options.mayStream) {
      this.answer(errorText(rpcId, rpcErrorOf(error, this.#options.requestId)));
      return;
    }
    this.#finish();
    if (this.#stream !== undefined) return this.#stream.end();
    if (!this.#response.destroyed) new EventStream(this.#response, this.#options.requestId, this.#further).end();
  }

  /** Confirms a message that has no answer. */
  accept(): void {
    if (this.#done) return;
    this.#finish();
    if (this.#response.destroyed) return;
    this.#response.writeHead(202, { 'content-length': 0, ...this.#headers });
    this.#response.end();
  }

  beat(intervalMs: number): void {
    if (!this.open || performance.now() - this.#createdAt < intervalMs) return;
    this.#open().beat();
  }

  /** True once the client has an id to come back with. */
  get #resumable(): boolean {
    return this.#log !== undefined && this.#stream !== undefined;
  }

  get #headers(): Readonly<Record<string, string>> {
    return { 'x-request-id': this.#options.requestId, ...this.#further };
  }

  #asBody(): AnswerSink {
    return passAsBody(this.#response, this.#headers);
  }

  /** The answer is long in coming. */
  onLate(): void {
    if (this.open) this.#open();
  }

  #open(): EventStream | LoggedStream {
    if (this.#stream !== undefined) return this.#stream;
    const connection = new EventStream(this.#response, this.#options.requestId, this.#further);
    const logged = this.#log?.open();
    logged?.attach(connection, 0);
    return (this.#stream = logged ?? connection);
  }

  #finish(): void {
    this.#done = true;
    this.#opening?.end();
    this.#heartbeat?.remove(this);
  }
}
