/** What the event streams of one session carried, for a client that loses one and comes back for the rest (2025-11-25, basic/transports, "Resumability and Redelivery"). */
import type { HeldAnswerBytes } from '../../shared/answer-budget.ts';
import type { AnswerSink } from '../../upstream/upstream.ts';
import { EventRing, MAX_EVENT_BYTES, type KeptEvent } from './event-ring.ts';
import type { EventStream } from './event-stream.ts';
import { KeptAnswer } from './kept-answer.ts';

/** So many streams of a session can be resumed, the newest ones; and none that has lost events. */
const MAX_STREAMS = 100;
/** What a client is asked to wait before it comes back. */
const RETRY_MS = 1_000;

/** A stream that outlives its connections. Events are sent to the present one, if any, and kept. */
export class LoggedStream {
  /** True when it was opened for messages that belong to no request. */
  readonly standing: boolean;
  readonly #log: StreamLog;
  readonly #number: number;
  #next = 1;
  #ended = false;
  #sink: EventStream | undefined;

  /** `newest`: the number of its last event, for one that has ended. */
  constructor(log: StreamLog, number: number, standing: boolean, newest?: number) {
    this.#log = log;
    this.#number = number;
    this.standing = standing;
    if (newest === undefined) return;
    this.#next = newest + 1;
    this.#ended = true;
  }

  /** True while a connection carries it. */
  get open(): boolean {
    return this.#sink?.open === true;
  }

  /** Gives it a connection and sends what came after the event `after`; ends the connection when nothing will follow. */
  attach(sink: EventStream, after: number): void {
    this.#sink?.end();
    this.#sink = sink;
    // An event without data gives the client an id to come back with before anything was said (SEP-1699).
    if (after === 0) sink.prime(this.#idOf(0), RETRY_MS);
    if (after < this.newest)
      for (const { number, text } of this.#log.after(this.#number, after)) sink.send(text, this.#idOf(number));
    if (this.#ended) sink.end();
  }

  /** False when no connection carries it now; the event is kept all the same. */
  send(text: string): boolean {
    const number = this.#next++;
    this.#log.keep(this.#number, number, text);
    return this.#sink?.send(text, this.#idOf(number)) === true;
  }

  /** Until the connection of now has carried the last message. */
  hold(held: HeldAnswerBytes, isGiven: () => boolean): void {
    if (this.#sink === undefined) held[Symbol.dispose]();
    else this.#sink.hold(held, isGiven);
  }

  beat(): void {
    this.#sink?.beat();
  }

  /** The way for a last message that is large: it goes to the connection of now, and is kept when it is not too large for that. */
  passOn(): AnswerSink | undefined {
    const number = this.#next;
    const connection = this.#sink;
    const sink = connection?.passOn(this.#idOf(number));
    return (
      sink && new KeptAnswer({ sink, maxBytes: MAX_EVENT_BYTES, onEnd: (bytes) => this.#passed(connection, bytes) })
    );
  }

  #passed(connection: EventStream | undefined, bytes: Buffer | undefined): void {
    const number = this.#next++;
    if (bytes !== undefined) this.#log.keep(this.#number, number, bytes);
    // The client may have come back on another connection meanwhile.
    if (this.#sink === connection) this.#sink = undefined;
    else if (bytes !== undefined) this.#sink?.send(bytes.toString('utf8'), this.#idOf(number));
    this.end();
  }

  /** Nothing will follow, but for a last message where there is one. */
  end(text?: string): void {
    if (text !== undefined) this.send(text);
    this.#ended = true;
    this.#sink?.end();
    this.#sink = undefined;
    // Of the stream of an answer two numbers are enough from now on.
    if (!this.standing) this.#log.forget(this.#number, this.newest);
  }

  /** How far the client may be behind: the number of the newest event. */
  get newest(): number {
    return this.#next - 1;
  }

  #idOf(number: number): string {
    return `${this.#number}-${number}`;
  }
}

export class StreamLog {
  readonly #events = new EventRing();
  /** Those that can be resumed, each in the place that its number gives it; when one has ended, the number of its newest event. */
  readonly #streams: (LoggedStream | number)[] = [];
  #nextStream = 1;
  /** The oldest that can be resumed. */
  #oldest = 1;

  /** A new stream without a connection; the oldest one makes room. `standing`: for messages that belong to no request. */
  open(standing = false): LoggedStream {
    const number = this.#nextStream++;
    const stream = new LoggedStream(this, number, standing);
    this.#streams[placeOf(number)] = stream;
    if (number - this.#oldest >= MAX_STREAMS) this.#oldest++;
    return stream;
  }

  /** The stream of an event id and the number of the event; undefined when not everything after it is kept. */
  find(eventId: string): { readonly stream: LoggedStream; readonly after: number } | undefined {
    const [, stream, event] = /^(\d{1,15})-(\d{1,15})$/.exec(eventId) ?? [];
    const [number, after] = [Number(stream), Number(event)];
    const kept = this.#has(number) ? this.#streams[placeOf(number)] : undefined;
    if (kept === undefined) return undefined;
    const found = typeof kept === 'number' ? new LoggedStream(this, number, false, kept) : kept;
    if (after > found.newest || this.#events.count(number, after) !== found.newest - after) return undefined;
    return { stream: found, after };
  }

  /** The events of a stream after that with the number `after`, as far as they are kept. */
  after(stream: number, after: number): readonly KeptEvent[] {
    return this.#events.events(stream, after);
  }

  /** Nobody can come back for what other streams say. */
  keep(stream: number, number: number, event: string | Buffer): void {
    if (this.#has(stream)) this.#events.keep(stream, number, event);
  }

  /** The stream has ended with the event of this number. */
  forget(stream: number, newest: number): void {
    if (this.#has(stream)) this.#streams[placeOf(stream)] = newest;
  }

  /** Ends every stream and forgets everything. */
  close(): void {
    for (const stream of this.#streams) if (typeof stream === 'object') stream.end();
    this.#oldest = this.#nextStream;
    this.#streams.length = 0;
    this.#events.clear();
  }

  #has(stream: number): boolean {
    return stream >= this.#oldest && stream < this.#nextStream;
  }
}

function placeOf(stream: number): number {
  return (stream - 1) % MAX_STREAMS;
}
