import { expect, it } from 'vitest';
import { LISTINGS } from '../mcp/listing.ts';
import { PreparedListings } from './prepared-listings.ts';
import type { View } from './view/view.ts';

type Parts = Parameters<PreparedListings<string>['of']>[2];

const [TOOLS, PROMPTS] = LISTINGS;
const NONE = { ttlMs: 0, cacheScope: 'private' } as const;
const items = [{ name: 'web___echo', key: 'echo', text: '{}' }];

/** Only which one it is counts. */
function someView(): View {
  return {} as unknown as View;
}

it.each<[string, Parts, boolean]>([
  ['the same listings', [{ items, hint: { ...NONE } }, undefined], true],
  ['a listing that is made anew', [{ items: [...items], hint: NONE }, undefined], false],
  ['another time to live', [{ items, hint: { ...NONE, ttlMs: 5 } }, undefined], false],
  ['another scope', [{ items, hint: { ...NONE, cacheScope: 'public' } }, undefined], false],
  [
    'a server that is there now',
    [
      { items, hint: NONE },
      { items, hint: NONE },
    ],
    false,
  ],
  ['a server that is left out now', [undefined, undefined], false],
  ['fewer servers', [{ items, hint: NONE }], false],
])('with %s is given again or not', (_, parts, isSame) => {
  const [view, prepared] = [someView(), new PreparedListings<string>()];
  if (TOOLS === undefined || PROMPTS === undefined) throw new Error('there are listings');
  prepared.keep(view, TOOLS, [{ items, hint: NONE }, undefined], 'whole');
  expect(prepared.of(view, TOOLS, parts)).toBe(isSame ? 'whole' : undefined);
  expect(prepared.of(view, PROMPTS, parts)).toBeUndefined();
  expect(prepared.of(someView(), TOOLS, parts)).toBeUndefined();
});
