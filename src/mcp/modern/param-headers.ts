/** Arguments that a tool wants repeated in headers (`x-mcp-header` in its input schema): found, made, and checked. */
import { isObject, type Json, type JsonObject } from '../message.ts';
import { decodeHeaderValue, encodeHeaderValue } from './header-value.ts';
import { mismatch, PARAM_PREFIX } from './headers.ts';

export interface ParamHeader {
  /** Lower-case name of the whole header. */
  readonly header: string;
  /** Where the argument stands below `arguments`. */
  readonly path: readonly string[];
  readonly type: 'string' | 'integer' | 'boolean';
}

export type SchemaScan =
  | { readonly valid: true; readonly headers: readonly ParamHeader[] }
  | { readonly valid: false; readonly reason: string };

const KEY = 'x-mcp-header';
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const MAX_DEPTH = 64;
const DECIMAL = /^-?\d+(?:\.\d+)?$/;

/** Members of a schema whose values are data and not schemas. */
const DATA = new Set(['const', 'default', 'enum', 'example', 'examples']);
/** Members whose values are schemas under names of the author's own. */
const NAMED = new Set(['properties', 'patternProperties', 'dependentSchemas', '$defs', 'definitions']);

/**
 * Collects the declarations of an input schema. They may stand only on properties that are reached through
 * `properties` alone; anywhere else they make the tool invalid, as does a name that is no token or is used twice.
 */
export function scanInputSchema(schema: Json | undefined): SchemaScan {
  const headers: ParamHeader[] = [];
  const reason = visit(schema, [], true, headers, 0);
  if (reason !== undefined) return { valid: false, reason };
  const names = headers.map(({ header }) => header);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  return twice === undefined ? { valid: true, headers } : { valid: false, reason: `${twice} is declared twice` };
}

function visit(
  node: Json | undefined,
  path: readonly string[],
  reachable: boolean,
  headers: ParamHeader[],
  depth: number,
): string | undefined {
  if (depth > MAX_DEPTH) return 'the schema is nested too deeply';
  if (Array.isArray(node)) return firstOf(node, (child) => visit(child as Json, path, false, headers, depth + 1));
  if (!isObject(node)) return undefined;
  if (node[KEY] !== undefined) {
    const header = declaration(node, path, reachable);
    if (typeof header === 'string') return header;
    headers.push(header);
  }
  return firstOf(Object.entries(node), ([key, child]) => {
    if (key === KEY || DATA.has(key)) return undefined;
    if (!NAMED.has(key) || !isObject(child)) return visit(child, [...path, `<${key}>`], false, headers, depth + 1);
    const chained = reachable && key === 'properties';
    return firstOf(Object.entries(child), ([name, schema]) =>
      visit(schema, [...path, name], chained, headers, depth + 1),
    );
  });
}

function declaration(node: JsonObject, path: readonly string[], reachable: boolean): ParamHeader | string {
  const place = path.length === 0 ? 'the schema itself' : path.join('.');
  if (!reachable || path.length === 0) return `${KEY} stands on ${place}, which is not reached by "properties" alone`;
  const { [KEY]: name, type } = node;
  if (typeof name !== 'string' || !TOKEN.test(name)) return `${KEY} of ${place} is not a header name`;
  if (type !== 'string' && type !== 'integer' && type !== 'boolean')
    return `${KEY} of ${place} needs the type string, integer or boolean`;
  return { header: `${PARAM_PREFIX}${name.toLowerCase()}`, path, type };
}

function firstOf<T>(items: Iterable<T>, look: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = look(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The headers that these arguments call for, by lower-case name. Null and missing arguments have none. */
export function paramHeaders(declared: readonly ParamHeader[], args: Json | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { header, path } of declared) {
    const text = primitiveText(valueAt(args, path));
    if (text !== undefined) headers[header] = encodeHeaderValue(text);
  }
  return headers;
}

/** Compares what a client sent in its headers with the arguments in the body. Throws `header_mismatch`. */
export function checkParamHeaders(
  declared: readonly ParamHeader[],
  args: Json | undefined,
  sent: ReadonlyMap<string, string>,
): void {
  for (const { header, path, type } of declared) {
    const value = valueAt(args, path);
    const text = primitiveText(value);
    if (text === undefined) continue;
    const raw = sent.get(header);
    if (raw === undefined) throw mismatch(`The header ${header} is missing; the body has ${path.join('.')}.`);
    const decoded = decodeHeaderValue(raw);
    if (decoded === undefined) throw mismatch(`The header ${header} holds no valid base64 of UTF-8.`);
    const alike =
      type === 'integer' && typeof value === 'number' && DECIMAL.test(decoded)
        ? Number(decoded) === value
        : decoded === text;
    if (!alike) throw mismatch(`The header ${header} differs from ${path.join('.')} in the body.`);
  }
}

function primitiveText(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  // A number beyond 2^53 was rounded when the body was parsed: a header made from it could lie.
  if (typeof value === 'number' && (!Number.isInteger(value) || Number.isSafeInteger(value))) return String(value);
  return undefined;
}

function valueAt(root: Json | undefined, path: readonly string[]): Json | undefined {
  let node = root;
  for (const key of path) {
    if (!isObject(node) || !Object.hasOwn(node, key)) return undefined;
    node = node[key];
  }
  return node;
}
