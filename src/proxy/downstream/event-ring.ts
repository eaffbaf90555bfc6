/** The newest events of a session as bytes in one ring: to keep one is to copy it, and no object stays behind for it. */

/** Of all events together, with what stands before each of them. */
const MAX_BYTES = 256 * 1024;
/** A ring begins with so much and grows, each time to twice as much; nothing is taken before the first event. */
const FIRST_BYTES = 1024;
/** Stream (8 bytes), number and length of the text (4 each). Events begin at multiples of it: only their text goes round the end. */
const HEADER = 16;

/** Longer events are not kept, in bytes. */
export const MAX_EVENT_BYTES = MAX_BYTES - HEADER;

const NOTHING = Buffer.alloc(0);
const NO_HEADERS = new DataView(NOTHING.buffer, 0, 0);

export interface KeptEvent {
  readonly number: number;
  readonly text: string;
}

export class EventRing {
  /** Its size is a power of two. */
  #bytes = NOTHING;
  #headers = NO_HEADERS;
  /** Where the oldest event begins, and how much is taken from there on. */
  #start = 0;
  #used = 0;

  /** Older events make room, the oldest first: all of them for one that is too long itself. Numbers of a stream grow. */
  keep(stream: number, number: number, event: string | Buffer): void {
    const length = typeof event === 'string' ? Buffer.byteLength(event) : event.length;
    const size = sizeOf(length);
    if (size > MAX_BYTES) return this.clear();
    if (this.#used + size > this.#bytes.length) this.#makeRoom(size);
    const at = this.#at(this.#used);
    this.#headers.setFloat64(at, stream);
    this.#headers.setUint32(at + 8, number);
    this.#headers.setUint32(at + 12, length);
    const from = this.#at(this.#used + HEADER);
    if (typeof event !== 'string') this.#copy(event, from);
    else if (from + length > this.#bytes.length) this.#copy(Buffer.from(event), from);
    // Text of as many bytes as characters is written as it is.
    else this.#bytes.write(event, from, length, length === event.length ? 'latin1' : 'utf8');
    this.#used += size;
  }

  /** How many events of the stream are kept that came after the one with this number. */
  count(stream: number, after: number): number {
    return this.#find(stream, after).length;
  }

  /** These events, the oldest first. */
  events(stream: number, after: number): KeptEvent[] {
    return this.#find(stream, after).map((at) => ({ number: this.#headers.getUint32(at + 8), text: this.#textOf(at) }));
  }

  /** Forgets everything and gives its memory back. */
  clear(): void {
    this.#take(NOTHING);
    this.#used = 0;
  }

  /** Where the headers of these events are. */
  #find(stream: number, after: number): number[] {
    const found: number[] = [];
    for (let passed = 0; passed < this.#used;) {
      const at = this.#at(passed);
      if (this.#headers.getFloat64(at) === stream && this.#headers.getUint32(at + 8) > after) found.push(at);
      passed += sizeOf(this.#headers.getUint32(at + 12));
    }
    return found;
  }

  /** Of the event with this header. */
  #textOf(at: number): string {
    const from = this.#at(at - this.#start + HEADER);
    const to = from + this.#headers.getUint32(at + 12);
    const beyond = to - this.#bytes.length;
    if (beyond <= 0) return this.#bytes.toString('utf8', from, to);
    return Buffer.concat([this.#bytes.subarray(from), this.#bytes.subarray(0, beyond)]).toString('utf8');
  }

  /** The place so many bytes after the beginning of the oldest event. */
  #at(distance: number): number {
    return (this.#start + distance) & (this.#bytes.length - 1);
  }

  #makeRoom(size: number): void {
    while (this.#used + size > MAX_BYTES) {
      const oldest = sizeOf(this.#headers.getUint32(this.#start + 12));
      this.#start = this.#at(oldest);
      this.#used -= oldest;
    }
    let capacity = Math.max(this.#bytes.length, FIRST_BYTES);
    while (capacity < this.#used + size) capacity *= 2;
    if (capacity === this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(capacity);
    // Nothing goes round the end yet: only a ring of full size has dropped events before.
    this.#bytes.copy(larger, 0, this.#start, this.#start + this.#used);
    this.#take(larger);
  }

  #take(bytes: Buffer<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#headers = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#start = 0;
  }

  #copy(bytes: Buffer, from: number): void {
    const copied = bytes.copy(this.#bytes, from);
    bytes.copy(this.#bytes, 0, copied);
  }
}

/** What an event with so much text takes. */
function sizeOf(length: number): number {
  return HEADER + Math.ceil(length / HEADER) * HEADER;
}
