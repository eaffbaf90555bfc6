/** A large JSON object that was scanned and not parsed: its bytes, where its members stand, and its values for those who look. */
import { isAscii } from 'node:buffer';
import type { HeldAnswerBytes } from '../shared/answer-budget.ts';
import { JsonScanner, type JsonLimits } from './json-scanner.ts';
import { scanObject, type Span } from './json-text.ts';
import { changedBytes, changedSpans, type Change, type ChangedObject } from './outline-changes.ts';

/** Smaller parts are parsed at once. */
const LARGE_PART = 64 * 1024;
const MAX_LAZY_MEMBERS = 1_000;
const SPACE = 0x20;
const OPEN_OBJECT = 0x7b;

/** Whose members are known as well. */
const INSIDE = ['params', 'result', 'error'] as const;

/** By the names of members: raw JSON text takes the place of a value, or is a new one in front; undefined takes the member out. */
export interface OutlineChanges {
  readonly outer?: Readonly<Record<string, Change>>;
  /** Of the members of `innerOf`, which `outer` must not change then. */
  readonly inner?: Readonly<Record<string, Change>>;
}

export class JsonOutline {
  /** UTF-8. */
  readonly bytes: Buffer;
  /** Where the outermost values stand in `bytes`. */
  readonly members: ReadonlyMap<string, Span>;
  /** The same for the members of `params`, `result` or `error`; empty when that is no object. */
  readonly inner: ReadonlyMap<string, Span>;
  readonly innerOf: string | undefined;
  /** What its bytes take of what may be held: given back when it has been told, unless somebody takes it out to hold on to them. */
  held: HeldAnswerBytes | undefined;
  #text: string | undefined;
  #isOneByte: boolean | undefined;
  #inText: ((span: Span) => Span) | undefined;
  #value: object | undefined;

  /** `scanner` has read all of `bytes`, which are UTF-8 and an object; `text` is the same where it is known. */
  constructor(
    bytes: Buffer,
    { members, inner, innerOf }: Pick<JsonOutline, 'members' | 'inner' | 'innerOf'>,
    text?: string,
  ) {
    this.bytes = bytes;
    this.members = members;
    this.inner = inner;
    this.innerOf = innerOf;
    this.#text = text;
  }

  /** All of it: for whoever can do without, a text of megabytes costs too much at once. */
  get text(): string {
    return (this.#text ??= this.bytes.toString(this.#oneByte ? 'latin1' : 'utf8'));
  }

  /** Where the values of `members` or `inner` stand in `text`. */
  spansInText(spans: ReadonlyMap<string, Span>): ReadonlyMap<string, Span> {
    if (this.#oneByte) return spans;
    const inText = (this.#inText ??= placesIn(this.bytes, this.text.length, [
      ...this.members.values(),
      ...this.inner.values(),
    ]));
    return new Map([...spans].map(([key, span]) => [key, inText(span)]));
  }

  /** What JSON.parse would give, but that each part is parsed when it is first looked at. */
  get value(): object {
    if (this.#value !== undefined) return this.#value;
    const cut = (span: Span): string => this.cut(span);
    const { innerOf } = this;
    const value = lazyObject(this.members, cut);
    if (innerOf !== undefined && this.members.has(innerOf)) define(value, innerOf, lazyObject(this.inner, cut));
    return (this.#value = value);
  }

  /** A part of `bytes`, as text. */
  cut({ start, end }: Span): string {
    return this.bytes.toString('utf8', start, end);
  }

  /** Its bytes with other members, in pieces, without copying what stays. */
  changed(changes: OutlineChanges): readonly Buffer[] {
    return changedBytes(this.bytes, this.#objects(changes));
  }

  /** The value of one of `members`, in pieces; where it is that of `innerOf`, with other members. */
  partOf(name: string, inner: NonNullable<OutlineChanges['inner']>): readonly Buffer[] {
    const span = this.members.get(name);
    if (span === undefined) return [];
    const { start, end } = span;
    const objects = name === this.innerOf ? [{ start, members: this.inner, changes: inner }] : [];
    // What changes stands behind its first byte.
    const [first, ...rest] = changedBytes(this.bytes.subarray(0, end), objects);
    return first === undefined ? [] : [first.subarray(start), ...rest];
  }

  /** The same as an outline. */
  with(changes: OutlineChanges): JsonOutline {
    const { bytes, members, inner, innerOf } = this;
    const spans = changedSpans(bytes, this.#objects({ outer: {}, inner: {}, ...changes }));
    const [outerSpans = members, innerSpans = inner] = spans;
    return new JsonOutline(Buffer.concat(this.changed(changes)), { members: outerSpans, inner: innerSpans, innerOf });
  }

  #objects({ outer, inner }: OutlineChanges): readonly ChangedObject[] {
    const { bytes, innerOf } = this;
    const start = innerOf === undefined ? undefined : this.members.get(innerOf)?.start;
    const objects: ChangedObject[] = [];
    if (outer !== undefined) objects.push({ start: bytes.indexOf(OPEN_OBJECT), members: this.members, changes: outer });
    if (inner !== undefined && start !== undefined) objects.push({ start, members: this.inner, changes: inner });
    return objects;
  }

  get #oneByte(): boolean {
    return (this.#isOneByte ??=
      this.#text === undefined ? isAscii(this.bytes) : this.#text.length === this.bytes.length);
  }
}

/** Scans a text in one go. Throws a JsonScanError. */
export function outlineOf(text: string, limits: JsonLimits): JsonOutline | undefined {
  const bytes = Buffer.from(text);
  const scanner = outlineScanner(limits);
  scanner.push(bytes);
  scanner.end();
  return isObjectText(bytes) ? new JsonOutline(bytes, scanner, text) : undefined;
}

export function outlineScanner(limits: JsonLimits): JsonScanner {
  return new JsonScanner(limits, INSIDE);
}

/** True for JSON that is an object. */
export function isObjectText(bytes: Buffer): boolean {
  let at = 0;
  while (at < bytes.length && (bytes[at] ?? 0) <= SPACE) at++;
  return bytes[at] === OPEN_OBJECT;
}

/** From spans in bytes to spans in the text, whose length is `length`, for these spans. */
function placesIn(bytes: Buffer, length: number, spans: readonly Span[]): (span: Span) => Span {
  const all = new Set([...spans.flatMap(({ start, end }) => [start, end]), bytes.length]);
  const places = [...all].toSorted((a, b) => a - b);
  const sizes = places.map((place, index) => place - (places[index - 1] ?? 0));
  const longest = sizes.indexOf(Math.max(...sizes));
  const lengths = places.map((place, index) =>
    index === longest ? 0 : bytes.toString('utf8', places[index - 1] ?? 0, place).length,
  );
  // The longest part, which may be nearly all, is what the others leave.
  lengths[longest] = length - lengths.reduce((sum, each) => sum + each, 0);
  const inText = new Map<number, number>();
  let at = 0;
  for (const [index, place] of places.entries()) {
    at += lengths[index] ?? 0;
    inText.set(place, at);
  }
  return ({ start, end }) => ({ start: inText.get(start) ?? 0, end: inText.get(end) ?? 0 });
}

/** Objects that are large themselves are parsed member by member as well. */
function lazyObject(members: ReadonlyMap<string, Span>, cut: (span: Span) => string): object {
  const object = {};
  for (const [key, span] of members) {
    Object.defineProperty(object, key, {
      enumerable: true,
      configurable: true,
      get: () => define(object, key, parsePart(cut(span))),
    });
  }
  return object;
}

function parsePart(text: string): unknown {
  if (text.length < LARGE_PART || !text.startsWith('{')) return JSON.parse(text);
  let members: ReadonlyMap<string, Span>;
  try {
    members = scanObject(text);
  } catch {
    // A member twice: the last one counts, as everywhere in JavaScript.
    return JSON.parse(text);
  }
  // With very many members the parser is faster than a property for each.
  if (members.size > MAX_LAZY_MEMBERS) return JSON.parse(text);
  return lazyObject(members, ({ start, end }) => text.slice(start, end));
}

/** An assignment to `__proto__` would be another thing. */
function define<T>(object: object, key: string, value: T): T {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  return value;
}
