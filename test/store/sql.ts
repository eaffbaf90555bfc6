/** SQL past the store, as somebody with access to the database could send it. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import type { StoreLocation } from '../../src/store/open-store.ts';

/** Runs one statement on a connection of its own. */
export async function querySql(url: string, statement: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(statement);
    return rows;
  } finally {
    await client.end();
  }
}

/** Runs a statement past the store, as somebody with access to the database could. `TABLE.` stands before the name of a table. */
export async function changeTables(
  { location }: { readonly location: StoreLocation },
  statement: string,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  if ('databaseUrl' in location) return querySql(location.databaseUrl, statement.replaceAll('TABLE.', 'gatehouse.'));
  using database = new DatabaseSync(join(location.dataDir, 'gatehouse.db'));
  return database.prepare(statement.replaceAll('TABLE.', '')).all();
}
