/** API tokens in use, JWTs that were revoked, and answers that are given again to a request that is made twice. */
import { createHash } from 'node:crypto';
import { faultOf } from '../engine/database-error.ts';
import type { Db, Tx } from '../engine/engine.ts';
import { type IdempotencyKey, type IdempotencyRecord, type RevocationRecord, StoreError } from '../store.ts';
import { fromRow, optionalWhole, type Shape, sought, text, toRow, whole } from './shape.ts';

const DAY_MS = 86_400_000;

const REVOCATION: Shape<RevocationRecord> = { jti: text('jti'), expiresAt: optionalWhole('expires_at') };
const ANSWER: Shape<IdempotencyRecord> = {
  subject: text('subject'),
  key: text('key'),
  fingerprint: text('fingerprint'),
  status: whole('status'),
  body: text('body'),
  createdAt: whole('created_at'),
};

/** A later use wins, whichever process writes first; always in the same order, so that two never wait for each other. */
export async function touchTokens(tx: Tx, uses: ReadonlyMap<string, number>): Promise<void> {
  for (const [id, at] of [...uses].sort(([one], [other]) => (one < other ? -1 : 1)))
    await tx
      .updateTable('tokens')
      .set({ last_used_at: at })
      .where('id', '=', id)
      .where((row) => row.or([row('last_used_at', 'is', null), row('last_used_at', '<', at)]))
      .execute();
}

export async function isRevoked(db: Db, jti: string): Promise<boolean> {
  const row = await db.selectFrom('revocations').select('jti').where('jti', '=', sought(jti)).executeTakeFirst();
  return row !== undefined;
}

export async function readRevocations(db: Db): Promise<RevocationRecord[]> {
  const rows = await db.selectFrom('revocations').selectAll().orderBy('jti').execute();
  return rows.map((row) => fromRow(REVOCATION, row));
}

/** Also forgets those of tokens that have expired: they are refused without it. */
export async function revoke(tx: Tx, record: RevocationRecord): Promise<void> {
  await tx
    .deleteFrom('revocations')
    .where('expires_at', '<', Date.now() - DAY_MS)
    .execute();
  const known = await tx.selectFrom('revocations').selectAll().where('jti', '=', sought(record.jti)).executeTakeFirst();
  const before = known === undefined ? record : fromRow(REVOCATION, known);
  const row = toRow(REVOCATION, { ...record, expiresAt: laterOf(before, record) });
  await tx
    .insertInto('revocations')
    .values(row)
    .onConflict((conflict) => conflict.column('jti').doUpdateSet({ expires_at: row['expires_at'] ?? null }))
    .execute();
}

/** What is revoked cannot be taken back, also not by revoking it once more for a shorter time. */
function laterOf(one: RevocationRecord, other: RevocationRecord): number | undefined {
  if (one.expiresAt === undefined || other.expiresAt === undefined) return undefined;
  return Math.max(one.expiresAt, other.expiresAt);
}

export async function readAnswer(db: Db, key: IdempotencyKey): Promise<IdempotencyRecord | undefined> {
  const row = await db
    .selectFrom('idempotency')
    .selectAll()
    .where('id', '=', answerId(key))
    .where('created_at', '>', Date.now() - DAY_MS)
    .executeTakeFirst();
  return row === undefined ? undefined : fromRow(ANSWER, row);
}

/** Rejects with `conflict` when the key was used within the last day. */
export async function rememberAnswer(tx: Tx, record: IdempotencyRecord): Promise<void> {
  await tx
    .deleteFrom('idempotency')
    .where('created_at', '<=', Date.now() - DAY_MS)
    .execute();
  try {
    await tx
      .insertInto('idempotency')
      .values({ id: answerId(record), ...toRow(ANSWER, record) })
      .execute();
  } catch (error) {
    if (faultOf(error) !== 'unique') throw error;
    throw new StoreError('conflict', 'The idempotency key was used for another request.', { cause: error });
  }
}

/** Callers choose the key, at any length. */
function answerId({ subject, key }: IdempotencyKey): string {
  return createHash('sha256')
    .update(JSON.stringify([subject, key]))
    .digest('hex');
}
