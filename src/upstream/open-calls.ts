/** The calls in flight on one conversation, found by the ids that they have there. */

/** What is kept: each under an id of `newId`. */
export interface Identified {
  /** Raw JSON text. */
  readonly upstreamId: string;
}

const FIRST_SLOTS = 64;

/**
 * A table with one place for each id, which fits because the ids are ours: one whose place is taken is passed over. It
 * is no Map for the reason that stands in shared/members.ts.
 */
export class OpenCalls<T extends Identified> {
  #slots: (T | undefined)[] = emptySlots(FIRST_SLOTS);
  #size = 0;
  #last = 0;

  /** An id that no call had before, and for which there is a place: the next `add` must be of it. */
  newId(): string {
    // More than half of the places are free, so that the next one is near.
    if (this.#size * 2 >= this.#slots.length) this.#grow();
    do this.#last++;
    while (this.#slots[this.#last & (this.#slots.length - 1)] !== undefined);
    return String(this.#last);
  }

  add(call: T): void {
    this.#slots[this.#placeOf(call.upstreamId)] = call;
    this.#size++;
  }

  get(upstreamId: string): T | undefined {
    const call = this.#slots[this.#placeOf(upstreamId)];
    return call?.upstreamId === upstreamId ? call : undefined;
  }

  /** Does nothing for one that is not there. */
  remove(call: T): void {
    const place = this.#placeOf(call.upstreamId);
    if (this.#slots[place] !== call) return;
    this.#slots[place] = undefined;
    this.#size--;
  }

  /** In the order in which they began. */
  all(): readonly T[] {
    return this.#slots
      .filter((call) => call !== undefined)
      .toSorted((one, other) => Number(one.upstreamId) - Number(other.upstreamId));
  }

  /** 0 for a text that is no id of ours: what stands there has another one. */
  #placeOf(upstreamId: string): number {
    return Number(upstreamId) & (this.#slots.length - 1);
  }

  #grow(): void {
    const calls = this.all();
    this.#slots = emptySlots(this.#slots.length * 2);
    for (const call of calls) this.#slots[this.#placeOf(call.upstreamId)] = call;
  }
}

/** `length` is a power of two. */
function emptySlots<T>(length: number): (T | undefined)[] {
  return Array.from({ length }, () => undefined);
}
