/** The way to answer a request, whoever writes it to the wire: Node's own response, or that of the fast path. */
import type { Socket } from 'node:net';

/** As in Node; only what we use. */
export interface ClientResponse {
  readonly headersSent: boolean;
  readonly destroyed: boolean;
  /** True once `end` was called. */
  readonly writableEnded: boolean;
  /** Bytes that wait to be written. */
  readonly writableLength: number;
  readonly socket: Socket | null;
  writeHead(status: number, headers: Readonly<Record<string, string | number>>): unknown;
  flushHeaders(): void;
  /** Where there is a quicker way for the usual answer: the same bytes as `writeHead` with the headers of `respondJson`, and `end`. */
  answerJson?(status: number, requestId: string, text: string): void;
  /** In the same way: `writeHead` with the headers of `EventStream`, and `flushHeaders`. */
  openEvents?(requestId: string): void;
  /** False = wait for `drain`. What is given as bytes must not be changed before `onWritten` is called. */
  write(data: string | Buffer, onWritten?: () => void): boolean;
  /** True while pieces wait until the event loop has gone round, to leave together: then the first listener given meanwhile is called once they have left. */
  whenSent?(listener: () => void): boolean;
  end(text?: string): unknown;
  destroy(): unknown;
  setTimeout(ms: number, onTimeout: () => void): unknown;
  /** `close`: the answer is out, or can no longer go out. `drain`: more can be written after `write` has said no. */
  once(event: 'close' | 'drain', listener: () => void): unknown;
  /** `finish`: the answer is in the hands of the operating system. */
  prependOnceListener(event: 'finish', listener: () => void): unknown;
}
