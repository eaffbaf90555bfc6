/** One timer that calls everything that wants to be called regularly: idle streams and answers that are long in coming. */
import type { Logger } from 'pino';
import { Members, type Member } from '../../shared/members.ts';

export interface Beating {
  beat(intervalMs: number): void;
}

export class Heartbeat implements Disposable {
  readonly #members = new Members<Beating>();
  readonly #broken = new WeakSet<Beating>();
  readonly #timer: NodeJS.Timeout;

  constructor(intervalMs: number, log: Logger) {
    this.#timer = setInterval(() => {
      for (const member of this.#members.all()) {
        if (this.#broken.has(member)) continue;
        try {
          member.beat(intervalMs);
        } catch (error) {
          // One broken connection must not cost the others their heartbeat, nor the process its life.
          this.#broken.add(member);
          log.error({ err: error }, 'a connection could not be kept alive');
        }
      }
    }, intervalMs);
    this.#timer.unref();
  }

  /** It is called until it leaves. */
  add(member: Beating): Member {
    return this.#members.enter(member);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
