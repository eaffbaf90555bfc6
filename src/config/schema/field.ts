/** What every field of the configuration schemas says about itself beside its type. */
import * as z from 'zod';

export interface FieldMeta {
  /** For the reference page and the JSON Schema. */
  readonly description: string;
  /** Completes "X must be …" in error texts. */
  readonly expects?: string;
  /** The suggestion under an error; when absent, one is made from `expects`. */
  readonly hint?: string;
  /** The value never appears in a message. */
  readonly secret?: boolean;
  /** The default in words, where it is not a fixed value or is applied after parsing. */
  readonly fallback?: string;
  /** Older names that are still read, by dialect. */
  readonly older?: { readonly toml?: string; readonly json?: string };
  /** Names of other gateways that mean the same, in both dialects; read without a warning. */
  readonly aliases?: readonly string[];
}

const registry = new WeakMap<z.core.$ZodType, FieldMeta>();

/** Describes a schema. The description also reaches the JSON Schema that zod generates. */
export function field<T extends z.ZodType>(schema: T, meta: FieldMeta): T {
  const described = schema.describe(meta.description);
  registry.set(described, meta);
  return described;
}

/** The meta of a field, looked for through `optional`. */
export function metaOf(schema: z.core.$ZodType): FieldMeta | undefined {
  return registry.get(schema) ?? (schema instanceof z.ZodOptional ? metaOf(schema.unwrap()) : undefined);
}

/** The schema without `optional`. */
export function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional ? unwrap(schema.unwrap()) : schema;
}

/** The schemas met on the way down `path`, outermost first; ends early where the path leaves the schema. */
export function schemasAlong(schema: z.core.$ZodType, path: readonly PropertyKey[]): z.core.$ZodType[] {
  const met = [schema];
  let here: z.core.$ZodType | undefined = schema;
  for (const step of path) {
    here = childOf(here, step);
    if (here === undefined) break;
    met.push(here);
  }
  return met;
}

/** The schema of one field; undefined where the object has none of this name. */
export function fieldOf(schema: z.ZodObject, name: string): z.core.$ZodType | undefined {
  const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape;
  return Object.hasOwn(shape, name) ? shape[name] : undefined;
}

function childOf(schema: z.core.$ZodType, step: PropertyKey): z.core.$ZodType | undefined {
  const bare = unwrap(schema);
  if (bare instanceof z.ZodObject) return fieldOf(bare, String(step));
  if (bare instanceof z.ZodArray) return bare.element;
  if (bare instanceof z.ZodRecord) return bare.valueType;
  return undefined;
}
