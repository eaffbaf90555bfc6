/** What a server offers: everything that it lists, to the last page. */
import type { ItemKind } from '../config/registration.ts';
import { LISTINGS, type ListingKind } from '../mcp/listing.ts';
import type { SeenItem } from '../store/store.ts';
import type { Upstream } from '../upstream/upstream.ts';

const KINDS: Readonly<Record<ListingKind, ItemKind>> = {
  tools: 'tool',
  prompts: 'prompt',
  resources: 'resource',
  resourceTemplates: 'resource-template',
};

/** All items of all listings. Rejects with the failure of any of them: a part must never pass for the whole. */
export async function discover(upstream: Upstream): Promise<readonly SeenItem[]> {
  const listings = await Promise.all(
    LISTINGS.map(async (row) => {
      const { items } = await upstream.list(row);
      return items.map(({ key, text }): SeenItem => ({ kind: KINDS[row.kind], key, text }));
    }),
  );
  return listings.flat();
}

/** How many there are of each kind. */
export function countKinds(items: readonly { readonly kind: ItemKind }[]): Readonly<Record<ItemKind, number>> {
  const counts = { tool: 0, resource: 0, 'resource-template': 0, prompt: 0 };
  for (const { kind } of items) counts[kind]++;
  return counts;
}
