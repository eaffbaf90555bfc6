/** Keeps bytes that come in pieces, however small these are: a buffer takes more than a hundred bytes before it holds one. */

/** Pieces of so many bytes stay what they are; of smaller ones the bytes are copied next to each other. */
const WORTH_KEEPING = 16 * 1024;
const FIRST_BLOCK = 1024;
const LARGEST_BLOCK = 64 * 1024;
const NONE = Buffer.alloc(0);

export class Pieces {
  readonly #pieces: Buffer[] = [];
  /** What was copied last stands in it between the two places, and is not among the pieces yet. */
  #block = NONE;
  #from = 0;
  #to = 0;

  /** The bytes may be kept as they are: nobody may change them. */
  add(bytes: Buffer): void {
    const { length } = bytes;
    if (length === 0) return;
    // The first is often the only one.
    if (length >= WORTH_KEEPING || (this.#pieces.length === 0 && this.#to === 0)) {
      this.#finish();
      this.#pieces.push(bytes);
      return;
    }
    for (let at = 0; at < length;) {
      if (this.#to === this.#block.length) this.#nextBlock();
      const copied = bytes.copy(this.#block, this.#to, at);
      this.#to += copied;
      at += copied;
    }
  }

  /** All bytes, in their order. */
  get all(): readonly Buffer[] {
    this.#finish();
    return this.#pieces;
  }

  #finish(): void {
    if (this.#from < this.#to) this.#pieces.push(this.#block.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }

  #nextBlock(): void {
    this.#finish();
    // Memory of its own: what shares it with strangers cannot be given back.
    this.#block = Buffer.allocUnsafeSlow(Math.min(LARGEST_BLOCK, Math.max(FIRST_BLOCK, this.#block.length * 2)));
    this.#from = 0;
    this.#to = 0;
  }
}
