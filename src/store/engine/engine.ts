/** What the store needs of a database: reads, one transaction at a time, and word of what other processes have changed. */
import type { Kysely, Transaction } from 'kysely';
import type { StoreConnections } from '../store-status.ts';
import type { SqlValue } from '../tables/shape.ts';

/** Table, column, value. What the values mean is said by the shapes in `tables/`. */
export type Tables = Record<string, Record<string, SqlValue>>;
export type Db = Kysely<Tables>;
export type Tx = Transaction<Tables>;

export interface Engine extends AsyncDisposable {
  readonly kind: 'sqlite' | 'postgres';
  /** Of PostgreSQL, where the tables are; undefined = there is only one. */
  readonly schema: string | undefined;
  /** For reads outside of transactions; they never wait for a writer. */
  readonly read: Db;
  /** For the migrations; all else writes by `transact`. */
  readonly write: Db;
  /**
   * Runs `work` in a transaction that is durable once this resolves. The caller sees to it that this process runs one
   * at a time. `lazy`: a loss of power may take it back, and nobody waits for the disk; for what is found out again.
   */
  transact<T>(work: (tx: Tx) => Promise<T>, durability?: 'lazy'): Promise<T>;
  /** Tells other processes, once the transaction commits. */
  announce(tx: Tx, revision: number): Promise<void>;
  /** In bytes. `log` is the write-ahead log of SQLite. */
  size(): Promise<{ readonly database: number; readonly log: number | undefined }>;
  /** Of PostgreSQL. */
  connections(): StoreConnections | undefined;
  /** Calls `look` now and then, and whenever another process is known to have changed something. Returns how to end it. */
  watch(look: () => void): () => void;
}
