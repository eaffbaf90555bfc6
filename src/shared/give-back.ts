/** Gives the memory of bytes back at once: left to the garbage collector, megabytes of them for each request make it run all the time. */

/**
 * Call it for a piece that a socket has delivered, when nobody needs it any more. Does nothing for a part of a larger
 * piece: others may still use the rest.
 */
export function giveBack({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && byteLength >= WORTH_IT) buffer.transfer(0);
}

/** Smaller pieces may come out of memory that Node shares between buffers. */
const WORTH_IT = 16 * 1024;
