/** The answer to one POST: plain JSON when the answer is all there is to say, an event stream as soon as something precedes it. */
import type { ServerResponse } from 'node:http';
import { respondJson } from '../respond.ts';
import { EventStream } from './event-stream.ts';
import type { Heartbeat } from './heartbeat.ts';

export class Reply {
  readonly #response: ServerResponse;
  readonly #heartbeat: Heartbeat;
  readonly #headers: Record<string, string>;
  /** False for clients that accept no event stream: what precedes the answer cannot reach them. */
  readonly #mayStream: boolean;
  #stream: EventStream | undefined;
  #done = false;

  constructor(response: ServerResponse, options: { heartbeat: Heartbeat; requestId: string; mayStream: boolean }) {
    this.#response = response;
    this.#heartbeat = options.heartbeat;
    this.#mayStream = options.mayStream;
    this.#headers = { 'x-request-id': options.requestId };
    this.#heartbeat.add(this);
    response.once('close', () => this.#finish());
  }

  /** True while messages can still be sent ahead of the answer. */
  get open(): boolean {
    return !this.#done && this.#mayStream && !this.#response.destroyed;
  }

  setHeader(name: string, value: string): void {
    this.#headers[name] = value;
  }

  /** Sends a message that precedes the answer; false when it cannot reach the client on this way. */
  send(text: string): boolean {
    if (!this.open) return false;
    this.#stream ??= new EventStream(this.#response, this.#headers);
    return this.#stream.send(text);
  }

  /** Sends the answer and ends. */
  answer(text: string): void {
    if (this.#done) return;
    if (this.#stream === undefined) {
      if (!this.#response.destroyed) respondJson(this.#response, 200, text, this.#headers);
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
    this.#stream ??= new EventStream(this.#response, this.#headers);
    this.#stream.beat();
  }

  #finish(): void {
    this.#done = true;
    this.#heartbeat.remove(this);
  }
}
