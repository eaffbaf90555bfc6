/** Opens the store: the embedded one in a folder, or one in PostgreSQL. */
import { join } from 'node:path';
import type { SqlStore } from './sql-store.ts';

export type StoreLocation =
  | {
      /** Holds `gatehouse.db` and `secret.key`; made when it is not there. */
      readonly dataDir: string;
      /** In place of `secret.key`. */
      readonly key?: GivenKey | undefined;
    }
  | {
      /** `postgres://user:password@host:port/database` */
      readonly databaseUrl: string;
      readonly key: GivenKey;
    };

/** Where the keys come from; see `parseKeyRing` for the format of the text. */
export type GivenKey = { readonly text: string; readonly name: string } | { readonly file: string };

const KEY_FILE = 'secret.key';

export interface OpenOptions {
  /** Rejects with `missing` where there is no store yet, in place of making one. */
  readonly mustExist?: boolean;
}

/** Brings the schema up to date first. Rejects with a StoreError, whose message says what to do. */
export async function openStore(location: StoreLocation, options: OpenOptions = {}): Promise<SqlStore> {
  // Only now: drivers and query builder cost a gateway that has no store 40 MB of memory.
  const { openSqlStore } = await import('./open-sql-store.ts');
  return openSqlStore(location, options);
}

/** The key that the embedded store makes for itself. */
export function keyFileIn(dataDir: string): string {
  return join(dataDir, KEY_FILE);
}
