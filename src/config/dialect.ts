/**
 * The two spellings of the configuration and the one shape behind them.
 * TOML writes `snake_case` and `servers`, JSON writes `camelCase` and `mcpServers`; everything after this file
 * knows only the names of the schemas, and translates back when it speaks to the operator.
 */
import * as z from 'zod';
import { SPECIFICATION_VERSION } from './defaults.ts';
import type { Diagnostics } from './diagnostics.ts';
import { metaOf, unwrap } from './schema/field.ts';
import { type Dialect, isTable, type Path } from './sources/document.ts';

/** Names that do not follow the rule of their dialect. */
const IRREGULAR: Readonly<Record<string, Partial<Record<Dialect, string>>>> = {
  servers: { json: 'mcpServers' },
  customSchemas: { toml: 'custom_schemas' },
  guardPolicies: { json: 'guard-policies' },
  toolResponseFilters: { json: 'tool_response_filters' },
};

/** The name of a field as the dialect writes it. */
export function spell(field: string, dialect: Dialect): string {
  return (
    IRREGULAR[field]?.[dialect] ??
    (dialect === 'json' ? field : field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))
  );
}

/** One table of the document with its fields under the names of the schema. */
export interface Scope {
  readonly dialect: Dialect;
  /** Where the table stands, in the words of the text. */
  readonly path: Path;
  /** Prototype-less. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Names that no schema knows, as written. */
  readonly unknown: readonly string[];
  /** The table as written. */
  readonly original: Readonly<Record<string, unknown>>;
  readonly written: ReadonlyMap<string, string>;
  readonly inner: ReadonlyMap<string, Scope>;
}

/**
 * Reads a table against a schema. Unknown names are set aside and not reported: whether they are a fault depends on
 * the kind of server. A field that is written under two names is reported here.
 */
export function readScope(
  table: Readonly<Record<string, unknown>>,
  schema: z.ZodObject,
  path: Path,
  dialect: Dialect,
  log: Diagnostics,
): Scope {
  const values: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  const unknown: string[] = [];
  const written = new Map<string, string>();
  const inner = new Map<string, Scope>();
  const fields = new Map<string, string>();
  for (const [name, part] of Object.entries<z.core.$ZodType>(schema.shape)) {
    fields.set(spell(name, dialect), name);
    const older = metaOf(part)?.older?.[dialect];
    if (older !== undefined) fields.set(older, name);
    for (const alias of metaOf(part)?.aliases ?? []) fields.set(alias, name);
  }
  for (const [name, value] of Object.entries(table)) {
    const field = fields.get(name);
    if (field === undefined) {
      unknown.push(name);
      continue;
    }
    const canonical = spell(field, dialect);
    const earlier = written.get(field);
    if (earlier !== undefined) {
      log.error({
        path: [...path, name],
        message: `'${earlier}' and '${name}' are the same field under two names`,
        suggestion: `Keep '${canonical}'.`,
        atKey: true,
      });
      continue;
    }
    if (name !== canonical && metaOf(schema.shape[field] as z.core.$ZodType)?.aliases?.includes(name) !== true) {
      log.warn({
        path: [...path, name],
        message: `'${name}' is an older name of '${canonical}'`,
        suggestion: `Write '${canonical}'.`,
        atKey: true,
      });
    }
    written.set(field, name);
    const part = unwrap(schema.shape[field] as z.core.$ZodType);
    if (part instanceof z.ZodObject && isTable(value)) {
      const scope = readScope(value, part, [...path, name], dialect, log);
      for (const stray of scope.unknown) reportUnknown(scope, stray, log, Object.keys(part.shape));
      inner.set(field, scope);
      values[field] = scope.values;
    } else if (part instanceof z.ZodArray && part.element instanceof z.ZodObject && Array.isArray(value)) {
      const { element } = part;
      values[field] = value.map((entry: unknown, index) => {
        if (!isTable(entry)) return entry;
        const scope = readScope(entry, element, [...path, name, index], dialect, log);
        for (const stray of scope.unknown) reportUnknown(scope, stray, log, Object.keys(element.shape));
        inner.set(entryName(field, index), scope);
        return scope.values;
      });
    } else values[field] = value;
  }
  return { dialect, path, values, unknown, original: table, written, inner };
}

/** A path below a scope, from the names of the schema into the words of the text. */
export function writtenPath(scope: Scope, path: Path): Path {
  const [first, ...rest] = path;
  if (first === undefined) return scope.path;
  const name = typeof first === 'string' ? (scope.written.get(first) ?? spell(first, scope.dialect)) : first;
  const within = typeof first === 'string' ? scope.inner.get(first) : undefined;
  if (within !== undefined) return writtenPath(within, rest);
  const [index, ...beyond] = rest;
  const entry =
    typeof first === 'string' && typeof index === 'number' ? scope.inner.get(entryName(first, index)) : undefined;
  return entry === undefined ? [...scope.path, name, ...rest] : writtenPath(entry, beyond);
}

/** Under this the table at a place in an array is kept among the inner ones. */
function entryName(field: string, index: number): string {
  return `${field}[${index}]`;
}

/** Names that mean something in another gateway, another dialect or another place, and what to do with them here. */
const STRAYS: Readonly<Record<string, string>> = {
  working_directory: "A directory inside the container is 'workdir'; a host directory has no meaning for a container.",
  headers: 'Set OTEL_EXPORTER_OTLP_HEADERS in the environment instead.',
  rate_limit_threshold: 'Remove it: this version has no rate limits.',
  rate_limit_cooldown: 'Remove it: this version has no rate limits.',
  sample_rate: 'Remove it.',
};

export function reportUnknown(scope: Scope, name: string, log: Diagnostics, known: readonly string[] = []): void {
  const close = known.map((field) => spell(field, scope.dialect)).find((candidate) => sameLetters(candidate, name));
  const remedy =
    close === undefined ? (Object.hasOwn(STRAYS, name) ? STRAYS[name] : undefined) : `Did you mean '${close}'?`;
  log.error({
    path: [...scope.path, name],
    message: `unknown field '${name}'`,
    suggestion: `${remedy ?? 'Correct or remove it.'} (This gateway follows specification version ${SPECIFICATION_VERSION}; check the version that the configuration is written for.)`,
    atKey: true,
  });
}

/** `toolTimeout`, `tool_timeout`, `ToolTimeout` and `tool-timeout` are one word in four spellings; a single slip is allowed too. */
function sameLetters(one: string, other: string): boolean {
  const left = one.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  const right = other.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  return left === right || (left.length > 3 && oneSlipApart(left, right));
}

/** One letter more, less, different, or two swapped. */
function oneSlipApart(one: string, other: string): boolean {
  if (Math.abs(one.length - other.length) > 1) return false;
  let start = 0;
  while (start < one.length && one[start] === other[start]) start += 1;
  const rest = one.slice(start);
  const otherRest = other.slice(start);
  if (rest.slice(1) === otherRest.slice(1) || rest.slice(1) === otherRest || rest === otherRest.slice(1)) return true;
  return rest[0] === otherRest[1] && rest[1] === otherRest[0] && rest.slice(2) === otherRest.slice(2);
}
