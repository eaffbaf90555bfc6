/** Finds and replaces parts of a JSON document inside its text, so that everything else stays exactly as it was sent. */
import { GatewayError } from '../shared/errors.ts';

/** A part of a text: from `start` (inclusive) to `end` (exclusive). */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Edit {
  readonly span: Span;
  readonly text: string;
}

/** Members of most messages, and of their params. */
const USUAL_NAMES = new Set([
  'jsonrpc',
  'id',
  'method',
  'params',
  'name',
  'arguments',
  '_meta',
  'uri',
  'result',
  'error',
]);
const NO_NAMES: readonly string[] = [];
const NAMES_BY_LENGTH = Array.from({ length: 16 }, (_, length) =>
  [...USUAL_NAMES].filter((name) => name.length === length),
);
/** Its own lower case. */
const PLAIN_NAME = /^[a-z_]*$/;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

/**
 * Refuses an object in which two members differ only in case: a server whose parser ignores case (Go's does, and takes
 * the last one) would see another message than the one that was checked.
 */
export function refuseLookalikes(members: ReadonlyMap<string, Span>): void {
  // No two of them are the same, and so they are when each is its own lower case.
  if (allPlain(members)) return;
  const seen = new Set<string>();
  for (const key of members.keys()) {
    // U+017F is an s to Go; the Kelvin sign becomes a k by itself.
    const folded = PLAIN_NAME.test(key) ? key : key.toLowerCase().replaceAll('\u017f', 's');
    if (seen.has(folded)) {
      throw new GatewayError('invalid_request', `The member "${key}" stands twice in one object, in two spellings.`);
    }
    seen.add(folded);
  }
}

function allPlain(members: ReadonlyMap<string, Span>): boolean {
  for (const name of members.keys()) if (!USUAL_NAMES.has(name) && !PLAIN_NAME.test(name)) return false;
  return true;
}

/**
 * The values of the members of the object that begins at `start`, in the order of the text.
 * The text must be valid JSON (it was parsed before). Throws `invalid_request` when an object names a member twice:
 * two parsers could then see two different messages.
 */
export function scanObject(text: string, start = 0): Map<string, Span> {
  const members = new Map<string, Span>();
  scanInto(members, text, start);
  return members;
}

/** The same, and for the member `params` its own members, where that is an object: the text is gone through once. */
export function scanWithParams(text: string): {
  readonly members: Map<string, Span>;
  readonly params: Map<string, Span>;
} {
  const members = new Map<string, Span>();
  const params = new Map<string, Span>();
  scanInto(members, text, 0, params);
  return { members, params };
}

/** Where the object ends; where `start` is, without spaces, when there is none. */
function scanInto(members: Map<string, Span>, text: string, start: number, params?: Map<string, Span>): number {
  let at = skipSpace(text, start);
  if (text.charCodeAt(at) !== OPEN_OBJECT) return at;
  at = skipSpace(text, at + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const keyEnd = skipString(text, at);
    const key = usualName(text, at + 1, keyEnd - 1) ?? nameIn(text, at, keyEnd);
    const valueStart = skipSpace(text, skipSpace(text, keyEnd) + 1);
    if (members.has(key)) {
      throw new GatewayError('invalid_request', `The member "${key}" stands twice in one object.`);
    }
    const isObjectOfParams = params !== undefined && key === 'params' && text.charCodeAt(valueStart) === OPEN_OBJECT;
    const valueEnd = isObjectOfParams ? scanInto(params, text, valueStart) : skipValue(text, valueStart);
    members.set(key, { start: valueStart, end: valueEnd });
    at = skipSpace(text, valueEnd);
    if (text.charCodeAt(at) !== COMMA) break;
    at = skipSpace(text, at + 1);
  }
  return at + 1;
}

/** The elements of the array that begins at `start`. The text must be valid JSON. */
export function scanArray(text: string, start = 0): Span[] {
  const elements: Span[] = [];
  let at = skipSpace(text, start);
  if (text.charCodeAt(at) !== OPEN_ARRAY) return elements;
  at = skipSpace(text, at + 1);
  while (at < text.length && text.charCodeAt(at) !== CLOSE_ARRAY) {
    const end = skipValue(text, at);
    elements.push({ start: at, end });
    at = skipSpace(text, end);
    if (text.charCodeAt(at) !== COMMA) break;
    at = skipSpace(text, at + 1);
  }
  return elements;
}

/** The value at a path of member names below the object at `start`; undefined when there is none. */
export function findSpan(text: string, path: readonly string[], start = 0): Span | undefined {
  let span: Span | undefined = { start, end: text.length };
  for (const key of path) {
    span = scanObject(text, span.start).get(key);
    if (span === undefined) return undefined;
  }
  return span;
}

export function sliceSpan(text: string, span: Span): string {
  return text.slice(span.start, span.end);
}

/** Replaces parts of a text. The spans must not overlap; their order does not matter. */
export function splice(text: string, edits: readonly Edit[]): string {
  if (edits.length === 0) return text;
  const ordered = edits.length === 1 ? edits : edits.toSorted((a, b) => a.span.start - b.span.start);
  let result = '';
  let at = 0;
  for (const { span, text: replacement } of ordered) {
    result += text.slice(at, span.start) + replacement;
    at = span.end;
  }
  return result + text.slice(at);
}

/** Sets a member of the object at `start`: replaces its value, or adds it in front. */
export function setMember(text: string, key: string, value: string, start = 0): string {
  const present = scanObject(text, start).get(key);
  if (present !== undefined) return splice(text, [{ span: present, text: value }]);
  const inside = skipSpace(text, start) + 1;
  const empty = text.charCodeAt(skipSpace(text, inside)) === CLOSE_OBJECT;
  const member = `${JSON.stringify(key)}:${value}${empty ? '' : ','}`;
  return splice(text, [{ span: { start: inside, end: inside }, text: member }]);
}

/** Takes a member out of the object at the beginning of the text, with its comma. */
export function removeMember(text: string, key: string): string {
  const rest: string[] = [];
  for (const [name, span] of scanObject(text)) {
    if (name !== key) rest.push(`${JSON.stringify(name)}:${sliceSpan(text, span)}`);
  }
  return `{${rest.join(',')}}`;
}

/** The name of a member, with its escapes resolved. */
function nameIn(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end - 1);
  return raw.includes('\\') ? (JSON.parse(text.slice(start, end)) as string) : raw;
}

/** Without a new string, which a Map would first have to look up among all strings of the process. */
function usualName(text: string, start: number, end: number): string | undefined {
  for (const name of NAMES_BY_LENGTH[end - start] ?? NO_NAMES) if (text.startsWith(name, start)) return name;
  return undefined;
}

function skipSpace(text: string, at: number): number {
  let code = text.charCodeAt(at);
  while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = text.charCodeAt(++at);
  return at;
}

function skipString(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end + 1;
  }
  return text.length;
}

function skipValue(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first === QUOTE) return skipString(text, at);
  if (first !== OPEN_OBJECT && first !== OPEN_ARRAY) {
    let end = at;
    for (; end < text.length; end++) {
      const code = text.charCodeAt(end);
      if (code === COMMA || code === CLOSE_OBJECT || code === CLOSE_ARRAY || code <= 0x20) break;
    }
    return end;
  }
  let depth = 0;
  for (let end = at; end < text.length; end++) {
    const code = text.charCodeAt(end);
    if (code === QUOTE) end = skipString(text, end) - 1;
    else if (code === OPEN_OBJECT || code === OPEN_ARRAY) depth++;
    else if ((code === CLOSE_OBJECT || code === CLOSE_ARRAY) && --depth === 0) return end + 1;
  }
  return text.length;
}
