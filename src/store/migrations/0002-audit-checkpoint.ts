/** What is known of lines that were removed from the audit log: one row, at most. */
import { type Kysely, sql } from 'kysely';

export async function auditCheckpoint(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('audit_checkpoint')
    .addColumn('id', 'integer', (column) => column.primaryKey().check(sql`id = 1`))
    // Lines up to this one are out of the log, whether or not their rows are still there.
    .addColumn('removed', 'bigint', (column) => column.notNull())
    .addColumn('sealed', 'text', (column) => column.notNull())
    .execute();
}
