/** What a server writes to stderr: its last lines for error texts, and every line, within reason, for the log. */

export interface LastWordsOptions {
  /** Takes secrets out of a line. */
  readonly redact: (line: string) => string;
  /** Called with each line, secrets removed. Never throws. */
  readonly onLine: (line: string) => void;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
}

export const KEPT_LINES = 200;
export const LINE_BYTES = 4096;
/** Lines of one second that are handed on; a flood is counted instead, so that it cannot fill the log. */
export const LINES_EACH_SECOND = 500;

/** More than is shown: a secret that lies across the cut must be whole to be found. */
const HELD_BYTES = 2 * LINE_BYTES;
const LF = 0x0a;

export class LastWords {
  readonly #options: LastWordsOptions;
  readonly #now: () => number;
  /** Lines as they came: most of a flood is never looked at, so secrets are taken out on the way to a reader. */
  readonly #ring: string[] = [];
  /** Index of the oldest line once the ring is full. */
  #oldest = 0;
  /** The line that has not ended yet; what does not fit is left out. */
  readonly #held = Buffer.alloc(HELD_BYTES);
  #heldBytes = 0;
  #second = Number.NEGATIVE_INFINITY;
  #linesInSecond = 0;
  #leftOut = 0;

  constructor(options: LastWordsOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  push(piece: Buffer): void {
    let start = 0;
    for (let end = piece.indexOf(LF); end !== -1; end = piece.indexOf(LF, start)) {
      this.#hold(piece, start, end);
      this.#endLine();
      start = end + 1;
    }
    this.#hold(piece, start, piece.length);
  }

  /** The stream has ended: what is left is a line as well. */
  end(): void {
    this.#endLine();
    this.#tellLeftOut();
  }

  /** Oldest first, at most `KEPT_LINES`, each at most `LINE_BYTES` long, without secrets. */
  lines(): readonly string[] {
    return [...this.#ring.slice(this.#oldest), ...this.#ring.slice(0, this.#oldest)].map((line) => this.#shown(line));
  }

  #hold(piece: Buffer, start: number, end: number): void {
    const room = HELD_BYTES - this.#heldBytes;
    this.#heldBytes += piece.copy(this.#held, this.#heldBytes, start, Math.min(end, start + room));
  }

  #endLine(): void {
    const line = this.#held.toString('utf8', 0, this.#heldBytes).trimEnd();
    this.#heldBytes = 0;
    if (line === '') return;
    if (this.#ring.length < KEPT_LINES) {
      this.#ring.push(line);
    } else {
      this.#ring[this.#oldest] = line;
      this.#oldest = (this.#oldest + 1) % KEPT_LINES;
    }
    this.#report(line);
  }

  #report(line: string): void {
    const now = this.#now();
    if (now - this.#second >= 1000) {
      this.#tellLeftOut();
      this.#second = now;
      this.#linesInSecond = 0;
    }
    this.#linesInSecond += 1;
    if (this.#linesInSecond <= LINES_EACH_SECOND) this.#options.onLine(this.#shown(line));
    else this.#leftOut += 1;
  }

  #tellLeftOut(): void {
    if (this.#leftOut > 0)
      this.#options.onLine(`(${this.#leftOut} lines left out: more than ${LINES_EACH_SECOND} in a second)`);
    this.#leftOut = 0;
  }

  #shown(line: string): string {
    const clean = this.#options.redact(line);
    const bytes = Buffer.from(clean);
    if (bytes.length <= LINE_BYTES) return clean;
    return `${bytes.toString('utf8', 0, LINE_BYTES - 6).replace(/\uFFFD$/, '')}…`;
  }
}
