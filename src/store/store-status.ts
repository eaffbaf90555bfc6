/** How the store is, and what it has counted: for operators, and for whoever has to wait for it. */

export type StoreErrorCode = 'conflict' | 'missing' | 'stale' | 'full' | 'unavailable';

export interface StoreStatus {
  readonly engine: 'sqlite' | 'postgres';
  /** It has answered when it was asked last. */
  readonly reachable: boolean;
  /** It has taken what it was given last: not on a full or read-only disk. */
  readonly writable: boolean;
  /** When this became so, ms since the epoch. */
  readonly since: number;
  /** When it has answered last. */
  readonly lastAnswer: number;
  /** Name of the newest migration. */
  readonly schema: string;
  /** The newest revision that is known. */
  readonly revision: number;
  readonly lastError: StoreTrouble | undefined;
}

export interface StoreTrouble {
  /** ms since the epoch. */
  readonly at: number;
  readonly code: StoreErrorCode;
  /** How the database or the system calls it, such as `ECONNREFUSED` or `57P01`; never a sentence of theirs. */
  readonly reason: string;
}

export interface StoreMeasures {
  /** Changes that were made or have failed, by how long they took from being asked for to being durable. */
  readonly changes: Durations;
  readonly changesWaiting: number;
  readonly denialsWaiting: number;
  /** Denials that could not be written: they are in the log only. */
  readonly denialsLost: number;
  readonly errors: ReadonlyMap<StoreErrorCode, number>;
  /** Lines of the audit log that are there. */
  readonly auditLines: number;
  /** In bytes, as it was looked at last; undefined before that. `log` is the write-ahead log of SQLite. */
  readonly size: { readonly database: number; readonly log: number | undefined } | undefined;
  /** Of PostgreSQL. */
  readonly connections: StoreConnections | undefined;
}

export interface StoreConnections {
  readonly open: number;
  readonly idle: number;
  /** Statements that wait for one. */
  readonly waiting: number;
  /** The connection that hears of changes of other processes is there. */
  readonly listening: boolean;
}

export interface Durations {
  /** Upper ends, in ms. */
  readonly bounds: readonly number[];
  /** Observations in each, not cumulated; one more than there are bounds. */
  readonly buckets: readonly number[];
  /** In ms. */
  readonly sum: number;
}
