/** The answer to one POST: plain JSON when the answer is all there is to say, an event stream as soon as something precedes it. */
import type { ServerResponse } from 'node:http';
import { respondJson } from '../respond.ts';
import { EventStream } from './event-stream.ts';
import type { Heartbeat } from './heartbeat.ts';
import type { LoggedStream, StreamLog } from './stream-log.ts';

/** An answer that is longer in coming becomes a stream, which a client that loses it can come back for. */
const STREAM_AFTER_MS = 250;

/** The way back to a client for one of its messages. */
export type ReplyChannel = Pick<Reply, 'open' | 'setHeader' | 'send' | 'answer' | 'drop' | 'accept'>;

export class Reply {
  readonly #response: ServerResponse;
  readonly #heartbeat: Heartbeat;
  readonly #headers: Record<string, string>;
  /** False for clients that accept no event stream: what precedes the answer cannot reach them. */
  readonly #mayStream: boolean;
  readonly #log: StreamLog | undefined;
  #stream: EventStream | LoggedStream | undefined;
  #opening: NodeJS.Timeout | undefined;
  #done = false;

  /** With a `log` the stream can be resumed, and what is sent meanwhile waits in it. */
  constructor(
    response: ServerResponse,
    options: { heartbeat: Heartbeat; requestId: string; mayStream: boolean; log?: StreamLog | undefined },
  ) {
    this.#response = response;
    this.#heartbeat = options.heartbeat;
    this.#mayStream = options.mayStream;
    this.#headers = { 'x-request-id': options.requestId };
    this.#log = options.mayStream ? options.log : undefined;
    if (this.#log !== undefined) this.#opening = setTimeout(() => this.#open(), STREAM_AFTER_MS).unref();
    this.#heartbeat.add(this);
    response.once('close', () => {
      if (!this.#resumable) this.#finish();
    });
  }

  /** True while messages can still be sent ahead of the answer. */
  get open(): boolean {
    return !this.#done && this.#mayStream && (this.#resumable || !this.#response.destroyed);
  }

  setHeader(name: string, value: string): void {
    this.#headers[name] = value;
  }

  /** Sends a message that precedes the answer; false when it cannot reach the client on this way. */
  send(text: string): boolean {
    if (!this.open) return false;
    return this.#open().send(text) || this.#resumable;
  }

  /** Sends the answer and ends. The status counts only when nothing was sent before. */
  answer(text: string, status = 200): void {
    if (this.#done) return;
    if (this.#stream === undefined) {
      if (!this.#response.destroyed) respondJson(this.#response, status, text, this.#headers);
    } else {
      this.#stream.send(text);
      this.#stream.end();
    }
    this.#finish();
  }

  /** Ends without an answer: the client took its request back. */
  drop(): void {
    if (this.#done) return;
    if (this.#stream !== undefined) this.#stream.end();
    else if (this.#mayStream && !this.#response.destroyed) new EventStream(this.#response, this.#headers).end();
    else this.accept();
    this.#finish();
  }

  /** Confirms a message that has no answer. */
  accept(): void {
    if (this.#done || this.#response.destroyed) return;
    this.#response.writeHead(202, { 'content-length': 0, ...this.#headers });
    this.#response.end();
    this.#finish();
  }

  /** The answer is long in coming: shows proxies in between that the connection lives. */
  beat(): void {
    if (!this.open) return;
    this.#open().beat();
  }

  /** True once the client has an id to come back with. */
  get #resumable(): boolean {
    return this.#log !== undefined && this.#stream !== undefined;
  }

  #open(): EventStream | LoggedStream {
    if (this.#stream !== undefined) return this.#stream;
    const connection = new EventStream(this.#response, this.#headers);
    const logged = this.#log?.open();
    logged?.attach(connection, 0);
    return (this.#stream = logged ?? connection);
  }

  #finish(): void {
    this.#done = true;
    clearTimeout(this.#opening);
    this.#heartbeat.remove(this);
  }
}
