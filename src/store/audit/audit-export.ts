/** Lines of the audit log as they are written to a file, and whether such a file is as it was written. */
import type { Db } from '../engine/engine.ts';
import type { Vault } from '../secrets/vault.ts';
import type { ChainedAuditRecord } from '../store.ts';
import { readCheckpoint } from './audit-checkpoint.ts';
import { auditRecordOf, chained } from './audit-line.ts';
import { type ChainFault, type ChainPlace, linesAfter, placeAfter } from './verify-audit.ts';

/** Lines from number `from` on, in their order. */
export async function readChain(db: Db, vault: Vault, from: number, limit: number): Promise<ChainedAuditRecord[]> {
  const start = placeAfter(await readCheckpoint(db, vault));
  const first = Math.max(from, start.sequence + 1);
  // With the one before, for its hash.
  const rows = await linesAfter(db, Math.max(start.sequence, first - 2), first - 1 + limit);
  let previous = start.hash;
  const lines: ChainedAuditRecord[] = [];
  for (const row of rows) {
    const record = auditRecordOf(row);
    if (record.sequence >= first) lines.push({ ...record, previous });
    previous = record.hash;
  }
  return lines;
}

/** Checks one line of a file after the line before it; undefined before the first. */
export function followRecord(
  before: ChainPlace | undefined,
  { sequence, hash, previous, ...entry }: ChainedAuditRecord,
): ChainPlace | ChainFault {
  if (before !== undefined && sequence !== before.sequence + 1)
    return { sequence: before.sequence + 1, reason: 'the line is missing' };
  if (before !== undefined && previous !== before.hash)
    return { sequence, reason: 'the line does not go on from the one before it' };
  if (chained(entry, sequence, previous)['hash'] !== hash) return { sequence, reason: 'the line was changed' };
  return { sequence, hash };
}
