/** One timer that calls everything that wants to be called regularly: idle streams and answers that are long in coming. */

export interface Beating {
  beat(): void;
}

export class Heartbeat implements Disposable {
  readonly #members = new Set<Beating>();
  readonly #timer: NodeJS.Timeout;

  constructor(intervalMs: number) {
    this.#timer = setInterval(() => {
      for (const member of this.#members) member.beat();
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
