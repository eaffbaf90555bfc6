/** The audit log as a chain: lines are only ever added, each hashed over the one before it. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Db, Tx } from '../engine/engine.ts';
import type { AuditQuery, AuditRecord, AuditVerdict } from '../store.ts';
import { STATE_SHAPE } from '../tables/entities.ts';
import { fromRow, type SqlRow } from '../tables/shape.ts';
import { type AuditEntry, auditRecordOf, chained, lineHash } from './audit-line.ts';

const PAGE = 1_000;

export interface StoreState {
  readonly revision: number;
  readonly auditLines: number;
  /** Hash of the newest line. */
  readonly auditHead: string;
  /** Id of the key that secrets are sealed with; undefined in a store that has never been opened. */
  readonly keyId: string | undefined;
}

/**
 * Locks the state and reads it. Whoever has it is the only one who changes anything, in any process, until the end of
 * the transaction: so lines have no gaps, and revisions come in the order of commits.
 */
export async function lockState(tx: Tx): Promise<StoreState> {
  const row = await tx
    .updateTable('store_state')
    .set({ id: 1 })
    .where('id', '=', 1)
    .returningAll()
    .executeTakeFirstOrThrow();
  return fromRow<StoreState>(STATE_SHAPE, row);
}

export async function readState(db: Db): Promise<StoreState> {
  const row = await db.selectFrom('store_state').selectAll().where('id', '=', 1).executeTakeFirstOrThrow();
  return fromRow<StoreState>(STATE_SHAPE, row);
}

/** Adds lines after those that `state` knows of, and says so in the state together with a new revision. */
export async function appendLines(
  tx: Tx,
  state: StoreState,
  entries: readonly AuditEntry[],
  revision: number,
): Promise<void> {
  let [sequence, head] = [state.auditLines, state.auditHead];
  const rows = entries.map((entry) => {
    sequence += 1;
    const row = chained(entry, sequence, head);
    head = String(row['hash']);
    return row;
  });
  await tx.insertInto('audit').values(rows).execute();
  await tx
    .updateTable('store_state')
    .set({ revision, audit_lines: sequence, audit_head: head })
    .where('id', '=', 1)
    .execute();
}

/** Newest first. */
export async function queryAudit(db: Db, query: AuditQuery): Promise<AuditRecord[]> {
  let select = db.selectFrom('audit').selectAll().orderBy('sequence', 'desc').limit(query.limit);
  if (query.before !== undefined) select = select.where('sequence', '<', query.before);
  if (query.action !== undefined) select = select.where('action', '=', query.action);
  if (query.subject !== undefined) select = select.where('subject', '=', query.subject);
  if (query.objectId !== undefined) select = select.where('object_id', '=', query.objectId);
  return (await select.execute()).map(auditRecordOf);
}

/** Checks every line that there was at the beginning; lets other work of the process come between. */
export async function verifyAudit(db: Db): Promise<AuditVerdict> {
  const { auditLines, auditHead } = await readState(db);
  let [lines, head] = [0, ''];
  const wrong = (sequence: number, reason: string): AuditVerdict => ({ ok: false, lines, sequence, reason });
  while (lines < auditLines) {
    const rows: SqlRow[] = await db
      .selectFrom('audit')
      .selectAll()
      .where('sequence', '>', lines)
      .where('sequence', '<=', auditLines)
      .orderBy('sequence')
      .limit(PAGE)
      .execute();
    if (rows.length === 0) return wrong(lines + 1, `the lines from here to ${auditLines} are gone`);
    for (const row of rows) {
      if (row['sequence'] !== lines + 1) return wrong(lines + 1, 'the line is gone');
      head = lineHash(row, head);
      if (row['hash'] !== head) return wrong(lines + 1, 'the line, or the hash before it, was changed');
      lines += 1;
    }
    await turn();
  }
  if (head !== auditHead) return wrong(lines, 'the newest line is not the one that was written last');
  const stray = await strayLine(db);
  if (stray !== undefined) return wrong(stray, 'the line was put in by somebody else');
  return { ok: true, lines, head };
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
