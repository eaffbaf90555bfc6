/** Virtual servers in the management API: named selections of what the servers offer, with endpoints of their own. */
import { z } from 'zod';
import { accessFields, accessInput, descriptionSchema, nameSchema, rowFields, tagsSchema } from './common.ts';

const serverName = z.string().min(1).max(200).meta({ description: 'Name of the MCP server.' });
const itemId = z.string().min(1).max(64).meta({ description: 'Id from `/tools`, `/resources` or `/prompts`.' });

const byName = z.strictObject({ server: serverName, name: z.string().min(1).max(1_024) });
const byUri = z.strictObject({ server: serverName, uri: z.string().min(1).max(4_096) });
const byTemplate = z.strictObject({ server: serverName, uriTemplate: z.string().min(1).max(4_096) });

const MAX_ITEMS = 5_000;
const namedItems = z.array(z.union([itemId, byName])).max(MAX_ITEMS);
const resourceItems = z.array(z.union([itemId, byUri, byTemplate])).max(MAX_ITEMS);

const selection = {
  tools: namedItems.meta({ description: 'Ids, or names as the servers give them.' }),
  resources: resourceItems.meta({ description: 'Ids, or URIs and URI templates as the servers give them.' }),
  prompts: namedItems.meta({ description: 'Ids, or names as the servers give them.' }),
};

const name = nameSchema.meta({ description: 'Unique. The endpoints can be reached by it as well as by the id.' });

export const virtualServerInput = z
  .strictObject({
    name,
    description: descriptionSchema.nullable().optional(),
    ...accessInput,
    tags: tagsSchema.default([]),
    tools: selection.tools.default([]),
    resources: selection.resources.default([]),
    prompts: selection.prompts.default([]),
    enabled: z.boolean().default(true),
  })
  .meta({ id: 'VirtualServerInput' });

/** What is left out stays as it is. */
export const virtualServerChange = z
  .strictObject({
    name,
    description: descriptionSchema.nullable(),
    ...accessInput,
    tags: tagsSchema,
    ...selection,
    enabled: z.boolean(),
  })
  .partial()
  .meta({ id: 'VirtualServerChange' });

const selectedName = z.object({ id: z.string().nullable(), server: z.string(), name: z.string() });
const selectedResource = z.object({
  id: z.string().nullable(),
  server: z.string(),
  uri: z.string().optional(),
  uriTemplate: z.string().optional(),
});

export const virtualServerSchema = z
  .object({
    ...rowFields,
    name: z.string(),
    description: z.string().nullable(),
    ...accessFields,
    tags: z.array(z.string()),
    enabled: z.boolean(),
    inUse: z.boolean().meta({
      description: 'True when the endpoints are there: enabled, and part of the configuration that is being served.',
    }),
    tools: z.array(selectedName).meta({ description: 'An id is null when the server has never listed the item.' }),
    resources: z.array(selectedResource),
    prompts: z.array(selectedName),
    endpoints: z.object({
      streamableHttp: z.string().meta({ description: 'Path of the endpoint for streamable HTTP.' }),
      sse: z.string().meta({ description: 'Path of the endpoint for HTTP+SSE.' }),
    }),
  })
  .meta({ id: 'VirtualServer' });

export type VirtualServerInput = z.output<typeof virtualServerInput>;
export type VirtualServerChange = z.output<typeof virtualServerChange>;
export type VirtualServerBody = z.infer<typeof virtualServerSchema>;
