/** Reads a connection into memory that is used again, without the stream that Node puts before it: each read costs less, and takes more. */
import type { OnReadOpts } from 'node:net';

/** What one read takes at most: four times as much as by itself. */
const READ_BYTES = 256 * 1024;
/** Smaller pieces come out of memory that Node shares between buffers. */
const SMALL = 16 * 1024;

/** For all connections: what was read is copied out before anything else happens. */
const SCRATCH = Buffer.allocUnsafeSlow(READ_BYTES);

export class SocketReader {
  /** Told of what comes. Set it before anything can: when the connection stands. */
  onPiece: (piece: Buffer) => void = () => undefined;
  /** To be given to `net.connect`. */
  readonly onread: OnReadOpts = {
    buffer: SCRATCH,
    callback: (bytes) => {
      const piece = bytes < SMALL ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes);
      SCRATCH.copy(piece, 0, 0, bytes);
      this.onPiece(piece);
      return true;
    },
  };
}
