/** Runs what the caller of a change has to do in it, to its end or to a deadline. */
import type { SqlWriter } from './sql-writer.ts';
import { StoreError, type StoreWriter } from './store.ts';

/** A change holds up every other one, in all processes: it may do nothing but read and write the store. */
const DEADLINE_MS = 30_000;

/** Around what the work itself rejects with, on its way through the transaction: no fault of the store. */
export class Refusal extends Error {
  readonly reason: unknown;

  constructor(reason: unknown) {
    super('refused', { cause: reason });
    this.reason = reason;
  }
}

/** Ends the writer with the work, so that nothing of it can reach the database after the transaction. */
export async function finished<T>(writer: SqlWriter, work: (tx: StoreWriter) => Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const tooLong = new StoreError('unavailable', 'The change took too long; nothing was changed.');
  const timer = setTimeout(() => reject(tooLong), DEADLINE_MS);
  try {
    const done = await Promise.race([refusable(writer, work), late]);
    writer.throwFailure();
    return done;
  } finally {
    clearTimeout(timer);
    writer.end();
  }
}

async function refusable<T>(writer: SqlWriter, work: (tx: StoreWriter) => Promise<T>): Promise<T> {
  try {
    return await work(writer);
  } catch (error) {
    throw new Refusal(error);
  }
}
