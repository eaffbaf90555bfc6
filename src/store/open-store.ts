/** Opens the store: the embedded one in a folder, or one in PostgreSQL. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readState } from './audit/audit-log.ts';
import { asStoreError } from './engine/database-error.ts';
import type { Engine } from './engine/engine.ts';
import { openPostgres } from './engine/postgres-engine.ts';
import { openSqlite } from './engine/sqlite-engine.ts';
import { migrate } from './migrations/migrate.ts';
import { ensureKeyFile, keysOfFile } from './secrets/key-file.ts';
import type { KeySource } from './secrets/key-ring.ts';
import { Vault } from './secrets/vault.ts';
import { SqlStore } from './sql-store.ts';
import { StoreError } from './store.ts';

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

const DATABASE_FILE = 'gatehouse.db';
const KEY_FILE = 'secret.key';

export interface OpenOptions {
  /** Rejects with `missing` where there is no store yet, in place of making one. */
  readonly mustExist?: boolean;
}

/** Brings the schema up to date first. Rejects with a StoreError, whose message says what to do. */
export async function openStore(location: StoreLocation, { mustExist = false }: OpenOptions = {}): Promise<SqlStore> {
  try {
    if (mustExist && 'dataDir' in location && !existsSync(join(location.dataDir, DATABASE_FILE)))
      throw new StoreError('missing', `There is no store in ${location.dataDir}. Name another one with --data-dir.`);
    return 'dataDir' in location
      ? await openInFolder(location.dataDir, location.key)
      : await openOver(await openPostgres(location.databaseUrl), async () => openVault(location.key));
  } catch (error) {
    throw asStoreError(error);
  }
}

/** The key that the embedded store makes for itself. */
export function keyFileIn(dataDir: string): string {
  return join(dataDir, KEY_FILE);
}

async function openInFolder(dataDir: string, key: GivenKey | undefined): Promise<SqlStore> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  return openOver(openSqlite(join(dataDir, DATABASE_FILE)), async (isNew) => {
    if (key !== undefined) return openVault(key);
    const file = keyFileIn(dataDir);
    // Later on a new key would only hide that the one of the store is missing.
    if (isNew) await ensureKeyFile(file);
    return openVault({ file });
  });
}

async function openOver(engine: Engine, vaultOf: (isNew: boolean) => Promise<Vault>): Promise<SqlStore> {
  try {
    await migrate(engine);
    const { keyId } = await readState(engine.read);
    return await SqlStore.open(engine, await vaultOf(keyId === undefined));
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
}

async function openVault(key: GivenKey): Promise<Vault> {
  if ('file' in key) return Vault.open(keysOfFile(key.file), key.file);
  const source: KeySource = async () => key.text;
  return Vault.open(source, key.name);
}
