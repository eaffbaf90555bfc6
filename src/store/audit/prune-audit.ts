/**
 * Takes the oldest lines out of the audit log. In their place stays a sealed checkpoint with their number and the hash of
 * the last of them, and a line of the log itself tells of it: what is left still verifies.
 */
import type { Db, Tx } from '../engine/engine.ts';
import type { Vault } from '../secrets/vault.ts';
import { type Actor, StoreError } from '../store.ts';
import type { SqlRow } from '../tables/shape.ts';
import { readCheckpoint, writeCheckpoint } from './audit-checkpoint.ts';
import type { AuditCheckpoint, AuditLimits, PrunedAudit } from './audit-limits.ts';
import { appendLines, lockState, readState } from './audit-log.ts';
import { type ChainPlace, followChain, linesAfter, placeAfter, PRUNE_ACTION, toldOf } from './verify-audit.ts';

/** Lines of one statement, so that it takes only a few ms of this process. */
const PAGE = 200;
/** Of one call: what is to be removed and is not yet gone is no reason to hold up whoever wants to end. */
const MAX_LINES = 50_000;
/** After each statement comes a pause of this many times its own length: changes and denials go first. */
const PAUSE_FACTOR = 4;
const DAY_MS = 86_400_000;

export interface PruneWork {
  readonly db: Db;
  readonly vault: Vault;
  /** Runs alone among the changes, in a transaction. */
  readonly transact: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;
  /** In ms. */
  readonly pause: (ms: number) => Promise<void>;
  /** ms since the epoch. */
  readonly now: number;
}

/** undefined when there is nothing to remove, or somebody else was faster. Rejects when the lines are not as they were written. */
export async function pruneAudit(work: PruneWork, limits: AuditLimits, actor: Actor): Promise<PrunedAudit | undefined> {
  await sweepRows(work);
  const before = await readCheckpoint(work.db, work.vault);
  const from = placeAfter(before);
  const { auditLines } = await readState(work.db);
  const last = await lastToRemove(work, from, auditLines, limits);
  if (last.sequence === from.sequence || last.sequence - from.sequence < (limits.atLeast ?? 1)) return undefined;
  const moved = await work.transact(async (tx) => moveCheckpoint(tx, work, before, last, actor));
  if (!moved) return undefined;
  await sweepRows(work);
  return { lines: last.sequence - from.sequence, removed: last.sequence };
}

/** The last of the lines that are beyond a limit, with its hash; all up to it are checked, for afterwards nobody can. */
async function lastToRemove(
  work: PruneWork,
  from: ChainPlace,
  auditLines: number,
  limits: AuditLimits,
): Promise<ChainPlace> {
  const { keepLines, keepDays, through } = limits;
  const oldest = keepDays === undefined ? Number.NEGATIVE_INFINITY : work.now - keepDays * DAY_MS;
  const tooMany = keepLines === undefined ? 0 : auditLines - keepLines;
  const isBeyond = (row: SqlRow): boolean => {
    const sequence = Number(row['sequence']);
    return sequence <= tooMany || Number(row['at']) < oldest || (through !== undefined && sequence <= through.sequence);
  };
  // The newest line stays whatever the limits are.
  const end = Math.min(auditLines - 1, from.sequence + MAX_LINES);
  let place = from;
  while (place.sequence < end) {
    const started = performance.now();
    const rows = await linesAfter(work.db, place.sequence, Math.min(end, place.sequence + PAGE));
    const kept = rows.findIndex((row) => !isBeyond(row));
    const next = followChain(place, kept === -1 ? rows : rows.slice(0, kept));
    if ('reason' in next) {
      // Somebody else removes them at this moment.
      if (placeAfter(await readCheckpoint(work.db, work.vault)).sequence !== from.sequence) return from;
      throw new StoreError(
        'unavailable',
        `The audit log is not whole, so nothing is removed from it: line ${next.sequence}: ${next.reason}.`,
      );
    }
    if (next.sequence === through?.sequence && next.hash !== through.hash)
      throw new StoreError('conflict', `Line ${next.sequence} of the audit log has another hash; nothing was removed.`);
    place = next;
    if (kept !== -1 || rows.length === 0) break;
    await work.pause(PAUSE_FACTOR * (performance.now() - started));
  }
  return place;
}

async function moveCheckpoint(
  tx: Tx,
  { vault, now }: PruneWork,
  before: AuditCheckpoint | undefined,
  last: ChainPlace,
  actor: Actor,
): Promise<boolean> {
  const state = await lockState(tx);
  if ((await readCheckpoint(tx, vault))?.line !== before?.line) return false;
  const checkpoint: AuditCheckpoint = {
    removed: last.sequence,
    hash: last.hash,
    at: now,
    line: state.auditLines + 1,
  };
  const entry = {
    at: now,
    outcome: 'done',
    actor,
    action: PRUNE_ACTION,
    object: { kind: 'audit', id: String(last.sequence), name: undefined },
    before: { removed: before?.removed ?? 0 },
    after: toldOf(checkpoint),
    reason: undefined,
  } as const;
  await appendLines(tx, state, [entry], state.revision);
  await writeCheckpoint(tx, vault, state.keyId ?? '', checkpoint);
  return true;
}

/** Rows of lines that are out of the log, also those that an earlier call was cut off at. */
async function sweepRows({ db, vault, transact, pause }: PruneWork): Promise<void> {
  // The sealed number: whoever has changed the other one must not have us remove more.
  const removed = (await readCheckpoint(db, vault))?.removed ?? 0;
  for (;;) {
    const started = performance.now();
    const first = await db.selectFrom('audit').select('sequence').orderBy('sequence').limit(1).executeTakeFirst();
    const sequence = Number(first?.['sequence'] ?? Number.POSITIVE_INFINITY);
    if (sequence > removed) return;
    const end = Math.min(removed, Math.max(sequence, 0) + PAGE);
    await transact(async (tx) => tx.deleteFrom('audit').where('sequence', '<=', end).execute());
    await pause(PAUSE_FACTOR * (performance.now() - started));
  }
}
