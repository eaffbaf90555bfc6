/** What a database means by an error, whichever of the two it is. */
import { StoreError } from '../store.ts';

export type DatabaseFault = 'unique' | 'reference' | 'full' | 'busy' | 'other';

/** Primary result codes of SQLite: https://www.sqlite.org/rescode.html */
const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;
const SQLITE_CONSTRAINT_FOREIGNKEY = 787;
const SQLITE_CONSTRAINT_PRIMARYKEY = 1555;
const SQLITE_CONSTRAINT_UNIQUE = 2067;
/** The shared memory beside the write-ahead log cannot grow: there is no room for it. */
const SQLITE_IOERR_SHMSIZE = 4874;

/** SQLSTATE of PostgreSQL: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const FAULT_OF_SQLSTATE: Readonly<Record<string, DatabaseFault>> = {
  '23505': 'unique',
  '23503': 'reference',
  '23001': 'reference',
  '53100': 'full',
  '55P03': 'busy',
};

/** undefined when the error does not come from a database. */
export function faultOf(error: unknown): DatabaseFault | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  if (error.code === 'ERR_SQLITE_ERROR') return sqliteFault('errcode' in error ? Number(error.errcode) : 0);
  // Connections fail with codes of the system, such as ECONNREFUSED.
  return FAULT_OF_SQLSTATE[error.code] ?? (/^([0-9A-Z]{5}|E[A-Z]+)$/.test(error.code) ? 'other' : undefined);
}

function sqliteFault(code: number): DatabaseFault {
  if (code === SQLITE_CONSTRAINT_UNIQUE || code === SQLITE_CONSTRAINT_PRIMARYKEY) return 'unique';
  if (code === SQLITE_CONSTRAINT_FOREIGNKEY) return 'reference';
  if (code === SQLITE_IOERR_SHMSIZE) return 'full';
  const primary = code & 0xff;
  if (primary === SQLITE_FULL) return 'full';
  return primary === SQLITE_BUSY ? 'busy' : 'other';
}

/** Errors that are not of a database pass as they are, so that a change can be refused for reasons of its own. */
export function asStoreError(error: unknown): unknown {
  const fault = faultOf(error);
  if (fault === undefined || error instanceof StoreError) return error;
  const { message } = error as Error;
  if (fault === 'full')
    return new StoreError('full', 'The disk of the store is full: nothing can be written until there is room again.', {
      cause: error,
    });
  if (fault === 'busy')
    return new StoreError('unavailable', 'Another process holds the store; nothing was changed. Try again.', {
      cause: error,
    });
  return new StoreError('unavailable', `The store failed: ${message}`, { cause: error });
}
