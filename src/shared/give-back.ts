/** Gives the memory of bytes back at once: left to the garbage collector, megabytes of them for each request make it run all the time. */

/**
 * Call it for a piece that a socket has delivered, when nobody needs it any more. Does nothing for a part of a larger
 * piece that `onlyPart` has not made: others may still use the rest.
 */
export function giveBack(piece: Piece): void {
  if (isAlone(piece)) piece.buffer.transfer(0);
}

/** The part of a piece of which nobody uses the rest, now or later: giving it back gives all of the piece back. */
export function onlyPart(piece: Piece, start: number, end: number): Buffer {
  const part: Piece = piece.subarray(start, end);
  if (isAlone(piece)) part[ALONE] = true;
  return part;
}

const ALONE = Symbol('alone');
type Piece = Buffer & { [ALONE]?: true };

/** True when no other piece can stand in its memory. */
function isAlone(piece: Piece): piece is Buffer<ArrayBuffer> {
  const { buffer, byteLength } = piece;
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < WORTH_IT) return false;
  return buffer.byteLength === byteLength || piece[ALONE] === true;
}

/** Smaller pieces may come out of memory that Node shares between buffers. */
const WORTH_IT = 16 * 1024;
