/** Long work on many bytes, in pieces between which others get their turn. */
import { setImmediate as turn } from 'node:timers/promises';

const PIECE_BYTES = 64 * 1024;
/** So long one turn of the event loop may be spent on it. */
const TURN_MS = 5;

/** Gives the bytes piece by piece. Rejects with what `work` throws. */
export async function inTurns(bytes: Buffer, work: (piece: Buffer) => void): Promise<void> {
  let began = performance.now();
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    if (performance.now() - began > TURN_MS) {
      await turn();
      began = performance.now();
    }
    work(bytes.subarray(at, at + PIECE_BYTES));
  }
  // What follows is a piece of its own.
  if (bytes.length > PIECE_BYTES) await turn();
}
