/** Newline-delimited JSON (MCP, stdio transport): bytes to lines as they arrive, and one message to one line. */

export interface LineReaderOptions {
  /** Most bytes that a line may have, its newline not counted. Longer ones are dropped. */
  readonly maxBytes: number;
  /** Told once for each line that is dropped for its length, as soon as it is known to be too long. */
  readonly onDropped?: () => void;
  /** Who reads a line of more than `bytes`, from its beginning, while it comes; it is not returned then. No piece may be larger than that. */
  readonly long?: { readonly bytes: number; readonly begin: () => LongLine };
}

/** Takes one line, without its end, as it comes. */
export interface LongLine {
  push(bytes: Buffer): void;
  end(): void;
  /** It is too long after all, or the stream breaks it off. */
  drop(): void;
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const EMPTY = Buffer.alloc(0);
const FIRST_HOLD_BYTES = 4096;

/** Reads one stream, fed in pieces cut anywhere, inside a character too. A line that the stream breaks off is never returned. */
export class LineReader {
  readonly #maxBytes: number;
  readonly #onDropped: () => void;
  readonly #longOptions: LineReaderOptions['long'];
  readonly #shortBytes: number;
  #long: LongLine | undefined;
  /**
   * The line that has not ended yet: the first `#heldBytes` of a buffer that doubles when it is full. A list of the
   * pieces would cost a hundred times their bytes against a peer that writes them one by one.
   */
  #held = EMPTY;
  #heldBytes = 0;
  #dropping = false;

  constructor(options: LineReaderOptions) {
    this.#maxBytes = options.maxBytes;
    this.#onDropped = options.onDropped ?? (() => undefined);
    this.#longOptions = options.long;
    this.#shortBytes = options.long?.bytes ?? options.maxBytes;
  }

  /** The lines that end in this piece, without LF or CRLF. Empty lines are skipped. */
  push(piece: Buffer): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = piece.indexOf(LF); end !== -1; end = piece.indexOf(LF, start)) {
      const line = this.#endLine(piece, start, end);
      if (line !== undefined && line !== '') lines.push(line);
      start = end + 1;
    }
    this.#hold(piece, start, piece.length);
    return lines;
  }

  /** Nothing will follow. */
  close(): void {
    this.#long?.drop();
    this.#long = undefined;
  }

  /** The line that ends at `end`; undefined when it was too long. */
  #endLine(piece: Buffer, start: number, end: number): string | undefined {
    if (!this.#dropping && this.#heldBytes === 0 && end - start <= this.#shortBytes) return text(piece, start, end);
    this.#hold(piece, start, end);
    const isLine = !this.#dropping && this.#long === undefined;
    const line = isLine ? text(this.#held, 0, this.#heldBytes) : undefined;
    this.#long?.end();
    this.#long = undefined;
    this.#dropping = false;
    this.#release();
    return line;
  }

  #hold(piece: Buffer, start: number, end: number): void {
    if (this.#dropping || start === end) return;
    const size = this.#heldBytes + end - start;
    if (size > this.#maxBytes) {
      this.#dropping = true;
      this.close();
      this.#release();
      this.#onDropped();
      return;
    }
    if (this.#longOptions !== undefined && size > this.#longOptions.bytes) {
      this.#passOn(this.#longOptions, piece.subarray(start, end));
      return;
    }
    if (size > this.#held.length) {
      const larger = Buffer.allocUnsafe(
        Math.min(Math.max(FIRST_HOLD_BYTES, size, this.#held.length * 2), Math.max(size, this.#maxBytes)),
      );
      this.#held.copy(larger, 0, 0, this.#heldBytes);
      this.#held = larger;
    }
    piece.copy(this.#held, this.#heldBytes, start, end);
    this.#heldBytes = size;
  }

  #passOn({ begin }: NonNullable<LineReaderOptions['long']>, bytes: Buffer): void {
    if (this.#long === undefined) {
      this.#long = begin();
      // A copy: the buffer is used again.
      if (this.#heldBytes > 0) this.#long.push(Buffer.from(this.#held.subarray(0, this.#heldBytes)));
      this.#held = EMPTY;
    }
    this.#heldBytes += bytes.length;
    this.#long.push(bytes);
  }

  /** Forgets the held line, and its buffer when that has grown: most lines fit into one piece. */
  #release(): void {
    this.#heldBytes = 0;
    if (this.#held.length > FIRST_HOLD_BYTES || this.#dropping) this.#held = EMPTY;
  }
}

/** One JSON text as one line. Valid JSON has raw newlines only between tokens, where a space means the same. */
export function toLine(json: string): string {
  return /[\r\n]/.test(json) ? `${json.replaceAll(/[\r\n]/g, ' ')}\n` : `${json}\n`;
}

/** The same for a part of it, as bytes; these themselves where nothing has to change. */
export function bytesInLine(bytes: Buffer): Buffer {
  if (!bytes.includes(LF) && !bytes.includes(CR)) return bytes;
  const line = Buffer.from(bytes);
  // Byte by byte: there may be millions of them.
  for (let at = 0; at < line.length; at++) if (line[at] === LF || line[at] === CR) line[at] = SPACE;
  return line;
}

function text(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('utf8', start, end > start && bytes[end - 1] === CR ? end - 1 : end);
}
