/** One line of the audit log: its columns, and the hash that chains it to the line before. */
import { createHash } from 'node:crypto';
import type { Actor, AuditRecord, ObjectReference } from '../store.ts';
import { type SqlRow, type SqlValue, storable } from '../tables/shape.ts';

/** A line before it has its place in the chain. */
export type AuditEntry = Omit<AuditRecord, 'sequence' | 'hash'>;

/** Callers choose some of these texts; none may fill the log by itself. In characters. */
const MAX_WORD = 256;
const MAX_REASON = 1_000;

/** What the hash covers, in this order, after the hash of the line before. */
const HASHED = [
  'sequence',
  'at',
  'outcome',
  'subject',
  'user_email',
  'request_id',
  'address',
  'action',
  'object_kind',
  'object_id',
  'object_name',
  'before_text',
  'after_text',
  'reason',
] as const;

/** The columns of a line that follows one with the hash `previous`; '' for the first. */
export function chained(entry: AuditEntry, sequence: number, previous: string): Record<string, SqlValue> {
  const { actor, object } = entry;
  const row: Record<(typeof HASHED)[number], SqlValue> = {
    sequence,
    at: entry.at,
    outcome: entry.outcome,
    subject: word(actor.subject),
    user_email: optionalWord(actor.user),
    request_id: optionalWord(actor.requestId),
    address: optionalWord(actor.address),
    action: word(entry.action),
    object_kind: optionalWord(object?.kind),
    object_id: optionalWord(object?.id),
    object_name: optionalWord(object?.name),
    before_text: jsonText(entry.before),
    after_text: jsonText(entry.after),
    reason: entry.reason === undefined ? null : cut(entry.reason, MAX_REASON),
  };
  return { ...row, hash: lineHash(row, previous) };
}

/** SHA-256 over the hash before and the line; as a JSON array no two lines can mean the same bytes. */
export function lineHash(row: SqlRow, previous: string): string {
  const line = JSON.stringify([previous, ...HASHED.map((column) => row[column])]);
  return createHash('sha256').update(line).digest('hex');
}

export function auditRecordOf(row: SqlRow): AuditRecord {
  const kind = row['object_kind'];
  const actor: Actor = {
    subject: String(row['subject']),
    user: textOr(row['user_email']),
    requestId: textOr(row['request_id']),
    address: textOr(row['address']),
  };
  const object: ObjectReference | undefined =
    typeof kind === 'string'
      ? { kind, id: textOr(row['object_id']) ?? '', name: textOr(row['object_name']) }
      : undefined;
  return {
    sequence: Number(row['sequence']),
    at: Number(row['at']),
    outcome: row['outcome'] === 'denied' ? 'denied' : 'done',
    actor,
    action: String(row['action']),
    object,
    before: parsed(row['before_text']),
    after: parsed(row['after_text']),
    reason: textOr(row['reason']),
    hash: String(row['hash']),
  };
}

function word(text: string): string {
  return cut(text, MAX_WORD);
}

function optionalWord(text: string | undefined): string | null {
  return text === undefined ? null : word(text);
}

function cut(text: string, length: number): string {
  return storable(text.length > length ? `${text.slice(0, length - 1)}…` : text);
}

function jsonText(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

function parsed(value: SqlValue | undefined): unknown {
  return typeof value === 'string' ? JSON.parse(value) : undefined;
}

function textOr(value: SqlValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
