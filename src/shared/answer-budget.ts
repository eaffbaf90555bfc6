/** How much of all answers that have to be held whole the gateway holds at a time: beyond it their servers wait. */
import { Deadlines, type Deadline, type Late } from './deadlines.ts';
import { GatewayError } from './errors.ts';
import { giveBack } from './give-back.ts';
import { TurnoverSet } from './turnover.ts';

const MIB = 1024 * 1024;

export interface AnswerLimits {
  /** All together never hold more, but for one piece of each that waits. */
  readonly maxBytes: number;
  /** Up to here everybody may go on. Beyond it those who do are sure to come to their end. */
  readonly freeBytes: number;
  /** Most that one answer may have. */
  readonly answerBytes: number;
  /** A server waits for so long, in ms. */
  readonly patienceMs: number;
  /** The same for one whose wire carries the answers of many: they wait with it. */
  readonly sharedPatienceMs: number;
}

export const ANSWER_LIMITS: AnswerLimits = {
  maxBytes: 256 * MIB,
  freeBytes: 128 * MIB,
  answerBytes: 32 * MIB,
  patienceMs: 45_000,
  sharedPatienceMs: 5_000,
};

/** Where an answer comes from. */
export interface AnswerSource {
  /** True when the wire carries the answers of many. */
  readonly isShared: boolean;
  /** Reads no more for now. */
  pause(): void;
  resume(): void;
  /** There was no room for it for too long: it is given up. May be called from within `grow`. */
  refuse(error: GatewayError): void;
}

export class AnswerBudget {
  readonly limits: AnswerLimits;
  readonly #deadlines = new Deadlines();
  #held = 0;
  /** Those that may become as large as an answer may be. */
  readonly #going = new TurnoverSet<AnswerHold>();
  /** In the order of their turns. */
  readonly #waiting = new TurnoverSet<AnswerHold>();
  /** Somebody has waited in vain, and there was no room since. */
  #isStuck = false;

  constructor(limits: AnswerLimits) {
    this.limits = limits;
  }

  /** Bytes that are held now. */
  get held(): number {
    return this.#held;
  }

  /** True when the answer may go on with these further bytes of it, which have come already. */
  take(hold: AnswerHold, bytes: number): boolean {
    this.#held += bytes;
    if (this.#held <= this.limits.freeBytes || this.#going.has(hold)) return true;
    return this.#waiting.size === 0 && this.#begin(hold);
  }

  /** It waits for its turn. undefined when it is not worth to wait. */
  wait(hold: AnswerHold, isShared: boolean): Deadline | undefined {
    // One answer after the other would hold up the wire.
    if (isShared && this.#isStuck) return undefined;
    this.#waiting.add(hold);
    return this.#deadlines.begin(isShared ? this.limits.sharedPatienceMs : this.limits.patienceMs, hold);
  }

  /** It neither goes on nor waits any more. */
  leave(hold: AnswerHold): void {
    this.#waiting.delete(hold);
    if (this.#going.delete(hold)) this.#wake();
  }

  give(bytes: number): void {
    this.#held -= bytes;
    if (this.#hasRoom()) this.#isStuck = false;
    this.#wake();
  }

  refusal(): GatewayError {
    this.#isStuck = true;
    const limit = `${this.limits.maxBytes / MIB} MiB`;
    return new GatewayError(
      'too_many_answers',
      `Large answers that wait for their clients together hold as much as they may, ${limit}; try again later.`,
    );
  }

  /** What it may become fits beside what the others may. */
  #begin(hold: AnswerHold): boolean {
    if (!this.#fits()) return false;
    this.#going.add(hold);
    return true;
  }

  #fits(): boolean {
    const { answerBytes, maxBytes } = this.limits;
    return this.#held + (this.#going.size + 1) * answerBytes <= maxBytes;
  }

  /** For one more. */
  #hasRoom(): boolean {
    return this.#held <= this.limits.freeBytes || this.#fits();
  }

  #wake(): void {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined || !(this.#held <= this.limits.freeBytes || this.#begin(first))) return;
      this.#waiting.delete(first);
      first.goOn();
    }
  }
}

/** What a large answer takes of what may be held. */
export interface HeldAnswerBytes extends Disposable {
  /** Its client has all of it, and nobody looks at it any more: its memory is given back, too. */
  sent(): void;
}

/** What one answer holds, from its first bytes until its client has it. */
export class AnswerHold implements HeldAnswerBytes, Late {
  /** All of it, where nobody else has put it together. */
  whole: Buffer | undefined;
  readonly #budget: AnswerBudget;
  readonly #source: AnswerSource;
  #bytes = 0;
  #deadline: Deadline | undefined;
  #isOver = false;

  constructor(budget: AnswerBudget, source: AnswerSource) {
    this.#budget = budget;
    this.#source = source;
  }

  /** So many further bytes have come. Pauses the source when there is no room for more. */
  grow(bytes: number): void {
    if (this.#isOver) return;
    this.#bytes += bytes;
    const goesOn = this.#budget.take(this, bytes);
    if (goesOn || this.#deadline !== undefined) return;
    this.#deadline = this.#budget.wait(this, this.#source.isShared);
    if (this.#deadline === undefined) this.#refuse();
    else this.#source.pause();
  }

  /** All of it has come. */
  complete(): void {
    this.#budget.leave(this);
    this.goOn();
  }

  sent(): void {
    if (this.whole !== undefined) giveBack(this.whole);
    this[Symbol.dispose]();
  }

  /** For the budget: it is its turn. */
  goOn(): void {
    if (this.#deadline === undefined) return;
    this.#deadline.end();
    this.#deadline = undefined;
    this.#source.resume();
  }

  onLate(): void {
    this.#refuse();
  }

  /** Nobody holds its bytes any more. May be called again. */
  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.whole = undefined;
    this.complete();
    this.#budget.give(this.#bytes);
  }

  #refuse(): void {
    this[Symbol.dispose]();
    this.#source.refuse(this.#budget.refusal());
  }
}

/** Of this process. */
export const heldAnswers = new AnswerBudget(ANSWER_LIMITS);
