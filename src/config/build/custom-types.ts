/** Server types that the operator registers: names, addresses, and the check of an entry against the fetched JSON Schema. */
import type { AnySchemaObject, ErrorObject, ValidateFunction } from 'ajv';
import type { Diagnostics } from '../diagnostics.ts';
import { type Scope, spell, writtenPath } from '../dialect.ts';
import type { SchemaFetcher } from './schema-fetcher.ts';
import { isTable, type Path } from '../sources/document.ts';
import { RESERVED_TYPES } from './server-type.ts';

/** How many further documents one schema may refer to. */
const MAX_REMOTE_REFERENCES = 10;

/** Address of the schema by type name; '' where no check is wanted. */
export type CustomTypes = ReadonlyMap<string, string>;

/** Reads `customSchemas`; reports every fault. */
export function readCustomTypes(value: unknown, path: Path, log: Diagnostics): CustomTypes {
  const types = new Map<string, string>();
  if (value === undefined) return types;
  if (!isTable(value)) {
    log.error({
      path,
      message: `${String(path.at(-1))} must be an object of https URLs, got ${log.shown(path, value)}`,
      suggestion: 'Write {"my-type": "https://example.com/my-type.schema.json"}.',
    });
    return types;
  }
  for (const [name, address] of Object.entries(value)) {
    const at = [...path, name];
    if (RESERVED_TYPES.includes(name)) {
      log.error({
        path: at,
        message: `the type name '${name}' is reserved`,
        suggestion: 'Register the type under another name.',
        atKey: true,
      });
    } else if (!/^[a-z][a-z0-9-]*$/.test(name)) {
      log.error({
        path: at,
        message: 'a type name must start with a lower-case letter and have only lower-case letters, digits and hyphens',
        suggestion: 'Rename the type.',
        atKey: true,
      });
    } else if (typeof address !== 'string') {
      log.error({
        path: at,
        message: `custom schema URL must be a string, got ${log.shown(at, address)}`,
        suggestion: 'Write an https URL, or "" for no check.',
      });
    } else if (address !== '' && !(URL.canParse(address) && new URL(address).protocol === 'https:')) {
      log.error({
        path: at,
        message: `custom schema URL must use HTTPS, got ${log.shown(at, address)}`,
        suggestion: 'Write an https URL, or "" for no check.',
      });
    }
    // A name that was written counts as registered even when its address is wrong: one fault, one report.
    types.set(name, typeof address === 'string' ? address : '');
  }
  return types;
}

/** Checks entries against the schemas of their types. Each address is fetched once per checker. */
export function createTypeChecker(
  types: CustomTypes,
  typesPath: Path,
  fetchSchema: SchemaFetcher,
  log: Diagnostics,
): (scope: Scope, type: string) => Promise<void> {
  const texts = new Map<string, Promise<AnySchemaObject>>();
  const compiled = new Map<string, Promise<ValidateFunction | undefined>>();

  function load(address: string): Promise<AnySchemaObject> {
    const known = texts.get(address);
    if (known !== undefined) return known;
    const loading = (async () => {
      const url = new URL(address);
      if (url.protocol !== 'https:') throw new Error(`'${address}' does not use HTTPS`);
      if (texts.size > MAX_REMOTE_REFERENCES + types.size)
        throw new Error(`the schemas refer to more than ${MAX_REMOTE_REFERENCES} further documents`);
      const parsed = parseSchema(await fetchSchema(url), address);
      if (!isTable(parsed)) throw new Error(`'${address}' does not hold a JSON Schema object`);
      return parsed as AnySchemaObject;
    })();
    texts.set(address, loading);
    return loading;
  }

  async function compile(type: string, address: string): Promise<ValidateFunction | undefined> {
    try {
      const schema = await load(address);
      // Only now: few configurations have types of their own.
      const { ajvFor } = await import('./schema-compiler.ts');
      return await ajvFor(schema, load).compileAsync(schema);
    } catch (cause) {
      // The reason may quote the address, which may come from the environment.
      const origin = log.originOf([...typesPath, type]);
      const detail = cause instanceof Error ? cause.message : String(cause);
      const reason = origin === undefined ? detail : `'${origin.written}' cannot be fetched or holds no schema`;
      log.error({
        path: [...typesPath, type],
        message: `the schema of type '${type}' cannot be used: ${reason}`,
        suggestion:
          'Make the address reachable and its content a JSON Schema (draft 7 or 2020-12), or write "" for no check.',
      });
      return undefined;
    }
  }

  return async (scope, type) => {
    const address = types.get(type) ?? '';
    if (!URL.canParse(address) || new URL(address).protocol !== 'https:') return;
    let validator = compiled.get(type);
    if (validator === undefined) {
      validator = compile(type, address);
      compiled.set(type, validator);
    }
    const validate = await validator;
    if (validate === undefined || validate(jsonView(scope, type))) return;
    for (const error of validate.errors ?? []) {
      log.error({
        path: pathInText(scope, error),
        message: `${describe(error)} (schema of type '${type}')`,
        suggestion: `Write the entry as ${log.originOf([...typesPath, type])?.written ?? address} demands.`,
      });
    }
  };
}

/** A parser's own message would quote the document. */
function parseSchema(text: string, address: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`'${address}' does not hold JSON`, { cause });
  }
}

/** The entry in the spelling of JSON, which is what schemas are written for, whatever the dialect of the text. */
function jsonView(scope: Scope, type?: string): Record<string, unknown> {
  const view: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(scope.values)) {
    const inner = scope.inner.get(field);
    view[spell(field, 'json')] = inner === undefined ? value : jsonView(inner);
  }
  for (const name of scope.unknown) view[name] = scope.original[name];
  if (type !== undefined) view['type'] = type;
  return view;
}

function pathInText(scope: Scope, error: ErrorObject): Path {
  const steps = error.instancePath
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  const [first, ...rest] = steps.map((step) => (/^\d+$/.test(step) ? Number(step) : step));
  if (first === undefined) return scope.path;
  const field = Object.keys(scope.values).find((name) => spell(name, 'json') === first);
  return field === undefined ? [...scope.path, first, ...rest] : writtenPath(scope, [field, ...rest]);
}

function describe(error: ErrorObject): string {
  const params: Readonly<Record<string, unknown>> = error.params;
  const name = params['additionalProperty'] ?? params['unevaluatedProperty'];
  return `${error.message ?? 'is not valid'}${typeof name === 'string' ? `: '${name}'` : ''}`;
}
