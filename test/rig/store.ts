/** Real stores for tests, each with a folder or a database of its own that is gone afterwards. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { postgresPrograms, type PostgresServer, startPostgres } from '../../scripts/setup/postgres.ts';
import { openStore, type StoreLocation } from '../../src/store/open-store.ts';
import { newKeyText } from '../../src/store/secrets/key-ring.ts';
import type { SqlStore } from '../../src/store/sql-store.ts';
import type { Actor } from '../../src/store/store.ts';
import { querySql } from '../store/sql.ts';

/** Who does things in tests. */
export const TEST_ACTOR: Actor = {
  subject: 'user:admin@example.com',
  user: 'admin@example.com',
  requestId: 'test-request',
  address: '127.0.0.1',
};

export interface TemporaryStore extends AsyncDisposable {
  readonly store: SqlStore;
  /** To open it once more: `openStore(location)`. Several may have it open. */
  readonly location: StoreLocation;
  /** What turns a gateway process to this store. */
  readonly env: Readonly<Record<string, string>>;
}

export interface EmbeddedStore extends TemporaryStore {
  /** For `--data-dir`. */
  readonly dataDir: string;
}

/** The embedded store. */
export async function openTemporaryStore(): Promise<EmbeddedStore> {
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-store-'));
  const store = await openStore({ dataDir });
  return {
    store,
    dataDir,
    location: { dataDir },
    env: { MCP_GATEWAY_DATA_DIR: dataDir },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** True when no PostgreSQL is installed: `describe.skipIf(postgresMissing())`. `npm test` on Debian as root installs it. */
export function postgresMissing(): boolean {
  return postgresPrograms() === undefined;
}

/** A new database of a server that runs: `await using server = await startPostgres()` takes two seconds. */
export async function openPostgresStore(server: PostgresServer): Promise<TemporaryStore> {
  const database = await createDatabase(server);
  const [databaseUrl, text] = [server.url(database), newKeyText()];
  const location: StoreLocation = { databaseUrl, key: { text, name: 'MCP_GATEWAY_SECRET_KEY' } };
  const store = await openStore(location);
  return {
    store,
    location,
    env: { DATABASE_URL: databaseUrl, MCP_GATEWAY_SECRET_KEY: text },
    // The database goes with its server.
    [Symbol.asyncDispose]: async () => store[Symbol.asyncDispose](),
  };
}

/** An empty database. Resolves with its name. */
export async function createDatabase(server: PostgresServer): Promise<string> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await querySql(server.url('postgres'), `create database ${name}`);
  return name;
}

/** Describes the same behaviour once for the embedded store and once for PostgreSQL. */
export function describeOnBothStores(title: string, tests: (open: () => Promise<TemporaryStore>) => void): void {
  describe(`${title} (embedded store)`, () => tests(openTemporaryStore));
  describe.skipIf(postgresMissing())(`${title} (PostgreSQL)`, () => {
    let server: PostgresServer;
    beforeAll(async () => {
      server = await startPostgres();
    });
    afterAll(async () => {
      await server[Symbol.asyncDispose]();
    });
    tests(async () => openPostgresStore(server));
  });
}
