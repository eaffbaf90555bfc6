/** What operators have said about an item, written into the item as its server lists it. */
import type { ItemOverride } from '../../config/registration.ts';
import { findSpan, setMember, sliceSpan } from '../../mcp/json-text.ts';

/** Holds the tags of an item; the protocol has no place of its own for them. */
const TAGS_KEY = 'io.gatehouse/tags';

/** The item, raw JSON text, with the override's title, description, annotations and tags; what it does not say stays. */
export function editItem(item: string, { title, description, annotations, tags }: ItemOverride): string {
  let text = item;
  if (title !== undefined) text = setMember(text, 'title', JSON.stringify(title));
  if (description !== undefined) text = setMember(text, 'description', JSON.stringify(description));
  if (annotations !== undefined) text = setInside(text, 'annotations', annotations);
  if (tags.length > 0) text = setInside(text, '_meta', { [TAGS_KEY]: tags });
  return text;
}

/** Sets members of an object inside the item, which is made when there is none. */
export function setInside(text: string, member: string, values: Readonly<Record<string, unknown>>): string {
  const span = findSpan(text, [member]);
  let inner = span === undefined ? '{}' : sliceSpan(text, span);
  if (!inner.startsWith('{')) inner = '{}';
  for (const [key, value] of Object.entries(values)) inner = setMember(inner, key, JSON.stringify(value) ?? 'null');
  return setMember(text, member, inner);
}
