/** The JSON Schema compiler for the draft that a schema is written in. */
import { Ajv, type AnySchemaObject } from 'ajv';
import addFormats from 'ajv-formats';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Ajv2020 } from 'ajv/dist/2020.js';

/** `load` gives the documents that a schema refers to, by address. */
export function ajvFor(schema: AnySchemaObject, load: (address: string) => Promise<AnySchemaObject>): Ajv {
  const options = { allErrors: true, strict: false, validateFormats: true, loadSchema: load, logger: false } as const;
  const dialect =
    typeof schema['$schema'] === 'string'
      ? schema['$schema'].replace(/#$/, '')
      : 'https://json-schema.org/draft/2020-12/schema';
  const ajv = /draft-07/.test(dialect)
    ? new Ajv(options)
    : /2019-09/.test(dialect)
      ? new Ajv2019(options)
      : /2020-12/.test(dialect)
        ? new Ajv2020(options)
        : undefined;
  if (ajv === undefined) throw new Error(`it is written for '${dialect}'; draft 7, 2019-09 and 2020-12 are supported`);
  addFormats.default(ajv);
  return ajv;
}
