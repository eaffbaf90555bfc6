/** What is exported and imported: everything that is managed, by name, so that it means the same in another store. */
import { z } from 'zod';
import { emailSchema, permissionSchema } from './accounts.ts';
import { descriptionSchema, nameSchema, tagsSchema, timeSchema, visibilitySchema } from './common.ts';

const MAX_OBJECTS = 20_000;

const access = {
  visibility: visibilitySchema,
  owner: emailSchema.nullable(),
  team: nameSchema.nullable().meta({ description: 'Name of the team.' }),
};

const kind = z.enum(['tool', 'resource', 'resource-template', 'prompt']);
const reference = { server: z.string().min(1).max(200), kind, key: z.string().min(1).max(4_096) };

const gateway = z.strictObject({
  name: nameSchema,
  description: descriptionSchema.nullable(),
  ...access,
  tags: tagsSchema,
  enabled: z.boolean(),
  entry: z.record(z.string(), z.unknown()).meta({
    description:
      'As it would stand under `mcpServers` of a configuration file. `*****` stands for a secret that was not exported.',
  }),
});

const virtualServer = z.strictObject({
  name: nameSchema,
  description: descriptionSchema.nullable(),
  ...access,
  tags: tagsSchema,
  enabled: z.boolean(),
  items: z.array(z.strictObject(reference)).max(MAX_OBJECTS),
});

const item = z.strictObject({
  ...reference,
  enabled: z.boolean(),
  name: z.string().max(64).nullable(),
  title: z.string().max(500).nullable(),
  description: descriptionSchema.nullable(),
  annotations: z.record(z.string(), z.unknown()).nullable(),
  tags: tagsSchema,
});

const role = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/),
  description: descriptionSchema.nullable(),
  permissions: z.array(permissionSchema).min(1),
});

const user = z.strictObject({
  email: emailSchema,
  fullName: z.string().max(200).nullable(),
  enabled: z.boolean(),
  roles: z.array(z.strictObject({ role: z.string().max(64), team: nameSchema.nullable() })).max(1_000),
});

const team = z.strictObject({
  name: nameSchema,
  description: descriptionSchema.nullable(),
  members: z.array(z.strictObject({ user: emailSchema, role: z.enum(['member', 'owner']) })).max(10_000),
});

const list = <T extends z.ZodType>(of: T): z.ZodDefault<z.ZodArray<T>> => z.array(of).max(MAX_OBJECTS).default([]);

export const transferSchema = z
  .strictObject({
    format: z.literal('gatehouse'),
    formatVersion: z.literal(1),
    exportedAt: timeSchema.optional(),
    gatewayVersion: z.string().optional(),
    roles: list(role),
    users: list(user),
    teams: list(team),
    gateways: list(gateway),
    servers: list(virtualServer),
    items: list(item).meta({ description: 'What was changed about single tools, resources and prompts.' }),
  })
  .meta({ id: 'Transfer' });

export const importResultSchema = z
  .object({
    dryRun: z.boolean(),
    created: z.int(),
    updated: z.int(),
    skipped: z.int(),
    unchanged: z.int(),
    objects: z.array(
      z.object({
        kind: z.enum(['role', 'user', 'team', 'gateway', 'server', 'item']),
        name: z.string(),
        outcome: z.enum(['created', 'updated', 'skipped', 'unchanged']),
      }),
    ),
  })
  .meta({ id: 'ImportResult' });

export const TRANSFER_PARTS = ['roles', 'users', 'teams', 'gateways', 'servers', 'items'] as const;

export type Transfer = z.output<typeof transferSchema>;
export type TransferPart = (typeof TRANSFER_PARTS)[number];
export type TransferAccess = Pick<Transfer['gateways'][number], 'visibility' | 'owner' | 'team'>;
export type ImportResult = z.infer<typeof importResultSchema>;
