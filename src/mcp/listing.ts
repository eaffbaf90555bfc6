/** Listings of tools, prompts, resources and templates: items as text, renamed and joined without being rewritten. */
import { findSpan, removeMember, scanArray, scanObject, setMember, sliceSpan, splice } from './json-text.ts';
import type { Json } from './message.ts';

export type ListingKind = 'tools' | 'prompts' | 'resources' | 'resourceTemplates';

export interface ListingRow {
  readonly method: string;
  /** The member of the result that holds the items. */
  readonly kind: ListingKind;
  /** The member that identifies an item. */
  readonly key: 'name' | 'uri' | 'uriTemplate';
  /** The capability that a server declares when it has such a listing. */
  readonly capability: 'tools' | 'prompts' | 'resources';
}

export const LISTINGS: readonly ListingRow[] = [
  { method: 'tools/list', kind: 'tools', key: 'name', capability: 'tools' },
  { method: 'prompts/list', kind: 'prompts', key: 'name', capability: 'prompts' },
  { method: 'resources/list', kind: 'resources', key: 'uri', capability: 'resources' },
  { method: 'resources/templates/list', kind: 'resourceTemplates', key: 'uriTemplate', capability: 'resources' },
];

export function listingOf(method: string): ListingRow | undefined {
  return LISTINGS.find((row) => row.method === method);
}

export interface ListingItem {
  /** Name, URI or URI template, as the server gave it. */
  readonly key: string;
  /** The item as the server wrote it. */
  readonly text: string;
}

export interface Listing {
  /** The result of the first page with an empty list and without a cursor: whatever else the server said. */
  readonly frame: string;
  readonly items: readonly ListingItem[];
}

export interface ListingPage extends Listing {
  /** An empty string is a cursor like any other; undefined ends the listing. */
  readonly nextCursor: string | undefined;
}

/** Reads one page from the raw text of a result; undefined when it is not a listing of that kind. */
export function readPage(result: string, row: ListingRow): ListingPage | undefined {
  const members = scanObject(result);
  const list = members.get(row.kind);
  if (list === undefined || result[list.start] !== '[') return undefined;
  const items: ListingItem[] = [];
  for (const span of scanArray(result, list.start)) {
    const text = sliceSpan(result, span);
    const key = memberValue(text, row.key);
    if (typeof key !== 'string') return undefined;
    items.push({ key, text });
  }
  const cursor = memberValue(result, 'nextCursor');
  const frame = removeMember(splice(result, [{ span: list, text: '[]' }]), 'nextCursor');
  return { frame, items, nextCursor: typeof cursor === 'string' ? cursor : undefined };
}

/** The raw text of a result that lists these items. */
export function listingText(frame: string, row: ListingRow, items: readonly string[]): string {
  return setMember(frame, row.kind, `[${items.join(',')}]`);
}

/** The item under another name, URI or template; everything else stays as it was. */
export function renameItem(text: string, row: ListingRow, key: string): string {
  return setMember(text, row.key, JSON.stringify(key));
}

function memberValue(text: string, key: string): Json | undefined {
  const span = findSpan(text, [key]);
  return span && (JSON.parse(sliceSpan(text, span)) as Json);
}
