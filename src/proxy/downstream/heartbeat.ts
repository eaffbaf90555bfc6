/** One timer that calls everything that wants to be called regularly: idle streams and answers that are long in coming. */
import type { Logger } from 'pino';
import { TurnoverSet } from '../../shared/turnover.ts';

export interface Beating {
  beat(intervalMs: number): void;
}

export class Heartbeat implements Disposable {
  readonly #members = new TurnoverSet<Beating>();
  readonly #timer: NodeJS.Timeout;

  constructor(intervalMs: number, log: Logger) {
    this.#timer = setInterval(() => {
      for (const member of this.#members) {
        try {
          member.beat(intervalMs);
        } catch (error) {
          // One broken connection must not cost the others their heartbeat, nor the process its life.
          this.#members.delete(member);
          log.error({ err: error }, 'a connection could not be kept alive');
        }
      }
    }, intervalMs);
    this.#timer.unref();
  }

  add(member: Beating): void {
    this.#members.add(member);
  }

  remove(member: Beating): void {
    this.#members.delete(member);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
