/** Tools, resources and prompts in the management API: what servers list, with what operators have changed about it. */
import { z } from 'zod';
import { descriptionSchema, rowFields, tagsSchema } from './common.ts';

const annotations = z.record(z.string(), z.unknown());

const title = z.string().min(1).max(500);
const changes = {
  title: title.nullable().meta({ description: 'null = as the server says.' }),
  description: descriptionSchema.nullable().meta({ description: 'null = as the server says.' }),
  annotations: annotations.nullable().meta({
    description: 'Laid over the annotations of the server; null = as the server says.',
  }),
  tags: tagsSchema,
  enabled: z.boolean().meta({ description: 'What is disabled is in no listing and cannot be called.' }),
};

const newName = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'may have letters, digits, "_", "." and "-", 64 at most')
  .nullable()
  .meta({
    description:
      'The name under which clients see it on every endpoint; unique. null = the name that the endpoint gives it.',
  });

/** What is left out stays as it is. */
export const namedItemChange = z
  .strictObject({ name: newName, ...changes })
  .partial()
  .meta({ id: 'NamedItemChange' });
export const resourceChange = z.strictObject(changes).partial().meta({ id: 'ResourceChange' });

const itemFields = {
  ...rowFields,
  server: z.string().meta({ description: 'Name of the MCP server.' }),
  serverId: z.string(),
  title: z.string().nullable(),
  description: z.string().nullable(),
  annotations: annotations.nullable(),
  tags: z.array(z.string()),
  enabled: z.boolean(),
  listed: z.boolean().meta({ description: 'False when the server does not list it any more.' }),
  reachable: z.boolean().meta({ description: 'False while its server cannot be reached or is disabled.' }),
  changed: z.array(z.string()).meta({ description: 'Names of the fields that are not as the server says.' }),
  definition: z.record(z.string(), z.unknown()).meta({ description: 'As the server lists it, unchanged.' }),
};

const namedFields = {
  name: z.string().meta({ description: "Name on the server's own endpoint." }),
  unifiedName: z.string().meta({ description: 'Name on the endpoint for all servers.' }),
  originalName: z.string().meta({ description: 'Name that the server gives it.' }),
};

export const toolSchema = z
  .object({
    ...itemFields,
    ...namedFields,
    allowed: z.boolean().meta({ description: 'False when the `tools` list of its server leaves it out.' }),
  })
  .meta({ id: 'Tool' });

export const promptSchema = z.object({ ...itemFields, ...namedFields }).meta({ id: 'Prompt' });

export const resourceSchema = z
  .object({
    ...itemFields,
    uri: z.string().optional().meta({ description: 'Missing for a template.' }),
    uriTemplate: z.string().optional().meta({ description: 'Missing for a resource that is no template.' }),
    mimeType: z.string().nullable(),
  })
  .meta({ id: 'Resource' });

export type ItemChange = z.output<typeof namedItemChange>;
