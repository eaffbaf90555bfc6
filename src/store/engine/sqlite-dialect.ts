/** Kysely over `node:sqlite`: one connection to one file. */
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type DatabaseIntrospector,
  type Dialect,
  type DialectAdapter,
  type Driver,
  type Kysely,
  type QueryCompiler,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { faultOf } from './database-error.ts';

/** How long a transaction waits for one of another process. */
const BUSY_DEADLINE_MS = 10_000;
const BUSY_PAUSE_MS = 5;
/** Queries are few and alike; those that vary in length (`in (…)`, many rows) must not pile up. */
const MAX_STATEMENTS = 200;
/** Nothing here waits for the system, so without a turn of the event loop a row of queries would hold up everything else. */
const QUERIES_IN_A_ROW = 20;

export class SqliteDialect implements Dialect {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }
  createDriver(): Driver {
    return new SqliteDriver(this.#database);
  }
  createQueryCompiler(): QueryCompiler {
    return new SqliteQueryCompiler();
  }
  createAdapter(): DialectAdapter {
    return new TransactionalSqliteAdapter();
  }
  createIntrospector(db: Kysely<unknown>): DatabaseIntrospector {
    return new SqliteIntrospector(db);
  }
}

/** A migration that is cut off leaves nothing behind. */
class TransactionalSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class SqliteDriver implements Driver {
  readonly #database: DatabaseSync;
  readonly #connection: SqliteConnection;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#connection = new SqliteConnection(database);
  }
  async init(): Promise<void> {}
  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection;
  }
  async releaseConnection(): Promise<void> {}

  /** IMMEDIATE: takes the right to write at once, so that no transaction has to be given up later. Waits without blocking the process. */
  async beginTransaction(): Promise<void> {
    // SQLite would wait in a way that nothing else of this process goes on.
    this.#database.exec('pragma busy_timeout = 0');
    const deadline = Date.now() + BUSY_DEADLINE_MS;
    for (;;) {
      try {
        this.#database.exec('begin immediate');
        return;
      } catch (error) {
        if (faultOf(error) !== 'busy' || Date.now() > deadline) throw error;
      }
      await sleep(BUSY_PAUSE_MS);
    }
  }
  async commitTransaction(): Promise<void> {
    this.#database.exec('commit');
  }
  /** A full disk or a failed write has rolled it back already. */
  async rollbackTransaction(): Promise<void> {
    if (this.#database.isTransaction) this.#database.exec('rollback');
  }
  async destroy(): Promise<void> {
    this.#connection.forget();
    this.#database.close();
  }
}

class SqliteConnection implements DatabaseConnection {
  readonly #database: DatabaseSync;
  /** By SQL text, the one used last at the end. */
  readonly #statements = new Map<string, StatementSync>();
  #queries = 0;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    this.#queries += 1;
    if (this.#queries % QUERIES_IN_A_ROW === 0) await turn();
    const statement = this.#prepare(query.sql);
    const parameters = query.parameters as readonly SQLInputValue[];
    if (statement.columns().length > 0) return { rows: statement.all(...parameters) as R[] };
    const { changes } = statement.run(...parameters);
    return { numAffectedRows: BigInt(changes), rows: [] };
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield await this.executeQuery<R>(query);
  }

  forget(): void {
    this.#statements.clear();
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    const statement = known ?? this.#database.prepare(sql);
    if (known !== undefined) this.#statements.delete(sql);
    this.#statements.set(sql, statement);
    if (this.#statements.size > MAX_STATEMENTS) {
      for (const oldest of this.#statements.keys()) {
        this.#statements.delete(oldest);
        break;
      }
    }
    return statement;
  }
}
