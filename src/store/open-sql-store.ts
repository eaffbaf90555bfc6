/** Opens the store with all that works on it, which is loaded for this alone. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readState } from './audit/audit-log.ts';
import { asStoreError } from './engine/database-error.ts';
import type { Engine } from './engine/engine.ts';
import { openSqlite } from './engine/sqlite-engine.ts';
import { migrate } from './migrations/migrate.ts';
import { type GivenKey, keyFileIn, type OpenOptions, type StoreLocation } from './open-store.ts';
import { ensureKeyFile, keysOfFile } from './secrets/key-file.ts';
import type { KeySource } from './secrets/key-ring.ts';
import { Vault } from './secrets/vault.ts';
import { SqlStore } from './sql-store.ts';
import { StoreError } from './store.ts';

const DATABASE_FILE = 'gatehouse.db';

/** As `openStore`. */
export async function openSqlStore(location: StoreLocation, { mustExist = false }: OpenOptions): Promise<SqlStore> {
  try {
    if (mustExist && 'dataDir' in location && !existsSync(join(location.dataDir, DATABASE_FILE)))
      throw new StoreError('missing', `There is no store in ${location.dataDir}. Name another one with --data-dir.`);
    return 'dataDir' in location
      ? await openInFolder(location.dataDir, location.key)
      : await openInPostgres(location.databaseUrl, location.key);
  } catch (error) {
    throw asStoreError(error);
  }
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

async function openInPostgres(url: string, key: GivenKey): Promise<SqlStore> {
  const { openPostgres } = await import('./engine/postgres-engine.ts');
  return openOver(await openPostgres(url), async () => openVault(key));
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
