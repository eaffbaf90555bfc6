/** The embedded database: one file, written by one connection and read by another, so that no read waits for a write. */
import { closeSync, openSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import { StoreError } from '../store.ts';
import type { Engine, Tables } from './engine.ts';
import { SqliteDialect } from './sqlite-dialect.ts';

/** SQLite tells nobody of a change; to ask for the revision takes some 50 µs. */
const WATCH_INTERVAL_MS = 1_000;
/** Only while a file is opened, where there is nothing yet that could be held up. */
const OPEN_TIMEOUT_MS = 5_000;

/** Opens or creates the file, readable by its owner only. */
export function openSqlite(path: string): Engine {
  // SQLite gives the files beside it (-wal, -shm) the mode of this one.
  closeSync(openSync(path, 'a', 0o600));
  const writer = new DatabaseSync(path, { timeout: OPEN_TIMEOUT_MS, enableForeignKeyConstraints: true });
  const { journal_mode: mode } = writer.prepare('pragma journal_mode = wal').get() as { readonly journal_mode: string };
  if (mode !== 'wal') {
    writer.close();
    throw new StoreError('unavailable', `${path}: the file system cannot hold a write-ahead log. Use a local disk.`);
  }
  // FULL: what has been answered survives a loss of power, not only the end of the process.
  writer.exec('pragma synchronous = full');
  // The log grows with the largest change, and need not stay so.
  writer.exec('pragma journal_size_limit = 16777216');
  const reader = new DatabaseSync(path, { timeout: OPEN_TIMEOUT_MS });
  reader.exec('pragma query_only = on');
  const [read, write] = [kyselyOver(reader), kyselyOver(writer)];
  return {
    kind: 'sqlite',
    schema: undefined,
    read,
    write,
    async transact(work, durability) {
      // In the write-ahead log of the transactions before it; the next one that is synced takes it along.
      if (durability === 'lazy') writer.exec('pragma synchronous = normal');
      try {
        return await write.transaction().execute(work);
      } finally {
        if (durability === 'lazy') writer.exec('pragma synchronous = full');
      }
    },
    announce: async () => undefined,
    size: async () => ({ database: sizeOf(path), log: sizeOf(`${path}-wal`) }),
    connections: () => undefined,
    watch(look) {
      const timer = setInterval(look, WATCH_INTERVAL_MS).unref();
      return () => clearInterval(timer);
    },
    async [Symbol.asyncDispose]() {
      await read.destroy();
      await write.destroy();
      // Kysely does not close what it has never used.
      if (reader.isOpen) reader.close();
      if (writer.isOpen) writer.close();
    },
  };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function kyselyOver(database: DatabaseSync): Kysely<Tables> {
  return new Kysely<Tables>({ dialect: new SqliteDialect(database) });
}
