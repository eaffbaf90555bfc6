/** A configuration text after parsing: plain values, and the place in the text where each of them stands. */
import type { Diagnostic } from '../config.ts';

/** The two spellings in which a configuration may be written. */
export type Dialect = 'toml' | 'json';

/** Steps from the root to a value, in the words of the text. */
export type Path = readonly (string | number)[];

/** 1-based; columns count UTF-16 units, as editors do. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface SourceDocument {
  readonly dialect: Dialect;
  /** Strings, numbers, booleans, null, arrays and prototype-less objects; TOML dates stay Date objects. */
  readonly value: unknown;
  /** Where the name (`key`) or the value stands; undefined when the path is not in the text. */
  positionOf(path: Path, part: 'key' | 'value'): Position | undefined;
}

export type ParsedSource =
  | { readonly ok: true; readonly document: SourceDocument }
  | { readonly ok: false; readonly errors: readonly Diagnostic[] };

/** One string for one path, for use as the key of a Map or Set. */
export function pathKey(path: Path): string {
  return JSON.stringify(path);
}

/** `servers.github.args[4]`; names that are not bare words are quoted. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else {
      const name = /^[A-Za-z0-9_-]+$/.test(step) ? step : JSON.stringify(step);
      text += text === '' ? name : `.${name}`;
    }
  }
  return text;
}

/** Turns offsets into lines and columns; the lines are found once. */
export function lineIndex(text: string): (offset: number) => Position {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
  };
}

/** True for objects that stand for a table; arrays and dates are not tables. */
export function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** No configuration needs more; recursion over deeper ones could exhaust the stack. */
const MAX_DEPTH = 64;

/** True for a value with more levels of tables and arrays than any configuration has. Does not recurse. */
export function isTooDeep(value: unknown): boolean {
  let level = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MAX_DEPTH) return true;
    level = level.flatMap((one) => (Array.isArray(one) ? (one as unknown[]) : isTable(one) ? Object.values(one) : []));
  }
  return false;
}

/** The finding for such a value. */
export const TOO_DEEP: Diagnostic = {
  severity: 'error',
  path: '',
  message: 'the document is nested too deeply',
  suggestion: 'A configuration needs no more than a handful of levels.',
};
