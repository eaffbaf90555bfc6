/** Keys stand in the queries of URLs: what is registered has them apart, where they are encrypted and masked. */
import type { Entry } from '../../config/entry-secrets.ts';
import { isFields } from '../compatibility.ts';

/** The same entry with the query of its `url` in `query`. A URL that repeats a parameter stays, and is refused: `query` could not say it. */
export function withQueryApart(entry: Entry): Entry {
  const { url, query } = entry;
  const parsed = typeof url === 'string' ? URL.parse(url) : null;
  if (parsed === null || parsed.search === '') return entry;
  const names = [...parsed.searchParams.keys()];
  const given = isFields(query) ? query : {};
  if (new Set(names).size < names.length || names.some((name) => name === '' || Object.hasOwn(given, name)))
    return entry;
  const apart = new Map(parsed.searchParams);
  parsed.search = '';
  return { ...entry, url: parsed.href, query: { ...Object.fromEntries(apart), ...given } };
}
