/** SQL past the store, as somebody with access to the database could send it. */
import pg from 'pg';

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
