/** The audit log as a chain: lines are added at its end, each hashed over the one before it. */
import type { Db, Tx } from '../engine/engine.ts';
import type { AuditQuery, AuditRecord } from '../store.ts';
import { STATE_SHAPE } from '../tables/entities.ts';
import { fromRow, sought } from '../tables/shape.ts';
import { removedLines } from './audit-checkpoint.ts';
import { type AuditEntry, auditRecordOf, chained } from './audit-line.ts';

/** Rows of one statement: each has fifteen parameters, and SQLite takes 32,766. */
const MAX_ROWS = 1_000;

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
  for (let at = 0; at < rows.length; at += MAX_ROWS)
    await tx
      .insertInto('audit')
      .values(rows.slice(at, at + MAX_ROWS))
      .execute();
  await tx
    .updateTable('store_state')
    .set({ revision, audit_lines: sequence, audit_head: head })
    .where('id', '=', 1)
    .execute();
}

/** Newest first. */
export async function queryAudit(db: Db, query: AuditQuery): Promise<AuditRecord[]> {
  const removed = await removedLines(db);
  let select = db.selectFrom('audit').selectAll().orderBy('sequence', 'desc').limit(query.limit);
  // Rows of removed lines go little by little.
  if (removed > 0) select = select.where('sequence', '>', removed);
  if (query.before !== undefined) select = select.where('sequence', '<', query.before);
  if (query.action !== undefined) select = select.where('action', '=', sought(query.action));
  if (query.subject !== undefined) select = select.where('subject', '=', sought(query.subject));
  if (query.objectId !== undefined) select = select.where('object_id', '=', sought(query.objectId));
  return (await select.execute()).map(auditRecordOf);
}
