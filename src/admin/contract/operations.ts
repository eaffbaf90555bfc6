/** The state of the gateway in the management API: status, certificates, configuration, reloads, audit log. */
import { z } from 'zod';
import { timeSchema } from './common.ts';

const changesSchema = z.object({
  added: z.array(z.string()),
  removed: z.array(z.string()),
  changed: z.array(z.string()),
  kept: z.array(z.string()),
});

export const reloadSchema = z
  .object({
    ok: z.boolean(),
    trigger: z.string(),
    at: timeSchema,
    ms: z.number(),
    servers: changesSchema.meta({ description: 'Names of servers.' }),
    notes: z.array(z.string()),
    errors: z.array(z.string()).meta({ description: 'Why everything stays as it was; empty when `ok`.' }),
  })
  .meta({ id: 'Reload' });

export const healthSchema = z
  .object({
    state: z.enum([
      'unknown',
      'starting',
      'healthy',
      'degraded',
      'unreachable',
      'auth-required',
      'tls-error',
      'stopped',
    ]),
    reason: z.string().nullable(),
    since: timeSchema,
    nextProbe: timeSchema.nullable(),
  })
  .meta({ id: 'Health' });

const serverStatusSchema = z.object({
  id: z.string(),
  name: z.string(),
  kind: z.enum(['http', 'container']),
  origin: z.enum(['file', 'store']),
  health: healthSchema,
  transport: z.string().nullable(),
  conversations: z.int().meta({ description: 'Conversations that are open.' }),
  uptime: z.int().meta({ description: 'Whole seconds since the present conversation began.' }),
  eras: z.object({ legacy: z.string(), modern: z.string() }),
  lastWords: z.array(z.string()).meta({ description: 'The last lines that a container wrote to its stderr.' }),
});

const storeStatusSchema = z
  .object({
    engine: z.enum(['sqlite', 'postgres']),
    reachable: z.boolean().meta({ description: 'It has answered when it was asked last.' }),
    writable: z.boolean().meta({ description: 'It has taken the last change: false on a full or read-only disk.' }),
    since: timeSchema.meta({ description: 'When this became so.' }),
    lastAnswer: timeSchema,
    schema: z.string().meta({ description: 'Version of its tables.' }),
    revision: z.int().meta({ description: 'Counts changes; the newest that is known.' }),
    lastError: z
      .object({
        at: timeSchema,
        code: z.string(),
        reason: z.string().meta({ description: 'How the database or the system calls it.' }),
      })
      .nullable(),
  })
  .meta({ id: 'StoreStatus' });

export const statusSchema = z
  .object({
    phase: z.enum(['starting', 'ready', 'draining']),
    version: z.string(),
    mode: z.enum(['routed', 'unified', 'both']),
    sessions: z.int(),
    requestsInFlight: z.int(),
    store: storeStatusSchema,
    reloads: z.object({ succeeded: z.int(), failed: z.int(), last: reloadSchema.nullable() }),
    servers: z.array(serverStatusSchema).meta({ description: 'Those that the caller sees.' }),
  })
  .meta({ id: 'Status' });

export const versionSchema = z
  .object({
    name: z.literal('gatehouse'),
    version: z.string(),
    specification: z.string().meta({ description: 'Version of the MCP Gateway Specification.' }),
    protocols: z.array(z.string()).meta({ description: 'Versions of MCP, newest first.' }),
    node: z.string(),
    store: z.enum(['sqlite', 'postgres']),
  })
  .meta({ id: 'Version' });

const certificateSchema = z.object({
  role: z.string(),
  subject: z.string(),
  names: z.array(z.string()),
  fingerprint: z.string().optional(),
  serial: z.string().optional(),
  notBefore: z.string(),
  notAfter: z.string().optional(),
  daysLeft: z.int().optional(),
  state: z.enum(['valid', 'expiring', 'expired']),
  source: z.string(),
  usedByListener: z.boolean(),
  usedByServers: z.array(z.string()),
});

export const certificatesSchema = z
  .object({
    certificates: z.array(certificateSchema).meta({ description: 'What ends first stands first.' }),
    problems: z.array(z.object({ source: z.string(), reason: z.string(), servers: z.array(z.string()) })),
  })
  .meta({ id: 'Certificates' });

const actorSchema = z.object({
  subject: z.string(),
  user: z.string().nullable(),
  requestId: z.string().nullable(),
  address: z.string().nullable(),
});

export const auditSchema = z
  .object({
    sequence: z.int().meta({ description: 'From 1, without gaps; the oldest may have been removed.' }),
    at: timeSchema,
    outcome: z.enum(['done', 'denied']),
    actor: actorSchema,
    action: z.string(),
    object: z.object({ kind: z.string(), id: z.string(), name: z.string().nullable() }).nullable(),
    before: z.unknown().nullable(),
    after: z.unknown().nullable(),
    reason: z.string().nullable(),
    hash: z.string().meta({ description: 'SHA-256 over the hash of the line before and everything in this one.' }),
  })
  .meta({ id: 'AuditLine' });

export const auditVerdictSchema = z
  .object({
    ok: z.boolean(),
    lines: z.int(),
    newest: z.int().optional().meta({ description: 'Number of the newest line.' }),
    head: z.string().optional().meta({ description: 'Hash of the newest line, when all is well.' }),
    removed: z.int().optional().meta({ description: 'Lines 1 to this one were removed as the settings say.' }),
    sequence: z.int().optional().meta({ description: 'The first line that is wrong.' }),
    reason: z.string().optional(),
  })
  .meta({ id: 'AuditVerdict' });
