/** Checks one table against its schema and turns every fault into a finding; returns the fields that are sound. */
import * as z from 'zod';
import type { Diagnostics } from '../diagnostics.ts';
import { reportUnknown, type Scope, spell, writtenPath } from '../dialect.ts';
import { type FieldMeta, fieldOf, metaOf, schemasAlong, unwrap } from '../schema/field.ts';
import { isTable, type Path } from '../sources/document.ts';

type Shape = z.core.$ZodShape;
type Sound<S extends Shape> = { readonly [K in keyof S]?: z.output<S[K]> };

/**
 * Reports everything that the schema finds, and returns each field that passed by itself, so that rules about
 * several fields can still be applied to the sound ones: all errors are reported at once.
 */
export function check<S extends Shape>(schema: z.ZodObject<S>, scope: Scope, log: Diagnostics): Sound<S> {
  const raw = withNumbers(scope.values, schema, scope, [], log) as Record<string, unknown>;
  const result = schema.safeParse(raw);
  if (result.success) return result.data as Sound<S>;
  for (const issue of result.error.issues) report(issue, schema, raw, scope, log);
  return soundPart(raw, schema) as Sound<S>;
}

/** What is left of a value when the unsound entries of its tables are dropped; undefined when nothing is. */
function soundPart(value: unknown, schema: z.core.$ZodType): unknown {
  const result = z.safeParse(schema, value);
  if (result.success) return result.data;
  const bare = unwrap(schema);
  if (!isTable(value) || !(bare instanceof z.ZodObject || bare instanceof z.ZodRecord)) return undefined;
  const sound: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [name, inner] of Object.entries(value)) {
    const part = bare instanceof z.ZodObject ? fieldOf(bare, name) : bare.valueType;
    const kept = part === undefined ? undefined : soundPart(inner, part);
    if (kept !== undefined) sound[name] = kept;
  }
  return sound;
}

/**
 * Where the text held exactly one expression and the schema wants a number or a boolean, the string that came from
 * the environment becomes one. Anything else stays as it is, for the schema to refuse.
 */
function withNumbers(value: unknown, schema: z.core.$ZodType, scope: Scope, path: Path, log: Diagnostics): unknown {
  const bare = unwrap(schema);
  if (typeof value === 'string') {
    if (log.originOf(writtenPath(scope, path))?.whole !== true) return value;
    if (isNumeric(bare) && /^-?\d+(?:\.\d+)?$/.test(value)) return Number(value);
    if (bare instanceof z.ZodBoolean && (value === 'true' || value === 'false')) return value === 'true';
    return value;
  }
  if (!isTable(value) || !(bare instanceof z.ZodObject)) return value;
  const table: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [name, inner] of Object.entries(value)) {
    const part = fieldOf(bare, name);
    table[name] = part === undefined ? inner : withNumbers(inner, part, scope, [...path, name], log);
  }
  return table;
}

function isNumeric(schema: z.core.$ZodType): boolean {
  return schema instanceof z.ZodNumber || (schema instanceof z.ZodUnion && schema.options.some(isNumeric));
}

function report(issue: z.core.$ZodIssue, schema: z.ZodObject, raw: unknown, scope: Scope, log: Diagnostics): void {
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) reportUnknown(scope, key, log, Object.keys(schema.shape));
    return;
  }
  const path = issue.path.filter((step) => typeof step !== 'symbol');
  const where = writtenPath(scope, path);
  const value = valueAt(raw, path);
  const chain = schemasAlong(schema, path);
  const metas = chain.map(metaOf);
  const meta = metas.at(-1);
  const expects = meta?.expects ?? enumeration(chain.at(-1)) ?? 'valid';
  const name = nameOf(where);
  if (value === undefined) {
    log.error({
      path: where,
      message: `'${name}' is required`,
      suggestion: meta?.hint ?? `Add '${name}': ${expects}.`,
    });
    return;
  }
  const isSecret = metas.some((one) => one?.secret === true);
  const got = isSecret ? '' : `, got ${log.shown(where, value)}`;
  log.error({
    path: where,
    message: `${name} must be ${expects}${got}`,
    suggestion: suggestionFor(meta, chain.at(-1), expects, value),
  });
}

function suggestionFor(
  meta: FieldMeta | undefined,
  schema: z.core.$ZodType | undefined,
  expects: string,
  value: unknown,
): string {
  if (meta?.hint !== undefined) return meta.hint;
  const bare = schema === undefined ? undefined : unwrap(schema);
  if (typeof value === 'string' && bare !== undefined && isNumeric(bare) && /^-?\d+$/.test(value))
    return 'Write the number without quotes.';
  if (bare instanceof z.ZodBoolean && (value === 'true' || value === 'false')) return 'Write it without quotes.';
  return `Write ${expects}.`;
}

function enumeration(schema: z.core.$ZodType | undefined): string | undefined {
  const bare = schema === undefined ? undefined : unwrap(schema);
  return bare instanceof z.ZodEnum ? `one of: ${bare.options.join(', ')}` : undefined;
}

/** The last name of a path with the indices after it: `mounts[0]`. */
function nameOf(path: Path): string {
  const from = path.findLastIndex((step) => typeof step === 'string');
  const indices = path.slice(from + 1).map((index) => `[${index}]`);
  return `${String(path[from] ?? 'the document')}${indices.join('')}`;
}

function valueAt(value: unknown, path: Path): unknown {
  let here = value;
  for (const step of path) {
    if (Array.isArray(here) && typeof step === 'number') here = here[step];
    else if (isTable(here) && typeof step === 'string') here = here[step];
    else return undefined;
  }
  return here;
}

/** The name of a field in the words of the scope's dialect. */
export function named(scope: Scope, field: string): string {
  return scope.written.get(field) ?? spell(field, scope.dialect);
}
