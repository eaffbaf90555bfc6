/** The JSON Schema of the configuration in either spelling, generated from the schemas that check it. */
import * as z from 'zod';
import { RESERVED_TYPES } from './build/server-type.ts';
import { spell } from './dialect.ts';
import { documentSchema } from './schema/document.ts';
import { field, fieldOf, metaOf, unwrap } from './schema/field.ts';
import { gatewaySchema, gatewaySchemaJson } from './schema/gateway.ts';
import { commandServerSchema, containerServerSchema, httpServerSchema } from './schema/server.ts';
import type { Dialect } from './sources/document.ts';

/** A node of a JSON Schema document. */
export interface JsonSchema {
  [keyword: string]: unknown;
}

const EXPRESSION = '^[\\s\\S]*\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}[\\s\\S]*$';

/** The schema (draft 2020-12) of a configuration in this dialect. Rules about several fields are in the program only. */
export function configurationJsonSchema(dialect: Dialect): JsonSchema {
  const gateway = dialect === 'json' ? gatewaySchemaJson : gatewaySchema;
  const container: z.ZodObject =
    dialect === 'json' ? containerServerSchema.required({ container: true }) : commandServerSchema;
  const document = documentSchema.shape;
  const servers = spell('servers', dialect);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Gatehouse configuration',
    description: `Configuration of the Gatehouse MCP gateway, as written in ${dialect === 'json' ? 'JSON' : 'TOML'}.`,
    type: 'object',
    properties: {
      [servers]: {
        type: 'object',
        description: metaOf(document.servers)?.description,
        propertyNames: { pattern: '^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$' },
        additionalProperties: {
          anyOf: [
            { $ref: '#/$defs/containerServer' },
            { $ref: '#/$defs/httpServer' },
            { $ref: '#/$defs/customServer' },
          ],
        },
      },
      gateway: { $ref: '#/$defs/gateway' },
      [spell('customSchemas', dialect)]: {
        type: 'object',
        description: metaOf(document.customSchemas)?.description,
        propertyNames: { pattern: '^[a-z][a-z0-9-]*$', not: { enum: [...RESERVED_TYPES] } },
        additionalProperties: { type: 'string', pattern: '^(https://.+)?$' },
      },
    },
    required: dialect === 'json' ? [servers, 'gateway'] : [servers],
    additionalProperties: false,
    $defs: {
      gateway: {
        ...generate(gateway, dialect),
        description: metaOf(document.gateway)?.description,
        ...(dialect === 'json'
          ? { oneOf: [{ required: ['agentId'] }, { required: ['agentIds'] }, { required: ['apiKey'] }] }
          : {}),
      },
      containerServer: {
        ...generate(withTypes(container, '^\\s*([sS][tT][dD][iI][oO]|[lL][oO][cC][aA][lL])\\s*$'), dialect),
        description: 'A server in a container of its own.',
      },
      httpServer: {
        ...generate(withTypes(httpServerSchema, '^\\s*[hH][tT][tT][pP]\\s*$').required({ type: true }), dialect),
        description: 'A server that is reached over HTTP.',
      },
      customServer: {
        type: 'object',
        description: 'A server of a registered type, which its own schema describes. It runs in a container.',
        properties: {
          type: {
            type: 'string',
            not: { pattern: '^\\s*([sS][tT][dD][iI][oO]|[lL][oO][cC][aA][lL]|[hH][tT][tT][pP])\\s*$' },
          },
        },
        required: ['type'],
      },
      expression: {
        type: 'string',
        pattern: EXPRESSION,
        description: 'Holds `${NAME}`, which is replaced by a variable of the environment.',
      },
    },
  };
}

function withTypes(schema: z.ZodObject, pattern: string): z.ZodObject {
  const type = field(z.string().regex(new RegExp(pattern)), {
    description: 'The kind of the server; case and surrounding spaces do not matter.',
  }).optional();
  return z.strictObject({ ...schema.shape, type });
}

/** Spells the names of objects, and lets an expression stand wherever a value is bound by more than "a string". */
function generate(schema: z.ZodObject, dialect: Dialect): JsonSchema {
  const generated: JsonSchema = { ...z.toJSONSchema(schema, { io: 'input', reused: 'inline' }) };
  delete generated['$schema'];
  return respell(generated, schema, dialect);
}

function respell(node: JsonSchema, schema: z.core.$ZodType | undefined, dialect: Dialect): JsonSchema {
  const result: JsonSchema = { ...node };
  const bare = schema === undefined ? undefined : unwrap(schema);
  if (bare instanceof z.ZodObject) {
    const properties: Record<string, JsonSchema> = {};
    for (const [name, value] of Object.entries(asSchema(node['properties']) ?? {})) {
      const part = fieldOf(bare, name);
      const spelled = respell(asSchema(value) ?? {}, part, dialect);
      properties[spell(name, dialect)] = spelled;
      const older = part === undefined ? undefined : metaOf(part)?.older?.[dialect];
      // An editor should not mark an older name as unknown.
      if (older !== undefined)
        properties[older] = { ...spelled, deprecated: true, description: `Older name of \`${spell(name, dialect)}\`.` };
    }
    result['properties'] = properties;
    if (Array.isArray(node['required']))
      result['required'] = node['required'].map((name) => spell(String(name), dialect));
    return result;
  }
  const element = bare instanceof z.ZodArray ? bare.element : bare instanceof z.ZodRecord ? bare.valueType : undefined;
  for (const keyword of ['items', 'additionalProperties']) {
    const inner = asSchema(node[keyword]);
    if (inner !== undefined) result[keyword] = respell(inner, element, dialect);
  }
  const isBound =
    ['integer', 'number', 'boolean'].includes(String(node['type'])) ||
    'pattern' in node ||
    'enum' in node ||
    'anyOf' in node;
  if (!isBound) return result;
  const { description, ...rule } = result;
  const branches = Array.isArray(rule['anyOf']) ? rule['anyOf'] : [rule];
  return {
    ...(description === undefined ? {} : { description }),
    anyOf: [...branches, { $ref: '#/$defs/expression' }],
  };
}

function asSchema(value: unknown): JsonSchema | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonSchema) : undefined;
}
