import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { describe, expect, it, vi } from 'vitest';
import { startPostgres } from '../../scripts/setup/postgres.ts';
import type { Engine, Tables } from '../../src/store/engine/engine.ts';
import { openPostgres } from '../../src/store/engine/postgres-engine.ts';
import { SqliteDialect } from '../../src/store/engine/sqlite-dialect.ts';
import { openSqlite } from '../../src/store/engine/sqlite-engine.ts';
import { migrate, MIGRATIONS } from '../../src/store/migrations/migrate.ts';
import { openStore } from '../../src/store/open-store.ts';
import { newKeyText } from '../../src/store/secrets/key-ring.ts';
import {
  createDatabase,
  describeOnBothStores,
  openTemporaryStore,
  postgresMissing,
  type TemporaryStore,
} from '../rig/store.ts';
import { register } from './samples.ts';
import { querySql } from './sql.ts';

const NEXT = {
  ...MIGRATIONS,
  '9999-of-the-future': { up: async (db: Kysely<unknown>) => createTable(db, 'tomorrow') },
};
const BROKEN = {
  ...NEXT,
  '99999-broken': {
    up: async (db: Kysely<unknown>) => {
      await createTable(db, 'half_done');
      throw new Error('it broke');
    },
  },
};

describeOnBothStores('the schema', (open) => {
  it('of a newer Gatehouse is left alone, and the message says what to do', async () => {
    await using temporary = await open();
    await register(temporary.store, 'weather');
    await using engine = engineOf(temporary);
    await migrate(engine, NEXT);
    const refused = openStore(temporary.location);
    await expect(refused).rejects.toMatchObject({ code: 'unavailable' });
    await expect(refused).rejects.toThrow(/newer Gatehouse.*'9999-of-the-future'.*Start that version/);
    // The one that runs goes on.
    expect(await temporary.store.gateways()).toHaveLength(1);
  });

  it('stays as it was when bringing it up to date breaks in the middle', async () => {
    await using temporary = await open();
    await using engine = engineOf(temporary);
    await expect(migrate(engine, BROKEN)).rejects.toThrow('it broke');
    const tables = await engine.write.introspection.getTables();
    expect(tables.map(({ name }) => name)).not.toContain('half_done');
    expect(tables.map(({ name }) => name)).not.toContain('tomorrow');
    await using again = await openStore(temporary.location);
    expect(await again.verifyAudit()).toMatchObject({ ok: true });
  });

  it('is there once when many processes start at once, and again when they start again', async () => {
    await using temporary = await open();
    for (let round = 0; round < 2; round += 1) {
      const stores = await Promise.all(Array.from({ length: 5 }, async () => openStore(temporary.location)));
      await Promise.all(stores.map(async (store) => store[Symbol.asyncDispose]()));
    }
    await register(temporary.store, 'weather');
    expect(await temporary.store.verifyAudit()).toMatchObject({ ok: true, lines: 1 });
  });
});

describe.skipIf(postgresMissing())('PostgreSQL (PostgreSQL)', () => {
  it('is taken from empty to ready by processes that start at once, in a schema of its own', async () => {
    await using server = await startPostgres();
    const databaseUrl = server.url(await createDatabase(server));
    await querySql(databaseUrl, 'create table schema_migrations (version text)');
    const key = { text: newKeyText(), name: 'KEY' };
    const stores = await Promise.all(Array.from({ length: 4 }, async () => openStore({ databaseUrl, key })));
    await Promise.all(stores.map(async (store, at) => register(store, `server-${at}`)));
    expect(await stores[0]?.gateways()).toHaveLength(4);
    for (const store of stores) await store[Symbol.asyncDispose]();
    const foreign = await querySql(databaseUrl, "select tablename from pg_tables where schemaname = 'public'");
    expect(foreign).toEqual([{ tablename: 'schema_migrations' }]);
  });

  it('that loses its connections is used again as soon as it answers', async () => {
    await using server = await startPostgres();
    const databaseUrl = server.url(await createDatabase(server));
    const location = { databaseUrl, key: { text: newKeyText(), name: 'KEY' } };
    await using store = await openStore(location);
    await using other = await openStore(location);
    const heard = vi.fn<(revision: number) => void>();
    other.onChange(heard);
    await register(store, 'before');
    await vi.waitFor(() => expect(heard.mock.calls).toEqual([[1]]), { timeout: 20_000 });
    await querySql(
      server.url('postgres'),
      'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname is not null',
    );
    await register(store, 'after');
    await vi.waitFor(() => expect(heard.mock.calls).toEqual([[1], [2]]), { timeout: 20_000 });
    expect(await store.gateways()).toHaveLength(2);
    expect(await store.verifyAudit()).toMatchObject({ ok: true, lines: 2 });
  });

  it('that loses the connection of a transaction between two statements fails that transaction alone', async () => {
    await using server = await startPostgres();
    await using engine = await openPostgres(server.url(await createDatabase(server)));
    const lost = engine.transact(async (tx) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
      await querySql(server.url('postgres'), `select pg_terminate_backend(${rows[0]?.pid})`);
      // For the word of it to arrive while no statement waits.
      await pause(200);
      await sql`select 1`.execute(tx);
    });
    await expect(lost).rejects.toThrow(/terminat|not queryable/i);
    expect((await sql`select 1`.execute(engine.read)).rows).toHaveLength(1);
  });

  it('puts on the disk what it acknowledges, also where the server does not by default', async () => {
    await using server = await startPostgres();
    const database = await createDatabase(server);
    await querySql(server.url('postgres'), `alter database ${database} set synchronous_commit = off`);
    await using engine = await openPostgres(server.url(database));
    const inside = await engine.transact(async (tx) => sql<Setting>`show synchronous_commit`.execute(tx));
    const outside = await sql<Setting>`show synchronous_commit`.execute(engine.read);
    expect([inside.rows, outside.rows]).toEqual([[{ synchronous_commit: 'on' }], [{ synchronous_commit: 'off' }]]);
  });

  it('waits for the disk unless what is written is found out again', async () => {
    await using server = await startPostgres();
    await using engine = await openPostgres(server.url(await createDatabase(server)));
    const setting = async (durability?: 'lazy'): Promise<unknown> =>
      (await engine.transact(async (tx) => sql<Setting>`show synchronous_commit`.execute(tx), durability)).rows;
    expect(await setting('lazy')).toEqual([{ synchronous_commit: 'off' }]);
    expect(await setting()).toEqual([{ synchronous_commit: 'on' }]);
  });

  it('that cannot be reached is said without the password', async () => {
    const key = { text: newKeyText(), name: 'KEY' };
    for (const [databaseUrl, message] of [
      ['postgres://me:hunter2@127.0.0.1:1/db', /cannot be used: connect ECONNREFUSED 127.0.0.1:1/],
      ['mysql://me:hunter2@127.0.0.1/db', /must begin with postgres:/],
      ['postgres://me:hunter2@127.0.0.1:99999/db', /cannot be used/],
    ] as const) {
      const error = await openStore({ databaseUrl, key }).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'unavailable', message: expect.stringMatching(message) });
      expect(String(error)).not.toContain('hunter2');
    }
    await using server = await startPostgres();
    const wrong = server.url('postgres').replace(server.password, 'hunter2');
    const error = await openStore({ databaseUrl: wrong, key }).catch((reason: unknown) => reason);
    expect(String(error)).toMatch(/password authentication failed/);
    expect(String(error)).not.toContain('hunter2');
  });

  it('in another encoding is refused', async () => {
    await using server = await startPostgres();
    await querySql(server.url('postgres'), "create database old encoding 'LATIN1' template template0");
    const key = { text: newKeyText(), name: 'KEY' };
    await expect(openStore({ databaseUrl: server.url('old'), key })).rejects.toThrow(/encoding LATIN1/);
  });
});

interface Setting {
  readonly synchronous_commit: string;
}

async function createTable(db: Kysely<unknown>, name: string): Promise<void> {
  await db.schema.createTable(name).addColumn('id', 'integer').execute();
}

/** What migrations need of an engine. */
function engineOf({ location }: TemporaryStore): Pick<Engine, 'write' | 'schema'> & AsyncDisposable {
  const write = connect(location);
  const schema = 'databaseUrl' in location ? 'gatehouse' : undefined;
  return {
    write: schema === undefined ? write : write.withSchema(schema),
    schema,
    [Symbol.asyncDispose]: async () => write.destroy(),
  };
}

function connect(location: TemporaryStore['location']): Kysely<Tables> {
  if ('databaseUrl' in location)
    return new Kysely({
      dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: location.databaseUrl }) }),
    });
  const database = new DatabaseSync(join(location.dataDir, 'gatehouse.db'));
  return new Kysely({ dialect: new SqliteDialect(database) });
}

it('the embedded store waits for the disk unless what is written is found out again', async () => {
  await using temporary = await openTemporaryStore();
  await using engine = openSqlite(join(temporary.dataDir, 'gatehouse.db'));
  const setting = async (durability?: 'lazy'): Promise<unknown> =>
    (await engine.transact(async (tx) => sql<object>`pragma synchronous`.execute(tx), durability)).rows;
  expect(await setting('lazy')).toEqual([{ synchronous: 1 }]);
  expect(await setting()).toEqual([{ synchronous: 2 }]);
});
