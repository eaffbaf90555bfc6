/** What an endpoint of several servers lists, put together once and given again while none of its parts is another. */
import type { ListingRow } from '../mcp/listing.ts';
import type { ServerListing } from './server-listing.ts';
import type { View } from './view/view.ts';

type Part = Pick<ServerListing, 'items' | 'hint'> | undefined;

interface Prepared<T> {
  readonly parts: readonly Part[];
  readonly whole: T;
}

/** One for each view and kind of listing: who may send to fewer servers than others has parts of his own, and pays for them. */
export class PreparedListings<T> {
  readonly #prepared = new WeakMap<View, Map<string, Prepared<T>>>();

  /** undefined when it has to be made. */
  of(view: View, { method }: ListingRow, parts: readonly Part[]): T | undefined {
    const kept = this.#prepared.get(view)?.get(method);
    return kept !== undefined && areSame(kept.parts, parts) ? kept.whole : undefined;
  }

  keep(view: View, { method }: ListingRow, parts: readonly Part[], whole: T): T {
    const kinds = this.#prepared.get(view) ?? new Map<string, Prepared<T>>();
    kinds.set(method, { parts: parts.map((part) => part && { items: part.items, hint: part.hint }), whole });
    this.#prepared.set(view, kinds);
    return whole;
  }
}

/** A listing is the same list of items as long as the server lists the same, and the view shows the same of it. */
function areSame(one: readonly Part[], other: readonly Part[]): boolean {
  if (one.length !== other.length) return false;
  return one.every((part, at) => {
    const second = other[at];
    if (part === undefined || second === undefined) return part === second;
    return (
      part.items === second.items &&
      part.hint.ttlMs === second.hint.ttlMs &&
      part.hint.cacheScope === second.hint.cacheScope
    );
  });
}
