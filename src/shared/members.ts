/** Who is there at the moment, in the order of coming, where thousands come and go each second. */

export interface Member {
  /** May be called again. */
  leave(): void;
}

/**
 * As a Set, but nothing of it outlives those who left. The table of a Set is replaced again and again while members come
 * and go, and V8 chains each to the next: once one has become old, all that follow become old with all that was in them,
 * and a third of what requests need piled up until the next full collection (docs/decisions/0050).
 */
export class Members<T> {
  #first: Place<T> | undefined;
  #last: Place<T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The item is there until `leave` is called. The same one may be there twice. */
  enter(item: T): Member {
    const place = new Place(this, item, this.#last);
    if (this.#last === undefined) this.#first = place;
    else this.#last.next = place;
    this.#last = place;
    this.#size++;
    return place;
  }

  /** Those who are there now, whatever happens while they are looked at. */
  all(): readonly T[] {
    const items: T[] = [];
    for (let place = this.#first; place !== undefined; place = place.next) items.push(place.item);
    return items;
  }

  /** For a place, which knows that it is one of these. */
  remove({ previous, next }: Place<T>): void {
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    this.#size--;
  }
}

class Place<T> implements Member {
  readonly item: T;
  previous: Place<T> | undefined;
  next: Place<T> | undefined;
  #members: Members<T> | undefined;

  constructor(members: Members<T>, item: T, previous: Place<T> | undefined) {
    this.#members = members;
    this.item = item;
    this.previous = previous;
  }

  leave(): void {
    const members = this.#members;
    this.#members = undefined;
    members?.remove(this);
    // What is old must not hold on to what is young.
    this.previous = undefined;
    this.next = undefined;
  }
}
