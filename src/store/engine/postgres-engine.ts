/** PostgreSQL, with all tables in a schema of our own, so that the database may be used by others too. */
import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { StoreError } from '../store.ts';
import type { Db, Engine, Tables, Tx } from './engine.ts';
import { PostgresListener } from './postgres-listener.ts';

const SCHEMA = 'gatehouse';
const OLDEST_VERSION = 13;
const MAX_CONNECTIONS = 10;
const CONNECT_TIMEOUT_MS = 5_000;
/** A server that has gone away without a word must not hold a request for ever. */
const QUERY_TIMEOUT_MS = 60_000;
/** Whatever a transaction of another process holds, it ends by itself after this. */
const TRANSACTION_LIMITS = {
  lock_timeout: '10s',
  statement_timeout: '30s',
  idle_in_transaction_session_timeout: '60s',
};
/** int8, which would otherwise be text. Ours are versions and times, far below 2^53. */
const INT8 = 20;

/** `url`: `postgres://user:password@host:port/database`, and the parameters of libpq such as `sslmode`. */
export async function openPostgres(url: string): Promise<Engine> {
  if (!/^postgres(ql)?:\/\//.test(url))
    throw new StoreError('unavailable', 'The address of the database must begin with postgres:// or postgresql://.');
  const connection: pg.ClientConfig = {
    connectionString: url,
    fallback_application_name: 'gatehouse',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    types: { getTypeParser: typeParser },
  };
  const pool = new pg.Pool({ ...connection, max: MAX_CONNECTIONS });
  // A connection that breaks while nobody uses it: the pool makes another one when it is needed.
  pool.on('error', () => undefined);
  // One that breaks between two statements of a transaction: the next statement says so. Without a listener it would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }).withSchema(SCHEMA);
  try {
    await checkServer(db);
  } catch (error) {
    await pool.end();
    throw error;
  }
  const listener = new PostgresListener(connection);
  return {
    kind: 'postgres',
    schema: SCHEMA,
    read: db,
    write: db,
    transact: async (work, durability) => transact(db, work, durability),
    announce: async (tx, revision) => {
      await sql`select pg_notify(${PostgresListener.CHANNEL}, ${String(revision)})`.execute(tx);
    },
    size: async () => ({ database: await sizeOf(db), log: undefined }),
    connections: () => ({
      open: pool.totalCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
      listening: listener.isListening,
    }),
    watch: (look) => listener.watch(look),
    async [Symbol.asyncDispose]() {
      await listener[Symbol.asyncDispose]();
      await db.destroy();
    },
  };
}

/** Begins once more on another connection when one turns out to be dead: nothing has been done on it. The others may be dead as well. */
async function transact<T>(db: Db, work: (tx: Tx) => Promise<T>, durability: 'lazy' | undefined): Promise<T> {
  let begun = false;
  const transaction = async (): Promise<T> =>
    db
      .transaction()
      .setIsolationLevel('read committed')
      .execute(async (tx) => {
        await prepare(tx, durability);
        begun = true;
        return work(tx);
      });
  for (let connections = MAX_CONNECTIONS; ; connections--) {
    try {
      return await transaction();
    } catch (error) {
      if (begun || connections === 0 || !isBroken(error)) throw error;
    }
  }
}

/** A connection that the pool held had ended: by the server's word, or without one. */
function isBroken(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? error.code : undefined;
  return (
    code === '57P01' ||
    code === 'ECONNRESET' ||
    code === 'EPIPE' ||
    error.message.startsWith('Connection terminated unexpectedly')
  );
}

/** For this transaction only, so that it works behind a pooler of transactions, too. */
async function prepare(tx: Tx, durability: 'lazy' | undefined): Promise<void> {
  const limits = Object.entries(TRANSACTION_LIMITS).map(([name, value]) => sql`set_config(${name}, ${value}, true)`);
  // What is acknowledged is on the disk, whatever the server does by default.
  const durable =
    durability === 'lazy'
      ? sql`set_config('synchronous_commit', 'off', true)`
      : sql`set_config('synchronous_commit', case current_setting('synchronous_commit') when 'off' then 'on' else current_setting('synchronous_commit') end, true)`;
  await sql`select ${sql.join([...limits, durable])}`.execute(tx);
}

/** Of our tables with their indexes: the database may be shared. */
async function sizeOf(db: Db): Promise<number> {
  const { rows } = await sql<{ size: number | null }>`
    select sum(pg_total_relation_size(oid))::bigint as size from pg_class
    where relnamespace = ${SCHEMA}::regnamespace and relkind = 'r'`.execute(db);
  return rows[0]?.size ?? 0;
}

async function checkServer(db: Db): Promise<void> {
  const { rows } = await sql<{ version: string; encoding: string }>`
    select current_setting('server_version') as version, current_setting('server_encoding') as encoding`.execute(db);
  const { version = '', encoding = '' } = rows[0] ?? {};
  if (Number.parseInt(version, 10) < OLDEST_VERSION)
    throw new StoreError(
      'unavailable',
      `PostgreSQL ${version} is too old; Gatehouse needs ${OLDEST_VERSION} or newer.`,
    );
  if (encoding !== 'UTF8')
    throw new StoreError(
      'unavailable',
      `The database has the encoding ${encoding}. Make one with 'create database … encoding UTF8 template template0'.`,
    );
}

/** Overloaded in pg, and only the first shape is asked for. */
const typeParser: typeof pg.types.getTypeParser = (id: number, format?: unknown): unknown =>
  id === INT8 && format !== 'binary' ? Number : Reflect.apply(pg.types.getTypeParser, pg.types, [id, format]);
