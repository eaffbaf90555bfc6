/** What a server has listed last, to the last page: shown when it cannot be asked, and compared with what it lists now. */
import type { Listing, ListingRow } from '../mcp/listing.ts';

/** How two listings differ, as numbers of items. */
export interface ListingChange {
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  /** Items that there are now. */
  readonly total: number;
}

export class Catalogue {
  /** By the method of the listing. */
  readonly #listings = new Map<string, Listing>();

  /** A listing has come whole. A part of one must never get here: what is missing would be taken for removed. */
  note(row: ListingRow, listing: Listing): void {
    this.#listings.set(row.method, listing);
  }

  last(row: ListingRow): Listing | undefined {
    return this.#listings.get(row.method);
  }
}

/** `before` is undefined when nothing was known. */
export function compareListings(before: Listing | undefined, after: Listing): ListingChange {
  const known = new Map(before?.items.map(({ key, text }) => [key, text]));
  let added = 0;
  let changed = 0;
  for (const { key, text } of after.items) {
    const old = known.get(key);
    if (old === undefined) added++;
    else if (old !== text) changed++;
    known.delete(key);
  }
  return { added, removed: known.size, changed, total: after.items.length };
}
