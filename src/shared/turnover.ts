/**
 * Map and Set for what comes and goes with requests.
 *
 * A Map of V8 that is full gets a new table, and the old table keeps both what was in it and a way to the new one. Once a
 * table has become old memory, each table after it, and every request that stood in one, stays until the next full
 * collection: quick collections take whatever old memory points to for alive. These two begin anew before that adds up,
 * without a way from the table before.
 */

/** A fresh table is made after so many additions, or twice as many as there are members if that is more. */
const TURNOVER = 32;

/** Iterate over it in one go: an iteration does not see what changes after a later addition. */
export class TurnoverMap<K, V> {
  #members = new Map<K, V>();
  #added = 0;

  get size(): number {
    return this.#members.size;
  }

  get(key: K): V | undefined {
    return this.#members.get(key);
  }

  has(key: K): boolean {
    return this.#members.has(key);
  }

  set(key: K, value: V): void {
    const added = ++this.#added;
    if (added > TURNOVER && added > 2 * this.#members.size) {
      this.#members = new Map(this.#members);
      this.#added = 0;
    }
    this.#members.set(key, value);
  }

  /** False when it was not there. */
  delete(key: K): boolean {
    return this.#members.delete(key);
  }

  values(): MapIterator<V> {
    return this.#members.values();
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.#members.entries();
  }
}

/** Iterate over it in one go: an iteration does not see what changes after a later addition. */
export class TurnoverSet<T> {
  #members = new Set<T>();
  #added = 0;

  get size(): number {
    return this.#members.size;
  }

  has(member: T): boolean {
    return this.#members.has(member);
  }

  add(member: T): void {
    const added = ++this.#added;
    if (added > TURNOVER && added > 2 * this.#members.size) {
      this.#members = new Set(this.#members);
      this.#added = 0;
    }
    this.#members.add(member);
  }

  /** False when it was not there. */
  delete(member: T): boolean {
    return this.#members.delete(member);
  }

  [Symbol.iterator](): SetIterator<T> {
    return this.#members.values();
  }
}
