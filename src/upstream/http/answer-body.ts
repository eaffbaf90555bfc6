/** The body of an answer, whoever reads it from the wire. */
import type { Readable } from 'node:stream';

/** Who reads a body. After `onEnd` or `onError` nothing more comes. */
export interface BodySink {
  onData(chunk: Buffer): void;
  onEnd(): void;
  onError(error: unknown): void;
}

export interface AnswerBody {
  /** Begins to read; what has come before is told at once. Call it once. */
  read(sink: BodySink): void;
  /** Reads no more for now; the server is slowed down when little can be held back. */
  pause(): void;
  resume(): void;
  /** Gives the body up, and its connection with it unless all of it has come. Whoever reads is told an error. */
  destroy(): void;
}

export function bodyOfStream(stream: Readable): AnswerBody {
  // Until somebody reads, and after it was given up.
  stream.on('error', () => undefined);
  return {
    read(sink) {
      let over = false;
      const end = (tell: () => void): void => {
        if (over) return;
        over = true;
        tell();
      };
      stream.once('end', () => end(() => sink.onEnd()));
      stream.once('error', (error) => end(() => sink.onError(error)));
      stream.once('close', () => end(() => sink.onError(new Error('the body was given up'))));
      stream.on('data', (chunk: Buffer) => sink.onData(chunk));
    },
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    destroy: () => void stream.destroy(),
  };
}
