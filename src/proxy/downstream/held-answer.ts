/** A large answer that somebody has to look at: held as the pieces in which it came, and scanned meanwhile. */
import type { LargeResult } from '../../guards/guard.ts';
import { outlineScanner } from '../../mcp/json-outline.ts';
import type { Span } from '../../mcp/json-text.ts';
import { SERVER_LIMITS } from '../../mcp/shape.ts';
import type { AnswerSink, AnswerTaker } from '../../upstream/upstream.ts';

const MAX_MEMBER_BYTES = 1_024;
const OPEN_ARRAY = 0x5b;
const NO_MEMBERS: ReadonlyMap<string, Span> = new Map();

/** Both the way for the answer and, when the call has ended with `PASSED_ON`, the answer. */
export class HeldAnswer implements AnswerTaker, AnswerSink {
  readonly #scanner = outlineScanner(SERVER_LIMITS);
  #pieces: Buffer[] = [];
  #whole = false;
  onReady: () => void = () => undefined;
  onGone: () => void = () => undefined;

  passOn(): AnswerSink {
    return this;
  }

  /** Throws a JsonScanError for a shape that nobody should have to read. */
  write(bytes: Buffer): boolean {
    this.#scanner.push(bytes);
    this.#pieces.push(bytes);
    return true;
  }

  end(last: string): void {
    this.write(Buffer.from(last));
    this.#scanner.end();
    this.#whole = true;
  }

  cut(): void {
    if (!this.#whole) this.#pieces = [];
  }

  /** All of it, under the id of the client. */
  get pieces(): readonly Buffer[] {
    return this.#pieces;
  }

  get result(): LargeResult {
    const { members, inner, innerOf } = this.#scanner;
    const pieces = this.#pieces;
    const inside = innerOf === 'result' ? inner : NO_MEMBERS;
    const span = members.get('result') ?? { start: 0, end: 0 };
    return {
      pieces: cut(pieces, span),
      bytes: span.end - span.start,
      member(name) {
        const at = inside.get(name);
        return at === undefined || at.end - at.start > MAX_MEMBER_BYTES
          ? undefined
          : Buffer.concat(cut(pieces, at)).toString('utf8');
      },
      isArray(name) {
        const at = inside.get(name);
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
