/** Long work on many bytes, in pieces between which others get their turn. */

const PIECE_BYTES = 64 * 1024;
/** So long one turn of the event loop may be spent on it, by all that wait for it together. */
const TURN_MS = 5;

/** Bytes of which a part, or nothing but the end, is still to come. */
interface Job {
  readonly bytes: Buffer;
  readonly work: (piece: Buffer) => void;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  at: number;
}

/** In the order of their turns. */
const waiting: Job[] = [];
/** True from the beginning of a turn until the next one. */
let isTaken = false;

/**
 * Gives the bytes piece by piece. Rejects with what `work` throws. Of all that is under way, one has its pieces in each
 * turn of the event loop: with a turn for each of them, they would stop everybody else for as long as all together take.
 */
export async function inTurns(bytes: Buffer, work: (piece: Buffer) => void): Promise<void> {
  if (bytes.length <= PIECE_BYTES) {
    if (bytes.length > 0) work(bytes);
    return;
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  waiting.push({ bytes, work, resolve, reject, at: 0 });
  if (!isTaken) takeTurn();
  await promise;
}

function takeTurn(): void {
  const job = waiting.shift();
  isTaken = job !== undefined;
  if (job === undefined) return;
  setImmediate(takeTurn);
  // What follows has a turn of its own.
  if (job.at >= job.bytes.length) return job.resolve();
  try {
    workOn(job);
    waiting.push(job);
  } catch (error) {
    job.reject(error);
  }
}

function workOn(job: Job): void {
  const { bytes, work } = job;
  const began = performance.now();
  do {
    const piece = bytes.subarray(job.at, job.at + PIECE_BYTES);
    job.at += PIECE_BYTES;
    work(piece);
  } while (job.at < bytes.length && performance.now() - began <= TURN_MS);
}
