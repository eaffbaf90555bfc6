/**
 * Finds where each value of a TOML text stands, so that errors can name line and column.
 * The parser (smol-toml) does not tell; this scanner reads only texts that the parser has accepted,
 * and its result is used for nothing but positions.
 */
import { type Path, pathKey } from './document.ts';

/** Offsets of the name and of the value. */
export interface Place {
  readonly key: number;
  readonly value: number;
}

/** Places by `pathKey`. The first mention of a table is its place. */
export function locateToml(text: string): ReadonlyMap<string, Place> {
  const scanner = new Scanner(text);
  scanner.document();
  return scanner.places;
}

class Scanner {
  readonly places = new Map<string, Place>();
  readonly #text: string;
  #at = 0;
  /** How many elements each array of tables has so far. */
  readonly #tableArrays = new Map<string, number>();

  constructor(text: string) {
    this.#text = text;
  }

  document(): void {
    let table: Path = [];
    for (this.#skipBlank(); this.#at < this.#text.length; this.#skipBlank()) {
      const before = this.#at;
      if (this.#peek() === '[') table = this.#header();
      else this.#pair(table);
      // Only a text that the parser would refuse can stop the scanner; give up rather than loop.
      if (this.#at === before) return;
    }
  }

  #header(): Path {
    const start = this.#at;
    const isArray = this.#text.startsWith('[[', this.#at);
    this.#at += isArray ? 2 : 1;
    const names = this.#dottedName();
    this.#at += isArray ? 2 : 1;
    const path: (string | number)[] = [];
    for (const [index, name] of names.entries()) {
      path.push(name.text);
      this.#remember(path, { key: start, value: start });
      const key = pathKey(path);
      const isLast = index === names.length - 1;
      const count = this.#tableArrays.get(key) ?? 0;
      if (isLast && isArray) {
        this.#tableArrays.set(key, count + 1);
        path.push(count);
        this.#remember(path, { key: start, value: start });
      } else if (count > 0) path.push(count - 1);
    }
    return path;
  }

  #pair(table: Path): void {
    const names = this.#dottedName();
    this.#skipSpace();
    if (this.#peek() !== '=') return;
    this.#at += 1;
    this.#skipSpace();
    const path = [...table];
    for (const [index, name] of names.entries()) {
      path.push(name.text);
      this.#remember(path, { key: name.at, value: index === names.length - 1 ? this.#at : name.at });
    }
    this.#value(path);
  }

  #value(path: Path): void {
    const first = this.#peek();
    if (first === '[') this.#array(path);
    else if (first === '{') this.#inlineTable(path);
    else if (first === '"' || first === "'") this.#string();
    else while (this.#at < this.#text.length && !/[,\]}\n\r#]/.test(this.#peek())) this.#at += 1;
  }

  #array(path: Path): void {
    this.#at += 1;
    for (let index = 0; ; index += 1) {
      this.#skipBlank();
      if (this.#at >= this.#text.length) return;
      if (this.#peek() === ']') break;
      const element = [...path, index];
      this.#remember(element, { key: this.#at, value: this.#at });
      this.#value(element);
      this.#skipBlank();
      if (this.#peek() !== ',') break;
      this.#at += 1;
    }
    this.#at += 1;
  }

  #inlineTable(path: Path): void {
    this.#at += 1;
    for (;;) {
      this.#skipBlank();
      if (this.#at >= this.#text.length) return;
      if (this.#peek() === '}') break;
      this.#pair(path);
      this.#skipBlank();
      if (this.#peek() !== ',') break;
      this.#at += 1;
    }
    this.#at += 1;
  }

  #dottedName(): { text: string; at: number }[] {
    const names: { text: string; at: number }[] = [];
    for (;;) {
      this.#skipSpace();
      const at = this.#at;
      if (this.#peek() === '"' || this.#peek() === "'") names.push({ text: this.#string(), at });
      else {
        while (/[A-Za-z0-9_-]/.test(this.#peek())) this.#at += 1;
        names.push({ text: this.#text.slice(at, this.#at), at });
      }
      this.#skipSpace();
      if (this.#peek() !== '.') return names;
      this.#at += 1;
    }
  }

  /** Passes a string of any of the four kinds and returns its text (escapes are decoded only where JSON knows them). */
  #string(): string {
    const quote = this.#peek();
    const start = this.#at;
    const isBlock = this.#text.startsWith(quote.repeat(3), this.#at);
    const end = isBlock ? quote.repeat(3) : quote;
    this.#at += end.length;
    while (this.#at < this.#text.length && !this.#text.startsWith(end, this.#at)) {
      this.#at += quote === '"' && this.#peek() === '\\' ? 2 : 1;
    }
    this.#at += end.length;
    // A block string may end with up to two quotes of its own before the three closing ones.
    if (isBlock) while (this.#peek() === quote) this.#at += 1;
    const raw = this.#text.slice(start, this.#at);
    if (quote === "'" || isBlock) return raw.slice(end.length, -end.length);
    try {
      return String(JSON.parse(raw));
    } catch {
      return raw.slice(1, -1);
    }
  }

  #remember(path: Path, place: Place): void {
    const key = pathKey(path);
    if (!this.places.has(key)) this.places.set(key, place);
  }

  #peek(): string {
    return this.#text[this.#at] ?? '';
  }

  #skipSpace(): void {
    while (this.#peek() === ' ' || this.#peek() === '\t') this.#at += 1;
  }

  /** Spaces, line ends and comments. */
  #skipBlank(): void {
    for (;;) {
      const here = this.#peek();
      if (here === '#') {
        const end = this.#text.indexOf('\n', this.#at);
        this.#at = end === -1 ? this.#text.length : end;
      } else if (here === ' ' || here === '\t' || here === '\n' || here === '\r') this.#at += 1;
      else return;
    }
  }
}
