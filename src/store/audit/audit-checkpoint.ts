/** What stands for lines that were removed from the audit log: how many, and the hash that the next line goes on from. */
import type { Db, Tx } from '../engine/engine.ts';
import type { Vault } from '../secrets/vault.ts';
import type { AuditCheckpoint } from './audit-limits.ts';

const TABLE = 'audit_checkpoint';
/** Sealed for here, it opens nowhere else. */
const PLACE = 'audit checkpoint';

/** undefined when nothing was ever removed. Rejects with a StoreError when somebody has changed it in the database. */
export async function readCheckpoint(db: Db, vault: Vault): Promise<AuditCheckpoint | undefined> {
  const row = await db.selectFrom(TABLE).select('sealed').where('id', '=', 1).executeTakeFirst();
  return row === undefined
    ? undefined
    : (JSON.parse(await vault.unseal(String(row['sealed']), PLACE)) as AuditCheckpoint);
}

/** How many lines are out of the log, for reading what is left. Believed only by those who do not verify. */
export async function removedLines(db: Db): Promise<number> {
  const row = await db.selectFrom(TABLE).select('removed').where('id', '=', 1).executeTakeFirst();
  return row === undefined ? 0 : Number(row['removed']);
}

/** Whoever may write the database but has no key cannot make one. */
export async function writeCheckpoint(tx: Tx, vault: Vault, keyId: string, checkpoint: AuditCheckpoint): Promise<void> {
  const row = { removed: checkpoint.removed, sealed: await vault.seal(JSON.stringify(checkpoint), PLACE, keyId) };
  await tx
    .insertInto(TABLE)
    .values({ id: 1, ...row })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
    .execute();
}

/** The same under another key. */
export async function resealCheckpoint(tx: Tx, vault: Vault, keyId: string): Promise<void> {
  const checkpoint = await readCheckpoint(tx, vault);
  if (checkpoint !== undefined) await writeCheckpoint(tx, vault, keyId, checkpoint);
}
