/** What a database means by an error, whichever of the two it is. */
import { StoreError } from '../store.ts';

export type DatabaseFault = 'unique' | 'reference' | 'full' | 'busy' | 'read-only' | 'failing' | 'damaged';

/** Result codes of SQLite: https://www.sqlite.org/rescode.html */
const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;
const SQLITE_CONSTRAINT_FOREIGNKEY = 787;
const SQLITE_CONSTRAINT_PRIMARYKEY = 1555;
const SQLITE_CONSTRAINT_UNIQUE = 2067;
/** The shared memory beside the write-ahead log cannot grow: there is no room for it. */
const SQLITE_IOERR_SHMSIZE = 4874;

const FAULT_OF_PRIMARY: ReadonlyMap<number, DatabaseFault> = new Map([
  [SQLITE_FULL, 'full'],
  [SQLITE_BUSY, 'busy'],
  [SQLITE_READONLY, 'read-only'],
  [SQLITE_IOERR, 'failing'],
  [SQLITE_CORRUPT, 'damaged'],
  [SQLITE_NOTADB, 'damaged'],
]);

/** SQLSTATE of PostgreSQL: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const FAULT_OF_SQLSTATE: Readonly<Record<string, DatabaseFault>> = {
  '23505': 'unique',
  '23503': 'reference',
  '23001': 'reference',
  '53100': 'full',
  '55P03': 'busy',
  '25006': 'read-only',
  '58030': 'failing',
  XX001: 'damaged',
  XX002: 'damaged',
};

/** Of the system, before there is a database. */
const FAULT_OF_SYSTEM: Readonly<Record<string, DatabaseFault>> = { ENOSPC: 'full', EROFS: 'read-only' };

/** undefined for everything that has no meaning of its own to the store. */
export function faultOf(error: unknown): DatabaseFault | undefined {
  const code = codeOf(error);
  if (code === undefined) return undefined;
  if (code !== 'ERR_SQLITE_ERROR') return FAULT_OF_SQLSTATE[code] ?? FAULT_OF_SYSTEM[code];
  return sqliteFault(error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0);
}

function sqliteFault(code: number): DatabaseFault | undefined {
  if (code === SQLITE_CONSTRAINT_UNIQUE || code === SQLITE_CONSTRAINT_PRIMARYKEY) return 'unique';
  if (code === SQLITE_CONSTRAINT_FOREIGNKEY) return 'reference';
  if (code === SQLITE_IOERR_SHMSIZE) return 'full';
  return FAULT_OF_PRIMARY.get(code & 0xff);
}

/** For errors of everything that only works with the store: whatever it is, the store failed. */
export function asStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const fault = faultOf(error);
  if (fault === 'full')
    return new StoreError('full', 'The disk of the store is full: nothing can be written until there is room again.', {
      cause: error,
    });
  if (fault === 'busy')
    return new StoreError('unavailable', 'Another process holds the store; nothing was changed. Try again.', {
      cause: error,
    });
  if (fault === 'read-only')
    return new StoreError(
      'unavailable',
      'The store can only be read: its disk is mounted read-only, or its server is a standby. Nothing was changed.',
      { cause: error },
    );
  if (fault === 'failing')
    return new StoreError(
      'unavailable',
      `The disk of the store does not take what is written, or does not give it back (${wordsOf(error)}). Nothing was changed.`,
      { cause: error },
    );
  if (fault === 'damaged')
    return new StoreError(
      'unavailable',
      `The database of the store is damaged (${wordsOf(error)}): restore a backup.`,
      {
        cause: error,
      },
    );
  return new StoreError('unavailable', `The store cannot be used: ${wordsOf(error)}`, { cause: error });
}

/** How the database or the system names an error: a code, for it may have sentences that hold more. */
export function reasonOf(error: unknown): string {
  if (error instanceof Error && 'errcode' in error) return `SQLite ${Number(error.errcode)}`;
  return codeOf(error) ?? (error instanceof Error ? error.name : 'unknown');
}

function wordsOf(error: unknown): string {
  // Connections that fail at several addresses have no message, only a code.
  return error instanceof Error && error.message !== '' ? error.message : (codeOf(error) ?? String(error));
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
