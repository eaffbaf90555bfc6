/** MCP servers in the management API, which calls them gateways: registering, changing and watching them. */
import { z } from 'zod';
import { anyServerFields } from '../../config/schema/server.ts';
import { accessFields, accessInput, descriptionSchema, tagsSchema, timeSchema } from './common.ts';

/** What stands in the place of a secret that is not shown. Sent back it means: as it was. */
export const MASK = '*****';

/** Fields of an entry in the configuration that make no sense here. */
const ONLY_IN_FILES = ['command', 'guard', 'guardPolicies', 'toolResponseFilters', 'auth'];

/** Every field of an entry in a JSON configuration. What may be in them is checked by the rules for files, with their remedies. */
const entryFields: Readonly<Record<string, z.ZodOptional<z.ZodUnknown>>> = Object.fromEntries(
  Object.entries<z.ZodType>(anyServerFields)
    .filter(([field]) => !ONLY_IN_FILES.includes(field))
    .map(([field, schema]) => [field, z.unknown().optional().meta(documented(schema))]),
);

/** What its own JSON Schema says, as documentation of a field that takes anything. */
function documented(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _version, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return rest;
}

const name = z
  .string()
  .max(64)
  .meta({ description: 'Unique. Letters, digits, `.`, `_` and `-`; it becomes part of the URL and of tool names.' });

const enabled = z.boolean().meta({ description: 'A disabled server is not connected, and nothing of it can be used.' });

export const gatewayInput = z
  .looseObject({
    ...entryFields,
    name,
    description: descriptionSchema.nullable().optional(),
    ...accessInput,
    tags: tagsSchema.default([]),
    enabled: enabled.default(true),
  })
  .meta({
    id: 'GatewayInput',
    description:
      'The fields of a server in a JSON configuration, with a name. `tls_config` with `ca_cert`, `client_cert` and `client_key` is `tls`; the flat fields of ContextForge (`auth_type`, `ca_certificate`, `client_cert`, `client_key`, `passthrough_headers`, …) are understood as well.',
  });

export const gatewayChange = z
  .looseObject({
    ...entryFields,
    name: name.optional(),
    description: descriptionSchema.nullable().optional(),
    ...accessInput,
    tags: tagsSchema.optional(),
    enabled: enabled.optional(),
    tlsChange: z.record(z.string(), z.unknown()).optional().meta({
      description:
        'Members of `tls` that change; the others stay, and null takes one away. `ca_certificate`, `client_cert` and `client_key` are this.',
    }),
  })
  .meta({
    id: 'GatewayChange',
    description: `What is left out stays as it is, what is null goes. "${MASK}" in the place of a secret means: as it was.`,
  });

export const gatewayTrial = z
  .looseObject({ ...entryFields, name: name.optional() })
  .meta({ id: 'GatewayTrial', description: 'As for a registration; the name may be left out.' });

const countsSchema = z
  .object({ tools: z.int(), resources: z.int(), resourceTemplates: z.int(), prompts: z.int() })
  .meta({ id: 'ItemCounts' });

const eraSchema = z.enum(['yes', 'no', 'unknown']);

const statusSchema = z
  .object({
    state: z.enum(['active', 'pending', 'disabled', 'shadowed', 'invalid']).meta({
      description:
        '`pending`: registered and not yet reached. `shadowed`: the configuration file has a server of this name. `invalid`: it does not hold any more, see `reason`.',
    }),
    reachable: z.boolean(),
    health: z.enum([
      'unknown',
      'starting',
      'healthy',
      'degraded',
      'unreachable',
      'auth-required',
      'tls-error',
      'stopped',
    ]),
    reason: z.string().nullable().meta({ description: 'Why it is not well.' }),
    since: timeSchema.nullable(),
    nextProbe: timeSchema.nullable().meta({ description: 'When it is tried again.' }),
    transport: z.string().nullable(),
    eras: z.object({ legacy: eraSchema, modern: eraSchema }).nullable(),
    counts: countsSchema.meta({ description: 'What it has listed last.' }),
  })
  .meta({ id: 'GatewayStatus' });

export const gatewaySchema = z
  .looseObject({
    ...entryFields,
    id: z.string().meta({ description: 'Stays the same for as long as the server is there.' }),
    name: z.string(),
    description: z.string().nullable(),
    ...accessFields,
    tags: z.array(z.string()),
    enabled: z.boolean(),
    source: z.object({ kind: z.enum(['file', 'store']), name: z.string().nullable() }).meta({
      description: 'What a file owns can only be changed there; `name` says in which.',
    }),
    status: statusSchema,
    createdAt: timeSchema.nullable(),
    updatedAt: timeSchema.nullable(),
  })
  .meta({ id: 'Gateway' });

const kindChange = z.object({
  added: z.int(),
  removed: z.int(),
  changed: z.int(),
  total: z.int().meta({ description: 'Items that there are now.' }),
});

export const refreshSchema = z
  .object({
    tools: kindChange,
    resources: kindChange,
    resourceTemplates: kindChange,
    prompts: kindChange,
    durationMs: z.number(),
  })
  .meta({ id: 'GatewayRefresh' });

export const failureClassSchema = z.enum(['transport', 'tls', 'auth', 'protocol', 'timeout']).meta({
  id: 'FailureClass',
});

const certificateSchema = z.object({
  subject: z.string(),
  issuer: z.string(),
  names: z.array(z.string()),
  serialNumber: z.string(),
  fingerprint: z.string(),
  validFrom: timeSchema,
  validUntil: timeSchema,
});

export const trialSchema = z
  .object({
    ok: z.boolean(),
    failure: z
      .object({ reason: failureClassSchema, code: z.string(), detail: z.string() })
      .nullable()
      .meta({ description: 'null when all went well.' }),
    path: z.array(z.string()).meta({ description: 'The wires that were tried, in their order.' }),
    transport: z.string().nullable(),
    era: z.enum(['legacy', 'modern']).nullable(),
    protocolVersion: z.string().nullable(),
    serverInfo: z.unknown(),
    capabilities: z.unknown(),
    counts: countsSchema.nullable(),
    timings: z.object({ connectMs: z.number().nullable(), discoverMs: z.number().nullable() }),
    certificates: z.array(certificateSchema).meta({ description: 'What the server has shown, leaf first.' }),
  })
  .meta({ id: 'GatewayTrialResult' });

export type GatewayBody = z.infer<typeof gatewaySchema>;
export type TrialBody = z.infer<typeof trialSchema>;
export type RefreshBody = z.infer<typeof refreshSchema>;
export type ItemCounts = z.infer<typeof countsSchema>;
export type FailureClass = z.infer<typeof failureClassSchema>;
