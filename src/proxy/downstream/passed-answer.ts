/** One large answer on its way to its client, piece by piece: as the body of the response, or as the last event of a stream. */
import { giveBack } from '../../shared/give-back.ts';
import type { AnswerSink } from '../../upstream/upstream.ts';
import { bytesInLine } from '../../mcp/framing.ts';
import type { ClientResponse } from '../client-response.ts';

/** A client that takes nothing of what waits for it is cut off after so long. */
const PATIENCE_MS = 30_000;

/** So much may wait for a client before its server is made to wait, in bytes. */
const MAX_WAITING_BYTES = 128 * 1024;

/** The body of a response under HTTP 200, in chunks: its length is not known. */
export function passAsBody(response: ClientResponse, headers: Readonly<Record<string, string>>): AnswerSink {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers });
  return new PassedAnswer(
    response,
    (bytes) => response.write(bytes, () => giveBack(bytes)),
    (last) => last,
  );
}

/** The last event of a stream that has begun. */
export function passAsEvent(response: ClientResponse, id?: string): AnswerSink {
  response.write(`${id === undefined ? '' : `id: ${id}\n`}event: message\ndata: `);
  return new PassedAnswer(
    response,
    (bytes) => {
      const line = bytesInLine(bytes);
      return response.write(line, () => giveBack(line));
    },
    (last) => `${last.replaceAll(/[\r\n]/g, ' ')}\n\n`,
  );
}

class PassedAnswer implements AnswerSink {
  readonly #response: ClientResponse;
  readonly #write: (bytes: Buffer) => boolean;
  readonly #last: (text: string) => string;
  #waiting = false;
  #over = false;
  #watched = false;
  onReady: () => void = () => undefined;
  onGone: () => void = () => undefined;

  constructor(response: ClientResponse, write: (bytes: Buffer) => boolean, last: (text: string) => string) {
    this.#response = response;
    this.#write = write;
    this.#last = last;
    response.once('close', () => {
      if (this.#over) return;
      this.#over = true;
      this.onGone();
    });
  }

  write(bytes: Buffer): boolean {
    const response = this.#response;
    // Another connection may have taken the place of this one.
    if (this.#over || response.writableEnded || response.destroyed) return true;
    if (this.#write(bytes) || response.writableLength < MAX_WAITING_BYTES) return true;
    if (!this.#waiting) {
      this.#waiting = true;
      response.once('drain', () => this.#drained());
      this.#watch();
    }
    return false;
  }

  end(last: string): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#watched) this.#response.prependOnceListener('finish', () => this.#response.socket?.setTimeout(0));
    this.#response.end(this.#last(last));
  }

  /** Without the end of the body the client knows that the answer is not complete. */
  cut(): void {
    if (this.#over) return;
    this.#over = true;
    this.#response.destroy();
  }

  #drained(): void {
    this.#waiting = false;
    if (!this.#over) this.onReady();
  }

  #watch(): void {
    if (this.#watched) return;
    this.#watched = true;
    this.#response.setTimeout(PATIENCE_MS, () => {
      if (this.#response.writableLength > 0 || (this.#response.socket?.writableLength ?? 0) > 0)
        this.#response.destroy();
    });
  }
}
