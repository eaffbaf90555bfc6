/** Brings the schema of a store up to what this version works with; one that is newer is left alone. */
import { type Migration, Migrator } from 'kysely/migration';
import type { Db, Engine } from '../engine/engine.ts';
import { StoreError } from '../store.ts';
import { recordsAndAudit } from './0001-records-and-audit.ts';
import { auditCheckpoint } from './0002-audit-checkpoint.ts';

/** In their order. What has been released is never changed; there is only a next one. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-records-and-audit': { up: recordsAndAudit },
  '0002-audit-checkpoint': { up: auditCheckpoint },
};

/** What a store has that this version has opened. */
export const SCHEMA_VERSION = Object.keys(MIGRATIONS).at(-1) ?? '';

const TABLE = 'schema_migrations';
const LOCK_TABLE = 'schema_migrations_lock';

/** Safe to be called by several processes at once; a migration that fails leaves the schema as it was. */
export async function migrate(
  { write, schema }: Pick<Engine, 'write' | 'schema'>,
  migrations = MIGRATIONS,
): Promise<void> {
  const migrator = new Migrator({
    db: write,
    provider: { getMigrations: async () => ({ ...migrations }) },
    migrationTableName: TABLE,
    migrationLockTableName: LOCK_TABLE,
    ...(schema === undefined ? {} : { migrationTableSchema: schema }),
  });
  await refuseNewer(write, schema, migrations);
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error instanceof Error ? error : new Error(String(error));
}

async function refuseNewer(
  db: Db,
  schema: string | undefined,
  migrations: Readonly<Record<string, Migration>>,
): Promise<void> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some((table) => table.name === TABLE && table.schema === schema)) return;
  const applied = await db.selectFrom(TABLE).select('name').orderBy('name').execute();
  const unknown = applied.map(({ name }) => String(name)).filter((name) => !Object.hasOwn(migrations, name));
  if (unknown.length === 0) return;
  throw new StoreError(
    'unavailable',
    `The store was written by a newer Gatehouse: this one does not know its schema '${unknown.at(-1)}'. Start that version, or restore a backup of the store from before it.`,
  );
}
