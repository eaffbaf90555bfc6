/** What the event streams of one session carried, for a client that loses one and comes back for the rest (2025-11-25, basic/transports, "Resumability and Redelivery"). */
import type { AnswerSink } from '../../upstream/upstream.ts';
import type { EventStream } from './event-stream.ts';
import { KeptAnswer } from './kept-answer.ts';

/** Per session; what is older is gone, and a stream that has lost events cannot be resumed. */
const MAX_KEPT_BYTES = 256 * 1024;
const MAX_STREAMS = 100;
/** What a client is asked to wait before it comes back. */
const RETRY_MS = 1_000;

interface KeptEvent {
  readonly stream: number;
  readonly number: number;
  readonly text: string;
}

/** A stream that outlives its connections. Events are sent to the present one, if any, and kept. */
export class LoggedStream {
  readonly #log: StreamLog;
  readonly #number: number;
  /** It once was opened for messages that belong to no request. */
  isStanding = false;
  #next = 1;
  #ended = false;
  #sink: EventStream | undefined;

  constructor(log: StreamLog, number: number) {
    this.#log = log;
    this.#number = number;
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
    for (const { number, text } of this.#log.after(this.#number, after)) sink.send(text, this.#idOf(number));
    if (this.#ended) sink.end();
  }

  /** False when no connection carries it now; the event is kept all the same. */
  send(text: string): boolean {
    const number = this.#next++;
    this.#log.keep({ stream: this.#number, number, text });
    return this.#sink?.send(text, this.#idOf(number)) === true;
  }

  beat(): void {
    this.#sink?.beat();
  }

  /** The way for a last message that is large: it goes to the connection of now, and is kept when it is not too large for that. */
  passOn(): AnswerSink | undefined {
    const number = this.#next;
    const connection = this.#sink;
    const sink = connection?.passOn(this.#idOf(number));
    return sink && new KeptAnswer({ sink, maxBytes: MAX_KEPT_BYTES, onEnd: (text) => this.#passed(connection, text) });
  }

  #passed(connection: EventStream | undefined, text: string | undefined): void {
    // The client may have come back on another connection meanwhile.
    if (this.#sink === connection) this.#sink = undefined;
    if (text === undefined) this.#next++;
    this.end(text);
  }

  /** Nothing will follow, but for a last message where there is one. */
  end(text?: string): void {
    if (text !== undefined) this.send(text);
    this.#ended = true;
    this.#sink?.end();
    this.#sink = undefined;
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
  readonly #streams = new Map<number, LoggedStream>();
  readonly #events: KeptEvent[] = [];
  #bytes = 0;
  #nextStream = 1;

  /** A new stream without a connection. */
  open(): LoggedStream {
    const number = this.#nextStream++;
    const stream = new LoggedStream(this, number);
    this.#streams.set(number, stream);
    // Streams of which nothing is kept any more make room, the oldest first.
    for (const old of this.#streams.keys()) {
      if (this.#streams.size <= MAX_STREAMS) break;
      this.#streams.delete(old);
    }
    return stream;
  }

  /** The stream of an event id and the number of the event; undefined when not everything after it is kept. */
  find(eventId: string): { readonly stream: LoggedStream; readonly after: number } | undefined {
    const [, stream, number] = /^(\d{1,15})-(\d{1,15})$/.exec(eventId) ?? [];
    const found = this.#streams.get(Number(stream));
    const after = Number(number);
    if (found === undefined || after > found.newest) return undefined;
    const complete = this.after(Number(stream), after).length === found.newest - after;
    return complete ? { stream: found, after } : undefined;
  }

  after(stream: number, number: number): readonly KeptEvent[] {
    return this.#events.filter((event) => event.stream === stream && event.number > number);
  }

  keep(event: KeptEvent): void {
    this.#events.push(event);
    this.#bytes += event.text.length;
    while (this.#bytes > MAX_KEPT_BYTES) this.#bytes -= this.#events.shift()?.text.length ?? this.#bytes;
  }

  /** Ends every stream and forgets everything. */
  close(): void {
    for (const stream of this.#streams.values()) stream.end();
    this.#streams.clear();
    this.#events.length = 0;
    this.#bytes = 0;
  }
}
