/** The deadlines of many things that run at once: one timer for each length, however many begin and end meanwhile. */

/** What is told when its time has passed. */
export interface Late {
  onLate(): void;
}

export interface Deadline {
  /** It was in time, or is over: nobody is told. May be called again. */
  end(): void;
}

/** What begins last is late last, so that only the first of each length has to be watched. */
export class Deadlines implements Disposable {
  readonly #queues = new Map<number, Queue>();

  /** `late` is told after so many ms unless the deadline has ended by then. */
  begin(ms: number, late: Late): Deadline {
    let queue = this.#queues.get(ms);
    if (queue === undefined) this.#queues.set(ms, (queue = new Queue(ms)));
    return queue.add(late);
  }

  /** Nobody is told any more. */
  [Symbol.dispose](): void {
    for (const queue of this.#queues.values()) queue.stop();
    this.#queues.clear();
  }
}

class Queue {
  readonly #ms: number;
  readonly #onTime = (): void => this.#look();
  #first: Entry | undefined;
  #last: Entry | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number) {
    this.#ms = ms;
  }

  add(late: Late): Entry {
    const entry = new Entry(this, late, performance.now() + this.#ms, this.#last);
    if (this.#last === undefined) this.#first = entry;
    else this.#last.next = entry;
    this.#last = entry;
    // It may find nothing to do: that is cheaper than to be set anew for each of thousands.
    this.#timer ??= setTimeout(this.#onTime, this.#ms).unref();
    return entry;
  }

  remove(entry: Entry): void {
    const { previous, next } = entry;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    entry.previous = undefined;
    entry.next = undefined;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#first !== undefined) this.#first.end();
  }

  #look(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (let entry = this.#first; entry !== undefined && entry.at <= now; entry = this.#first) {
      entry.end();
      entry.late.onLate();
    }
    if (this.#first !== undefined)
      this.#timer ??= setTimeout(this.#onTime, Math.max(1, Math.ceil(this.#first.at - now))).unref();
  }
}

class Entry implements Deadline {
  readonly late: Late;
  /** By the clock of `performance.now()`. */
  readonly at: number;
  previous: Entry | undefined;
  next: Entry | undefined;
  #queue: Queue | undefined;

  constructor(queue: Queue, late: Late, at: number, previous: Entry | undefined) {
    this.#queue = queue;
    this.late = late;
    this.at = at;
    this.previous = previous;
  }

  end(): void {
    const queue = this.#queue;
    this.#queue = undefined;
    queue?.remove(this);
  }
}
