/** `/audit`: who has changed or been denied what, and whether the log is as it was written. */
import { z } from 'zod';
import type { AuditRecord } from '../../store/store.ts';
import { auditSchema, auditVerdictSchema } from '../contract/operations.ts';
import { decodeCursor, encodeCursor, pageOf, pageQuery } from '../http/page.ts';
import { invalidInput } from '../http/problem.ts';
import { route, type Route } from '../http/route.ts';
import { iso } from '../objects.ts';

const TAG = 'Audit';

export const AUDIT_ROUTES: readonly Route[] = [
  route({
    action: 'audit.list',
    method: 'GET',
    path: '/audit',
    requires: { permission: 'audit.read' },
    tag: TAG,
    summary: 'Lists changes and denials, newest first',
    query: {
      ...pageQuery,
      action: z.string().max(100).optional().meta({ description: 'Such as `server.create`.' }),
      subject: z.string().max(500).optional().meta({ description: 'Who did it.' }),
      object: z.string().max(500).optional().meta({ description: 'Id of what it was done to.' }),
    },
    answers: { 200: { description: 'One page.', schema: pageOf(auditSchema) } },
    async handle(call) {
      call.need('audit.read');
      const { cursor, limit, action, subject, object } = call.query;
      // One more than asked for tells whether there is another page.
      const lines = await call.context.store.audit({
        limit: limit + 1,
        ...(cursor === undefined ? {} : { before: sequenceOf(cursor) }),
        ...(action === undefined ? {} : { action }),
        ...(subject === undefined ? {} : { subject }),
        ...(object === undefined ? {} : { objectId: object }),
      });
      const page = lines.slice(0, limit);
      const last = page.at(-1);
      return {
        body: {
          items: page.map(present),
          ...(last === undefined || lines.length <= limit ? {} : { nextCursor: encodeCursor(String(last.sequence)) }),
        },
      };
    },
  }),
  route({
    action: 'audit.verify',
    method: 'GET',
    path: '/audit/verify',
    requires: { permission: 'audit.read' },
    tag: TAG,
    summary: 'Checks that no line of the audit log was changed, added or taken out',
    description:
      'Compare `head` with one that was noted earlier: whoever can write the whole log could also chain it anew.',
    answers: { 200: { description: 'What came of it.', schema: auditVerdictSchema } },
    async handle(call) {
      call.need('audit.read');
      return { body: await call.context.store.verifyAudit() };
    },
  }),
];

function sequenceOf(cursor: string): number {
  const sequence = Number(decodeCursor(cursor));
  if (Number.isSafeInteger(sequence)) return sequence;
  throw invalidInput([{ parameter: 'cursor', detail: 'is not a cursor of this list', remedy: 'Begin without one.' }]);
}

function present({ sequence, at, outcome, actor, action, object, before, after, reason, hash }: AuditRecord): unknown {
  return {
    sequence,
    at: iso(at),
    outcome,
    actor: {
      subject: actor.subject,
      user: actor.user ?? null,
      requestId: actor.requestId ?? null,
      address: actor.address ?? null,
    },
    action,
    object: object === undefined ? null : { ...object, name: object.name ?? null },
    before: before ?? null,
    after: after ?? null,
    reason: reason ?? null,
    hash,
  } satisfies Omit<z.infer<typeof auditSchema>, 'before' | 'after'> & { before: unknown; after: unknown };
}
