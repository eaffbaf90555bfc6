/** Questions with answers over the channel between two processes, each within its time. */
import type { Notice, QuestionKind, Questions } from './messages.ts';

/** The half of `ChildProcess` and of `process` that carries messages. */
export interface Wire {
  send?(message: object, callback: (error: Error | null) => void): boolean;
}

interface Question {
  readonly id: number;
  readonly kind: QuestionKind;
  readonly ask: unknown;
}

interface Reply {
  readonly reply: number;
  readonly value?: unknown;
  /** Why there is no value. */
  readonly error?: string;
}

/** The other process does not answer, or has ended. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered';
  /** False when it has ended. */
  readonly silent: boolean;

  constructor(message: string, silent: boolean) {
    super(message);
    this.silent = silent;
  }
}

const ENDED = 'the process has ended';

/** The side that asks. */
export class Questioner {
  readonly #wire: Wire;
  readonly #open = new Map<number, PromiseWithResolvers<unknown>>();
  #next = 1;
  #ended = false;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** Rejects with Unanswered when the other side ends or the time is over, and with an Error that says what it says. */
  async ask<K extends QuestionKind>(
    kind: K,
    ask: Questions[K]['ask'],
    timeoutMs: number,
  ): Promise<Questions[K]['answer']> {
    if (this.#ended) throw new Unanswered(ENDED, false);
    const id = this.#next++;
    const answer = Promise.withResolvers<unknown>();
    this.#open.set(id, answer);
    const timer = setTimeout(
      () => answer.reject(new Unanswered(`no answer to "${kind}" within ${timeoutMs / 1000} s`, true)),
      timeoutMs,
    );
    this.#send({ id, kind, ask } satisfies Question);
    try {
      return (await answer.promise) as Questions[K]['answer'];
    } finally {
      clearTimeout(timer);
      this.#open.delete(id);
    }
  }

  notice(notice: Notice): void {
    if (!this.#ended) this.#send(notice);
  }

  /** A message has come. */
  receive(message: unknown): void {
    if (typeof message !== 'object' || message === null || !('reply' in message)) return;
    const { reply, value, error } = message as Reply;
    const open = this.#open.get(reply);
    if (error === undefined) open?.resolve(value);
    else open?.reject(new Error(error));
  }

  /** The other side is gone. */
  end(): void {
    this.#ended = true;
    for (const { reject } of this.#open.values()) reject(new Unanswered(ENDED, false));
  }

  #send(message: object): void {
    // What cannot be sent has no receiver any more: its end is told by another way.
    this.#wire.send?.(message, () => undefined);
  }
}

export type Answers = {
  readonly [K in QuestionKind]: (ask: Questions[K]['ask']) => Promise<Questions[K]['answer']>;
};

/** Those that only look, or that wait for others, and keep nobody waiting. */
const SIDE_BY_SIDE: ReadonlySet<QuestionKind> = new Set(['counts', 'drain']);

/** The side that answers; what changes something is done in the order of the questions. */
export class Answerer {
  readonly #wire: Wire;
  readonly #answers: Answers;
  readonly #onNotice: (notice: Notice) => void;
  #last: Promise<unknown> = Promise.resolve();

  constructor(wire: Wire, answers: Answers, onNotice: (notice: Notice) => void) {
    this.#wire = wire;
    this.#answers = answers;
    this.#onNotice = onNotice;
  }

  receive(message: unknown): void {
    if (typeof message !== 'object' || message === null) return;
    if ('notice' in message) return this.#onNotice(message as Notice);
    const { id, kind, ask } = message as Question;
    const work = (): Promise<void> => this.#answer(id, kind, ask);
    if (SIDE_BY_SIDE.has(kind)) void work();
    else this.#last = this.#last.then(work);
  }

  async #answer(id: number, kind: QuestionKind, ask: unknown): Promise<void> {
    const answer = this.#answers[kind] as (ask: unknown) => Promise<unknown>;
    let reply: Reply;
    try {
      reply = { reply: id, value: await answer(ask) };
    } catch (error) {
      reply = { reply: id, error: error instanceof Error ? error.message : String(error) };
    }
    await new Promise<void>((resolve) => {
      if (this.#wire.send === undefined) resolve();
      else this.#wire.send(reply, () => resolve());
    });
  }
}
