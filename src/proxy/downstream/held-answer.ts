/** A large answer that somebody has to look at: held as the pieces in which it came, and scanned meanwhile. */
import type { LargeResult } from '../../guards/guard.ts';
import { JsonOutline } from '../../mcp/json-outline.ts';
import { JsonScanner } from '../../mcp/json-scanner.ts';
import type { Span } from '../../mcp/json-text.ts';
import { SERVER_LIMITS } from '../../mcp/shape.ts';
import { AnswerHold, heldAnswers } from '../../shared/answer-budget.ts';
import { Pieces } from '../../shared/pieces.ts';
import type { AnswerKeeper, AnswerSink, AnswerTaker } from '../../upstream/upstream.ts';

const NONE = Buffer.alloc(0);
const MAX_MEMBER_BYTES = 1_024;
const OPEN_ARRAY = 0x5b;

/** Both the way for the answer and, when the call has ended with `PASSED_ON`, the answer. */
export class HeldAnswer implements AnswerTaker, AnswerSink {
  /** Follows the result alone: with another object behind it, it would know the members of that one. */
  readonly #scanner = new JsonScanner(SERVER_LIMITS, ['result']);
  /** Joined, because each is written to the disk for itself. */
  #pieces = new Pieces();
  #whole = false;
  readonly #keeper: AnswerKeeper;
  #hold: AnswerHold | undefined;
  #mayGoOn = true;
  onReady: AnswerSink['onReady'] = () => undefined;
  onGone: AnswerSink['onGone'] = () => undefined;

  /** `keeper` holds on to it when all of it has come. */
  constructor(keeper: AnswerKeeper) {
    this.#keeper = keeper;
  }

  passOn(): AnswerSink {
    this.#hold = new AnswerHold(heldAnswers, {
      isShared: false,
      pause: () => (this.#mayGoOn = false),
      resume: () => {
        this.#mayGoOn = true;
        this.onReady();
      },
      refuse: (error) => this.onGone(error),
    });
    return this;
  }

  /** Throws a JsonScanError for a shape that nobody should have to read. */
  write(bytes: Buffer): boolean {
    this.#scanner.push(bytes);
    this.#pieces.add(bytes);
    this.#hold?.grow(bytes.length);
    return this.#mayGoOn;
  }

  end(last: string): void {
    this.write(Buffer.from(last));
    this.#scanner.end();
    this.#whole = true;
    this.#hold?.complete();
    if (this.#hold !== undefined) this.#keeper.hold(this.#hold);
  }

  cut(): void {
    if (this.#whole) return;
    this.#pieces = new Pieces();
    this.#hold?.[Symbol.dispose]();
  }

  /** All of it, under the id of the client. */
  get pieces(): readonly Buffer[] {
    return this.#pieces.all;
  }

  /** What came first. */
  get beginning(): Buffer {
    return this.pieces[0] ?? NONE;
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
