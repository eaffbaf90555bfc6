/** A Server-Sent-Events answer to one client, with a beat that keeps idle ones open and a limit for slow readers. */
import { bytesInLine } from '../../mcp/framing.ts';
import type { HeldAnswerBytes } from '../../shared/answer-budget.ts';
import type { AnswerSink } from '../../upstream/upstream.ts';
import type { ClientResponse } from '../client-response.ts';
import { holdUntilOut } from './held-on-way.ts';
import { passAsEvent } from './passed-answer.ts';
import { cutWhenStalled } from './stalled-reader.ts';

/** A client that reads so slowly that more than this is already waiting for it is cut off. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

const END_OF_EVENT = Buffer.from('\n\n');

const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
} as const;

export class EventStream {
  readonly #response: ClientResponse;

  /** With headers beside those of every event stream. */
  constructor(response: ClientResponse, requestId: string, headers?: Readonly<Record<string, string>>) {
    this.#response = response;
    if (headers === undefined && response.openEvents !== undefined) response.openEvents(requestId);
    else {
      response.writeHead(200, { ...HEADERS, 'x-request-id': requestId, ...headers });
      response.flushHeaders();
    }
  }

  get open(): boolean {
    return !this.#response.writableEnded && !this.#response.destroyed;
  }

  /** Sends an event without data, for the sake of its id and of the pause before the client's next try. */
  prime(id: string, retryMs: number): void {
    if (this.open) this.#response.write(`id: ${id}\nretry: ${retryMs}\ndata: \n\n`);
  }

  /** Sends one JSON-RPC message; false when the client is gone. */
  send(text: string, id?: string): boolean {
    if (!this.open) return false;
    if (this.#response.writableLength > MAX_WAITING_BYTES) {
      this.#response.destroy();
      return false;
    }
    this.#response.write(id === undefined ? frame(text) : `id: ${id}\n${frame(text)}`);
    cutWhenStalled(this.#response);
    return true;
  }

  /**
   * The same for a message that is there as pieces of UTF-8, which are not to be changed. `onSent` is told when it is
   * out, and not when the connection is lost.
   */
  sendPieces(pieces: readonly Buffer[], onSent?: () => void): void {
    if (!this.open) return;
    if (this.#response.writableLength > MAX_WAITING_BYTES) {
      this.#response.destroy();
      return;
    }
    this.#response.write('event: message\ndata: ');
    for (const piece of pieces) this.#response.write(bytesInLine(piece));
    this.#response.write(END_OF_EVENT, (error?: Error | null) => {
      if (!error) onSent?.();
    });
    cutWhenStalled(this.#response);
  }

  /** The way for a last message that is large; undefined when the client is gone. */
  passOn(id?: string): AnswerSink | undefined {
    return this.open ? passAsEvent(this.#response, id) : undefined;
  }

  /** Until the last message is out, or cannot get out any more. */
  hold(held: HeldAnswerBytes, isGiven: () => boolean): void {
    holdUntilOut(this.#response, held, isGiven);
  }

  /** A comment, which clients skip. */
  beat(): void {
    if (this.open) this.#response.write(': keep-alive\n\n');
  }

  /** Ends the stream, after a last message where there is one. */
  end(text?: string): void {
    if (!this.open) return;
    if (text !== undefined) this.#response.write(frame(text));
    this.#response.end();
    cutWhenStalled(this.#response);
  }
}

/** In valid JSON a raw line break stands only between tokens, so that it may become a space. */
function frame(text: string): string {
  const line = text.includes('\n') || text.includes('\r') ? text.replaceAll(/[\r\n]+/g, ' ') : text;
  return `event: message\ndata: ${line}\n\n`;
}
