/** Gives objects inside a JSON text other members, as bytes and without copying or reading what stays. */
import type { Span } from './json-text.ts';

/** Raw JSON text of the value; undefined takes the member out. */
export type Change = string | undefined;

export interface ChangedObject {
  /** Its first byte. */
  readonly start: number;
  /** All its members, in the order of the text. */
  readonly members: ReadonlyMap<string, Span>;
  readonly changes: Readonly<Record<string, Change>>;
}

interface Edit extends Span {
  readonly bytes: Buffer;
}

const COMMA = 0x2c;
const NONE = Buffer.alloc(0);

/** The bytes of a valid JSON text, in pieces. An object that lies in another one must not lie in a value that this one changes. */
export function changedBytes(bytes: Buffer, objects: readonly ChangedObject[]): readonly Buffer[] {
  const edits = objects.flatMap((object) => editsOf(bytes, object)).toSorted((a, b) => a.start - b.start);
  const pieces: Buffer[] = [];
  let at = 0;
  for (const { start, end, bytes: own } of edits) {
    if (start > at) pieces.push(bytes.subarray(at, start));
    if (own.length > 0) pieces.push(own);
    at = end;
  }
  if (at < bytes.length) pieces.push(bytes.subarray(at));
  return pieces;
}

/** Where the members of each of the objects stand in what `changedBytes` gives. */
export function changedSpans(bytes: Buffer, objects: readonly ChangedObject[]): readonly ReadonlyMap<string, Span>[] {
  const edits = objects.flatMap((object) => editsOf(bytes, object));
  const moved = (place: number): number =>
    edits.reduce((sum, { start, end, bytes: own }) => (end <= place ? sum + own.length - (end - start) : sum), place);
  return objects.map(({ start, members, changes }) => {
    const spans = new Map<string, Span>();
    // What is added stands behind the brace, and nothing else does before it.
    let at = edits.reduce(
      (sum, edit) => (edit.end <= start ? sum + edit.bytes.length - (edit.end - edit.start) : sum),
      start + 1,
    );
    for (const [key, value] of addedTo({ members, changes })) {
      const from = at + Buffer.byteLength(nameOf(key));
      const end = from + Buffer.byteLength(value);
      spans.set(key, { start: from, end });
      at = end + 1;
    }
    for (const [key, span] of members)
      if (!Object.hasOwn(changes, key)) spans.set(key, { start: moved(span.start), end: moved(span.end) });
      else if (changes[key] !== undefined) {
        const end = moved(span.end);
        spans.set(key, { start: end - Buffer.byteLength(changes[key]), end });
      }
    return spans;
  });
}

function editsOf(bytes: Buffer, { start, members, changes }: ChangedObject): readonly Edit[] {
  const edits: Edit[] = [];
  const last = [...members.keys()].at(-1);
  let isFirst = true;
  let before = start + 1;
  for (const [key, { start: from, end }] of members) {
    const isChanged = Object.hasOwn(changes, key);
    const change = isChanged ? changes[key] : undefined;
    if (!isChanged || change !== undefined) {
      if (change !== undefined) edits.push({ start: from, end, bytes: Buffer.from(change) });
      isFirst = false;
      before = end;
      continue;
    }
    // With the comma in front of it; the first ones with the comma behind them.
    const to = isFirst && key !== last ? bytes.indexOf(COMMA, end) + 1 : end;
    edits.push({ start: before, end: to, bytes: NONE });
    before = to;
  }
  const added = addedTo({ members, changes }).map(([key, value]) => `${nameOf(key)}${value}`);
  if (added.length === 0) return edits;
  const text = `${added.join(',')}${isFirst ? '' : ','}`;
  return [{ start: start + 1, end: start + 1, bytes: Buffer.from(text) }, ...edits];
}

function addedTo({
  members,
  changes,
}: Pick<ChangedObject, 'members' | 'changes'>): readonly (readonly [string, string])[] {
  return Object.entries(changes).flatMap(([key, value]) =>
    value === undefined || members.has(key) ? [] : [[key, value] as const],
  );
}

function nameOf(key: string): string {
  return `${JSON.stringify(key)}:`;
}
