/** Takes secrets out of everything that is logged: by the name of a field, by known value, and by shape inside running text. */
import { errorRecord } from './error-record.ts';
import { nameRule, type NameRule } from './secret-names.ts';
import { createSecretValues, REDACTED } from './secret-values.ts';

/** How much of a value is kept. */
export interface Limits {
  readonly depth: number;
  /** Entries of one array or object. */
  readonly entries: number;
  /** UTF-16 units of one string. */
  readonly text: number;
}

/** A log line is read by people: what exceeds this belongs elsewhere. */
export const LINE_LIMITS: Limits = { depth: 8, entries: 200, text: 16_384 };

export interface Redactor {
  /** Values of at least 6 characters are from now on replaced wherever they occur. */
  addSecrets(values: Iterable<string>): void;
  text(text: string): string;
  /** A copy that `JSON.stringify` can always write: secrets replaced, errors as records, cycles and excess cut. Never throws. */
  value(value: unknown, limits?: Limits): unknown;
}

interface Shape {
  /** The pattern is tried only on text that contains this; most text contains none of them. */
  readonly sign: string;
  readonly pattern: RegExp;
  readonly replacement: string;
}

/**
 * Credentials that can be told by their shape. Every repetition is anchored by what precedes it, so that no text,
 * however hostile, makes the search more than linear.
 */
const SHAPES: readonly Shape[] = [
  { sign: ' ', pattern: /\b(bearer|basic) {1,4}[A-Za-z0-9._~+/=-]{8,}/gi, replacement: `$1 ${REDACTED}` },
  { sign: '://', pattern: /:\/\/[^\s/@:"']{0,256}:[^\s/@"']{1,256}@/g, replacement: `://${REDACTED}@` },
  {
    sign: '=',
    pattern: /(token|secret|password|passwd|api_?key|signature)=[^\s&"',;#]{4,}/gi,
    replacement: `$1=${REDACTED}`,
  },
  {
    sign: '"',
    pattern:
      /(token|secret|password|passwd|api_?key|authorization|cookie)(\\?"[ \t]{0,4}:[ \t]{0,4}\\?")[^\s"\\]{4,}/gi,
    replacement: `$1$2${REDACTED}`,
  },
  { sign: '_', pattern: /(?<![A-Za-z0-9_])(?:gh[opsur]_|github_pat_)[A-Za-z0-9_]{20,}/g, replacement: REDACTED },
  { sign: 'gth_', pattern: /(?<![A-Za-z0-9_-])gth_[A-Za-z0-9_-]{20,}/g, replacement: REDACTED },
  {
    sign: 'eyJ',
    pattern: /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?/g,
    replacement: REDACTED,
  },
  {
    sign: 'PRIVATE KEY',
    pattern: /(-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----)[A-Za-z0-9+/=\s\\]*/g,
    replacement: `$1${REDACTED}`,
  },
];

export function createRedactor(): Redactor {
  const values = createSecretValues();
  const text = (input: string): string => {
    let output = values.replace(input);
    for (const { sign, pattern, replacement } of SHAPES) {
      if (output.includes(sign)) output = output.replace(pattern, replacement);
    }
    return output;
  };
  return {
    addSecrets: (secrets) => values.add(secrets),
    text,
    value: (value, limits = LINE_LIMITS) =>
      new Copy(text, (name) => values.replace(name), limits).of(value, 'none', '', 0),
  };
}

/** One walk over one value; it remembers the objects that it is inside of, to cut cycles. */
class Copy {
  readonly #text: (text: string) => string;
  /** For names of fields: known values only, because a name has no room for a shape. */
  readonly #key: (name: string) => string;
  readonly #limits: Limits;
  readonly #inside = new Set<object>();

  constructor(text: (text: string) => string, key: (name: string) => string, limits: Limits) {
    this.#text = text;
    this.#key = key;
    this.#limits = limits;
  }

  of(value: unknown, rule: NameRule, name: string, depth: number): unknown {
    switch (typeof value) {
      case 'string':
        return rule === 'none' ? this.#string(value) : REDACTED;
      case 'number':
        return rule === 'all' ? REDACTED : value;
      case 'bigint':
        return rule === 'all' ? REDACTED : value.toString();
      case 'object':
        return value === null ? null : this.#object(value, rule, name, depth);
      case 'boolean':
        return value;
      default:
        return undefined;
    }
  }

  #string(value: string): string {
    if (value.length <= this.#limits.text) return this.#text(value);
    // Cut only after the search: a secret that lies across the cut must not be left behind by half.
    const whole = this.#text(value);
    return whole.length <= this.#limits.text
      ? whole
      : `${whole.slice(0, this.#limits.text)}… (${whole.length} characters)`;
  }

  #object(value: object, rule: NameRule, name: string, depth: number): unknown {
    if (depth >= this.#limits.depth) return '[too deep]';
    if (this.#inside.has(value)) return '[circular]';
    this.#inside.add(value);
    try {
      if (Array.isArray(value)) return this.#array(value, rule, name, depth);
      if (value instanceof Error) return this.#fields(errorRecord(value), rule, name, depth);
      if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
      if (value instanceof Map) return this.of(Object.fromEntries<unknown>(value), rule, name, depth + 1);
      if (value instanceof Set) return this.#array([...value], rule, name, depth);
      if (hasToJson(value)) return this.of(value.toJSON(), rule, name, depth + 1);
      return this.#fields(value, rule, name, depth);
    } catch {
      return '[cannot be shown]';
    } finally {
      this.#inside.delete(value);
    }
  }

  #array(items: readonly unknown[], rule: NameRule, name: string, depth: number): unknown[] {
    const { entries } = this.#limits;
    const copy = items.slice(0, entries).map((item) => this.of(item, rule, name, depth + 1) ?? null);
    if (items.length > entries) copy.push(`… (${items.length} entries)`);
    return copy;
  }

  #fields(value: object, rule: NameRule, name: string, depth: number): Record<string, unknown> {
    // A null prototype: a field called `__proto__` is then a field like any other.
    const copy: Record<string, unknown> = Object.create(null);
    let count = 0;
    for (const [key, field] of Object.entries(value)) {
      count += 1;
      if (count > this.#limits.entries) {
        copy['…'] = 'more entries';
        break;
      }
      copy[this.#key(key)] = this.of(field, this.#ruleOf(key, field, rule, name), key, depth + 1);
    }
    return copy;
  }

  /** `properties` of a JSON Schema lists names of parameters: what stands under `token` there describes a token, it is none. */
  #ruleOf(key: string, field: unknown, outer: NameRule, parent: string): NameRule {
    if (outer !== 'none') return outer;
    return parent === 'properties' && typeof field === 'object' ? 'none' : nameRule(key);
  }
}

function hasToJson(value: object): value is { toJSON(): unknown } {
  return 'toJSON' in value && typeof value.toJSON === 'function';
}
