/** Opens the store: the embedded one in a folder, or one in PostgreSQL. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { asStoreError } from './engine/database-error.ts';
import type { Engine } from './engine/engine.ts';
import { openSqlite } from './engine/sqlite-engine.ts';
import { migrate } from './migrations/migrate.ts';
import { ensureKeyFile, keysOfFile } from './secrets/key-file.ts';
import type { KeySource } from './secrets/key-ring.ts';
import { Vault } from './secrets/vault.ts';
import { SqlStore } from './sql-store.ts';
import { StoreError } from './store.ts';

export type StoreLocation = {
  /** Holds `gatehouse.db` and `secret.key`; made when it is not there. */
  readonly dataDir: string;
  /** In place of `secret.key`. */
  readonly key?: GivenKey;
};

/** Where the keys come from; see `parseKeyRing` for the format of the text. */
export type GivenKey = { readonly text: string; readonly name: string } | { readonly file: string };

const DATABASE_FILE = 'gatehouse.db';
const KEY_FILE = 'secret.key';

/** Brings the schema up to date first. Rejects with a StoreError, whose message says what to do. */
export async function openStore(location: StoreLocation): Promise<SqlStore> {
  const { dataDir, key } = location;
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    return await openOver(openSqlite(join(dataDir, DATABASE_FILE)), async (isNew) => {
      if (key !== undefined) return openVault(key);
      const file = join(dataDir, KEY_FILE);
      // Another key would make an empty store of one whose key is only missing.
      if (isNew) await ensureKeyFile(file);
      return openVault({ file });
    });
  } catch (error) {
    throw asStoreError(inFolder(error, dataDir));
  }
}

async function openOver(engine: Engine, vaultOf: (isNew: boolean) => Promise<Vault>): Promise<SqlStore> {
  try {
    await migrate(engine.write);
    const { key_id: keyId } = await engine.read.selectFrom('store_state').select('key_id').executeTakeFirstOrThrow();
    return await SqlStore.open(engine, await vaultOf(keyId === null));
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

/** Errors of the file system name the file that they are about. */
function inFolder(error: unknown, dataDir: string): unknown {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return error;
  return new StoreError(error.code === 'ENOSPC' ? 'full' : 'unavailable', `${dataDir}: ${error.message}`, {
    cause: error,
  });
}
