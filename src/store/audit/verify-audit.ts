/** Whether the audit log is as it was written: every line hashed over the one before it, from the first that is there. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Db } from '../engine/engine.ts';
import type { Vault } from '../secrets/vault.ts';
import { type AuditVerdict, StoreError } from '../store.ts';
import type { AuditCheckpoint } from './audit-limits.ts';
import type { SqlRow } from '../tables/shape.ts';
import { readCheckpoint } from './audit-checkpoint.ts';
import { lineHash } from './audit-line.ts';
import { readState } from './audit-log.ts';

const PAGE = 1_000;

export const PRUNE_ACTION = 'audit.prune';

/** A place in the chain: the number and hash of a line. */
export interface ChainPlace {
  readonly sequence: number;
  readonly hash: string;
}

export interface ChainFault {
  readonly sequence: number;
  readonly reason: string;
}

/** Before the first line. */
export const CHAIN_START: ChainPlace = { sequence: 0, hash: '' };

/** Where the lines that are there begin. */
export function placeAfter(checkpoint: AuditCheckpoint | undefined): ChainPlace {
  return checkpoint === undefined ? CHAIN_START : { sequence: checkpoint.removed, hash: checkpoint.hash };
}

/** Goes on from a place over lines that follow it; where it comes to, or what is wrong. */
export function followChain(from: ChainPlace, rows: readonly SqlRow[]): ChainPlace | ChainFault {
  let { sequence, hash } = from;
  for (const row of rows) {
    if (Number(row['sequence']) !== sequence + 1) return { sequence: sequence + 1, reason: 'the line is gone' };
    hash = lineHash(row, hash);
    sequence += 1;
    if (row['hash'] !== hash) return { sequence, reason: 'the line, or the hash before it, was changed' };
  }
  return { sequence, hash };
}

/** Checks every line that there was at the beginning; lets other work of the process come between. */
export async function verifyAudit(db: Db, vault: Vault): Promise<AuditVerdict> {
  for (;;) {
    const verdict = await verifyOnce(db, vault);
    if (verdict !== undefined) return verdict;
  }
}

/** undefined when lines were removed meanwhile, so that it has to begin again. */
async function verifyOnce(db: Db, vault: Vault): Promise<AuditVerdict | undefined> {
  // Before the state: a line that tells of removed ones is then among those that are looked at.
  const checkpoint = await openCheckpoint(db, vault);
  if (checkpoint === 'changed')
    return { ok: false, lines: 0, sequence: 1, reason: 'what is known of the lines that were removed was changed' };
  const { auditLines, auditHead } = await readState(db);
  const start = placeAfter(checkpoint);
  let place = start;
  const wrong = (fault: ChainFault): AuditVerdict => ({ ok: false, lines: place.sequence - start.sequence, ...fault });
  let isTold = checkpoint === undefined;
  while (place.sequence < auditLines) {
    const rows = await linesAfter(db, place.sequence, Math.min(auditLines, place.sequence + PAGE));
    const next =
      rows.length === 0
        ? { sequence: place.sequence + 1, reason: `the lines from here to ${auditLines} are gone` }
        : followChain(place, rows);
    if ('reason' in next) return (await hasMoved(db, vault, checkpoint)) ? undefined : wrong(next);
    isTold ||= rows.some((row) => tellsOf(row, checkpoint));
    place = next;
    await turn();
  }
  if (place.hash !== auditHead)
    return wrong({ sequence: place.sequence, reason: 'the newest line is not the one that was written last' });
  if (!isTold && checkpoint !== undefined)
    return wrong({ sequence: checkpoint.line, reason: 'the line does not tell of the lines that were removed' });
  const stray = await strayLine(db);
  if (stray !== undefined) return wrong({ sequence: stray, reason: 'the line was put in by somebody else' });
  return {
    ok: true,
    lines: place.sequence - start.sequence,
    newest: place.sequence,
    head: place.hash,
    removed: start.sequence,
  };
}

/** Lines behind `after`, up to `last`, in their order. */
export async function linesAfter(db: Db, after: number, last: number): Promise<readonly SqlRow[]> {
  return db
    .selectFrom('audit')
    .selectAll()
    .where('sequence', '>', after)
    .where('sequence', '<=', last)
    .orderBy('sequence')
    .execute();
}

/** What the line that tells of removed ones says of them. */
export function toldOf({ removed, hash }: Pick<AuditCheckpoint, 'removed' | 'hash'>): object {
  return { removed, hash };
}

function tellsOf(row: SqlRow, checkpoint: AuditCheckpoint | undefined): boolean {
  return (
    checkpoint !== undefined &&
    Number(row['sequence']) === checkpoint.line &&
    row['action'] === PRUNE_ACTION &&
    row['after_text'] === JSON.stringify(toldOf(checkpoint))
  );
}

async function openCheckpoint(db: Db, vault: Vault): Promise<AuditCheckpoint | 'changed' | undefined> {
  try {
    return await readCheckpoint(db, vault);
  } catch (error) {
    if (error instanceof StoreError || error instanceof SyntaxError) return 'changed';
    throw error;
  }
}

async function hasMoved(db: Db, vault: Vault, checkpoint: AuditCheckpoint | undefined): Promise<boolean> {
  const now = await openCheckpoint(db, vault);
  return now === 'changed' || now?.line !== checkpoint?.line;
}

/** A line before the first or behind the newest one, as one statement sees it, whoever writes meanwhile. */
async function strayLine(db: Db): Promise<number | undefined> {
  const newest = db.selectFrom('store_state').select('audit_lines');
  const row = await db
    .selectFrom('audit')
    .select('sequence')
    .where((line) => line.or([line('sequence', '<', 1), line('sequence', '>', newest)]))
    .orderBy('sequence')
    .executeTakeFirst();
  return row === undefined ? undefined : Number(row['sequence']);
}
