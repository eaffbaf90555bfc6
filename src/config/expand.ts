/**
 * Replaces `${NAME}` in the values of a parsed document with variables of the process environment.
 * Only parsed strings are touched, never the text: a variable can change a value but not the structure around it.
 */
import { isTable, type Path, pathKey } from './sources/document.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const EXPRESSION = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** A value that came, wholly or in part, from the environment. */
export interface Origin {
  /** As it stands in the text; safe to show where the value is not. */
  readonly written: string;
  /** True when the text was exactly one expression, so that the value may also stand for a number or a boolean. */
  readonly whole: boolean;
}

export interface Expansion {
  readonly value: unknown;
  /** By `pathKey`. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** Expressions whose variable is not set. */
  readonly missing: readonly { readonly path: Path; readonly variable: string }[];
}

/** Expands every string below `value`. Replacements are not expanded again; names of fields are not touched. */
export function expand(value: unknown, env: Environment): Expansion {
  const origins = new Map<string, Origin>();
  const missing: { path: Path; variable: string }[] = [];

  function text(written: string, path: Path): string {
    const names = [...written.matchAll(EXPRESSION)];
    if (names.length === 0) return written;
    origins.set(pathKey(path), { written, whole: names.length === 1 && names[0]?.[0] === written });
    return written.replaceAll(EXPRESSION, (expression, variable: string) => {
      const replacement = Object.hasOwn(env, variable) ? env[variable] : undefined;
      if (replacement !== undefined) return replacement;
      if (!missing.some((known) => known.variable === variable && pathKey(known.path) === pathKey(path)))
        missing.push({ path, variable });
      return expression;
    });
  }

  function walk(inner: unknown, path: Path): unknown {
    if (typeof inner === 'string') return text(inner, path);
    if (Array.isArray(inner)) return inner.map((element: unknown, index) => walk(element, [...path, index]));
    if (!isTable(inner)) return inner;
    const table: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
    for (const [name, element] of Object.entries(inner)) table[name] = walk(element, [...path, name]);
    return table;
  }

  return { value: walk(value, []), origins, missing };
}
