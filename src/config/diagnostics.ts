/** Collects what is wrong with a configuration, each finding with its place in the text and without any secret. */
import type { Diagnostic } from './config.ts';
import type { Origin } from './expand.ts';
import { formatPath, isTable, type Path, pathKey, type SourceDocument } from './sources/document.ts';

export interface Finding {
  /** In the words of the text. */
  readonly path: Path;
  readonly message: string;
  readonly suggestion: string;
  /** Point at the name of the field instead of its value. */
  readonly atKey?: boolean;
}

export class Diagnostics {
  readonly #found: Diagnostic[] = [];
  readonly #silenced = new Set<string>();
  readonly #document: SourceDocument;
  readonly #origins: ReadonlyMap<string, Origin>;

  constructor(document: SourceDocument, origins: ReadonlyMap<string, Origin>) {
    this.#document = document;
    this.#origins = origins;
  }

  error(finding: Finding): void {
    this.#add('error', finding);
  }

  warn(finding: Finding): void {
    this.#add('warning', finding);
  }

  /** A finding about something outside the text: an environment variable or a flag. */
  errorOutside(name: string, message: string, suggestion: string): void {
    this.#found.push({ severity: 'error', path: name, message, suggestion });
  }

  warnOutside(name: string, message: string, suggestion: string): void {
    this.#found.push({ severity: 'warning', path: name, message, suggestion });
  }

  /** In the order of the text. */
  get errors(): readonly Diagnostic[] {
    return this.#found.filter((finding) => finding.severity === 'error').toSorted(byPlace);
  }

  get warnings(): readonly Diagnostic[] {
    return this.#found.filter((finding) => finding.severity === 'warning').toSorted(byPlace);
  }

  /** How the value at `path` may be quoted: what came from the environment appears as the expression that was written. */
  shown(path: Path, value: unknown): string {
    const origin = this.#origins.get(pathKey(path));
    if (origin !== undefined) return `the value of '${origin.written}'`;
    if (typeof value === 'string') return `'${shorten(value)}'`;
    if (value instanceof Date) return 'a date';
    if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
    if (isTable(value)) return 'an object';
    return String(value);
  }

  /** The expression behind the value, when it came from the environment. */
  originOf(path: Path): Origin | undefined {
    return this.#origins.get(pathKey(path));
  }

  /** After this nothing more is said about the value at `path`: it could not be known, so it cannot be judged. */
  silence(path: Path): void {
    this.#silenced.add(formatPath(path));
  }

  #add(severity: Diagnostic['severity'], { path, message, suggestion, atKey }: Finding): void {
    const where = formatPath(path);
    if (this.#silenced.has(where)) return;
    this.#found.push({ severity, path: where, message, suggestion, ...this.#place(path, atKey === true) });
  }

  /** The place of the value; of what surrounds it when the value is missing. */
  #place(path: Path, atKey: boolean): { line: number; column: number } | undefined {
    for (let length = path.length; length >= 0; length -= 1) {
      const place = this.#document.positionOf(path.slice(0, length), atKey && length === path.length ? 'key' : 'value');
      if (place !== undefined) return place;
    }
    return undefined;
  }
}

function byPlace(one: Diagnostic, other: Diagnostic): number {
  return (one.line ?? 0) - (other.line ?? 0) || (one.column ?? 0) - (other.column ?? 0);
}

function shorten(text: string): string {
  const printable = text.replaceAll(
    /[\p{Cc}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return printable.length <= 120 ? printable : `${printable.slice(0, 117)}...`;
}
