/** A large answer that somebody has to look at: held as the pieces in which it came, and scanned meanwhile. */
import type { LargeResult } from '../../guards/guard.ts';
import { JsonOutline } from '../../mcp/json-outline.ts';
import { JsonScanner } from '../../mcp/json-scanner.ts';
import type { Span } from '../../mcp/json-text.ts';
import { SERVER_LIMITS } from '../../mcp/shape.ts';
import { Pieces } from '../../shared/pieces.ts';
import type { AnswerSink, AnswerTaker } from '../../upstream/upstream.ts';

const MAX_MEMBER_BYTES = 1_024;
const OPEN_ARRAY = 0x5b;

/** Both the way for the answer and, when the call has ended with `PASSED_ON`, the answer. */
export class HeldAnswer implements AnswerTaker, AnswerSink {
  /** Follows the result alone: with another object behind it, it would know the members of that one. */
  readonly #scanner = new JsonScanner(SERVER_LIMITS, ['result']);
  /** Joined, because each is written to the disk for itself. */
  #pieces = new Pieces();
  #whole = false;
  onReady: () => void = () => undefined;
  onGone: () => void = () => undefined;

  passOn(): AnswerSink {
    return this;
  }

  /** Throws a JsonScanError for a shape that nobody should have to read. */
  write(bytes: Buffer): boolean {
    this.#scanner.push(bytes);
    this.#pieces.add(bytes);
    return true;
  }

  end(last: string): void {
    this.write(Buffer.from(last));
    this.#scanner.end();
    this.#whole = true;
  }

  cut(): void {
    if (!this.#whole) this.#pieces = new Pieces();
  }

  /** All of it, under the id of the client. */
  get pieces(): readonly Buffer[] {
    return this.#pieces.all;
  }

  /** The same for those who need it in one piece. */
  get outline(): JsonOutline {
    return new JsonOutline(Buffer.concat(this.pieces), this.#scanner);
  }

  get result(): LargeResult {
    const { members, inner } = this.#scanner;
    const { pieces } = this;
    const span = members.get('result') ?? { start: 0, end: 0 };
    return {
      pieces: cut(pieces, span),
      bytes: span.end - span.start,
      member(name) {
        const at = inner.get(name);
        return at === undefined || at.end - at.start > MAX_MEMBER_BYTES
          ? undefined
          : Buffer.concat(cut(pieces, at)).toString('utf8');
      },
      isArray(name) {
        const at = inner.get(name);
        return at !== undefined && cut(pieces, { start: at.start, end: at.start + 1 })[0]?.[0] === OPEN_ARRAY;
      },
    };
  }
}

function cut(pieces: readonly Buffer[], { start, end }: Span): Buffer[] {
  const parts: Buffer[] = [];
  let at = 0;
  for (const piece of pieces) {
    const from = Math.max(0, start - at);
    const to = Math.min(piece.length, end - at);
    if (from < to) parts.push(piece.subarray(from, to));
    at += piece.length;
  }
  return parts;
}
