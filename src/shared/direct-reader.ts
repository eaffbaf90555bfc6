/** Takes what a socket delivers straight from its handle: the queue, events and ticks of a stream cost more than the work on many a request. */
import type { Socket } from 'node:net';

const NOTHING = Buffer.alloc(0);

/**
 * Stands where the stream would take the bytes (`push`). Everything else of the socket stays as it is: its end, errors,
 * timeouts, and what is written. Meanwhile nobody may listen for data.
 */
export class DirectReader {
  readonly #socket: Socket;
  readonly #receive: (chunk: Buffer) => void;
  readonly #pushToStream: Socket['push'];
  #paused = false;
  /** What the stream has taken before. */
  #early: Buffer | undefined;

  /** `receive` is called with each piece, never before this returns, and must not throw. */
  constructor(socket: Socket, receive: (chunk: Buffer) => void) {
    const pushToStream = socket.push.bind(socket);
    this.#socket = socket;
    this.#receive = receive;
    this.#pushToStream = pushToStream;
    socket.push = (chunk: Buffer | null) => {
      if (this.#early !== undefined) this.#beginEarly();
      if (chunk === null) return pushToStream(null);
      receive(chunk);
      return !this.#paused;
    };
    if (socket.readableLength > 0) {
      process.nextTick(() => this.#beginEarly());
      // Now: a stream that flows would throw it away.
      this.#early = socket.read() ?? undefined;
    }
  }

  /** Nothing more is read from the operating system after the piece that is being received. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    // The stream waits for what it has asked for; with this it has got nothing, and asks again.
    this.#pushToStream(NOTHING);
  }

  /** From now on the stream takes what comes. */
  end(): void {
    this.#socket.push = this.#pushToStream;
    this.resume();
  }

  #beginEarly(): void {
    const early = this.#early;
    this.#early = undefined;
    if (early !== undefined && !this.#socket.destroyed) this.#receive(early);
  }
}
