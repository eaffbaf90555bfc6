/** Takes the secret values out of the entry of a server, and puts them back: what the store encrypts and what it does not. */
import type * as z from 'zod';
import { Diagnostics } from './diagnostics.ts';
import { readScope } from './dialect.ts';
import { fieldOf, metaOf, unwrap } from './schema/field.ts';
import { anyServerSchema } from './schema/server.ts';
import { isTable } from './sources/document.ts';
import { ZodObject, ZodRecord } from 'zod';

export type Entry = Readonly<Record<string, unknown>>;

export interface SeparatedEntry {
  /** The entry without its secret values. */
  readonly document: Entry;
  /** The secret values by their JSON pointer (RFC 6901), such as `/headers/Authorization`. */
  readonly secrets: Readonly<Record<string, string>>;
}

/** Which values are secret is said by the schema; a key that is the path of a file is none. Fields must have their canonical names. */
export function separateSecrets(entry: Entry): SeparatedEntry {
  const secrets: Record<string, string> = {};
  const walk = (value: unknown, schema: z.core.$ZodType | undefined, pointer: string, isSecret: boolean): unknown => {
    const secret = isSecret || (schema !== undefined && metaOf(schema)?.secret === true);
    if (typeof value === 'string' && secret && !isPath(pointer, value)) {
      secrets[pointer] = value;
      return undefined;
    }
    if (!isTable(value)) return value;
    const table: Record<string, unknown> = {};
    for (const [name, inner] of Object.entries(value)) {
      const kept = walk(inner, schema && partOf(schema, name), `${pointer}/${escape(name)}`, secret);
      if (kept !== undefined) table[name] = kept;
    }
    return table;
  };
  const document = walk(entry, anyServerSchema, '', false);
  return { document: isTable(document) ? document : {}, secrets };
}

/** The whole entry again. `shown` gives what stands in the place of each secret; by default the secret itself. */
export function joinSecrets(
  { document, secrets }: SeparatedEntry,
  shown: (secret: string) => string = (secret) => secret,
): Entry {
  const whole = structuredClone(document) as Record<string, unknown>;
  for (const [pointer, secret] of Object.entries(secrets)) {
    const steps = pointer.split('/').slice(1).map(unescape);
    const last = steps.pop();
    if (last === undefined) continue;
    let here = whole;
    for (const step of steps) {
      const inner = Object.hasOwn(here, step) ? here[step] : undefined;
      const next: Record<string, unknown> = isTable(inner) ? inner : {};
      put(here, step, next);
      here = next;
    }
    put(here, last, shown(secret));
  }
  return whole;
}

/** The entry under the canonical names of its fields; names that nobody knows stay, for the check to report. */
export function canonicalEntry(entry: Entry): Entry {
  const nowhere = new Diagnostics({ dialect: 'json', value: entry, positionOf: () => undefined }, new Map());
  const { values, unknown } = readScope(entry, anyServerSchema, [], 'json', nowhere);
  if (nowhere.errors.length > 0) return entry;
  return structuredClone({ ...values, ...Object.fromEntries(unknown.map((name) => [name, entry[name]])) });
}

/** A key is a path or PEM text. */
function isPath(pointer: string, value: string): boolean {
  return pointer === '/tls/key' && !value.includes('-----BEGIN');
}

function partOf(schema: z.core.$ZodType, name: string): z.core.$ZodType | undefined {
  const bare = unwrap(schema);
  if (bare instanceof ZodObject) return fieldOf(bare, name);
  return bare instanceof ZodRecord ? bare.valueType : undefined;
}

/** Never a setter of the prototype. */
function put(table: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(table, name, { value, enumerable: true, configurable: true, writable: true });
}

function escape(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

function unescape(step: string): string {
  return step.replaceAll('~1', '/').replaceAll('~0', '~');
}
