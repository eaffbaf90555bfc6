/** The first schema: everything that is registered, accounts, tokens, and the audit log. */
import { type CreateTableBuilder, type Kysely, sql } from 'kysely';

/** The same statements on both engines: text for JSON, 0 and 1 for truth, ms since the epoch for time. */
export async function recordsAndAudit(db: Kysely<unknown>): Promise<void> {
  await createState(db);
  await createAccounts(db);
  await createServers(db);
  await createItems(db);
  await createTokens(db);
  await createAudit(db);
}

/** One row: where revision and audit log stand, and which key seals secrets. Every change begins by locking it. */
async function createState(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('store_state')
    .addColumn('id', 'integer', (column) => column.primaryKey().check(sql`id = 1`))
    .addColumn('revision', 'bigint', (column) => column.notNull())
    .addColumn('audit_lines', 'bigint', (column) => column.notNull())
    .addColumn('audit_head', 'text', (column) => column.notNull())
    .addColumn('key_id', 'text')
    .execute();
  await (db as Kysely<StateTable>)
    .insertInto('store_state')
    .values({ id: 1, revision: 0, audit_lines: 0, audit_head: '' })
    .execute();
}

interface StateTable {
  readonly store_state: { id: number; revision: number; audit_lines: number; audit_head: string };
}

async function createAccounts(db: Kysely<unknown>): Promise<void> {
  await entity(db, 'users')
    .addColumn('email', 'text', (column) => column.notNull().unique())
    .addColumn('full_name', 'text')
    .addColumn('enabled', 'integer', (column) => column.notNull())
    .execute();
  await entity(db, 'teams')
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('description', 'text')
    .execute();
  await db.schema
    .createTable('memberships')
    .addColumn('team', 'text', (column) => column.notNull().references('teams.id').onDelete('cascade'))
    .addColumn('user_email', 'text', (column) =>
      column.notNull().references('users.email').onDelete('cascade').onUpdate('cascade'),
    )
    .addColumn('role', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('memberships_pkey', ['team', 'user_email'])
    .execute();
  await index(db, 'memberships', ['user_email']);
  await entity(db, 'roles')
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('description', 'text')
    .addColumn('permissions', 'text', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('role_bindings')
    .addColumn('user_email', 'text', (column) =>
      column.notNull().references('users.email').onDelete('cascade').onUpdate('cascade'),
    )
    .addColumn('role', 'text', (column) => column.notNull())
    // The same name again for a role of the store, and NULL for a built-in one, which has no row to point to.
    .addColumn('stored_role', 'text', (column) => column.references('roles.name').onUpdate('cascade'))
    .addColumn('team', 'text', (column) => column.references('teams.id').onDelete('cascade'))
    .execute();
  // Two NULLs are never equal to a unique index, so "for all teams" has to be a value for it.
  await db.schema
    .createIndex('role_bindings_unique')
    .unique()
    .on('role_bindings')
    .columns(['user_email', 'role'])
    .expression(sql`coalesce(team, '')`)
    .execute();
  await index(db, 'role_bindings', ['team']);
}

async function createServers(db: Kysely<unknown>): Promise<void> {
  await visible(entity(db, 'gateways'))
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('sealed', 'text')
    .addColumn('description', 'text')
    .addColumn('tags', 'text', (column) => column.notNull())
    .addColumn('enabled', 'integer', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('lease_until', 'bigint')
    .execute();
  await visible(entity(db, 'virtual_servers'))
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('description', 'text')
    .addColumn('tags', 'text', (column) => column.notNull())
    .addColumn('enabled', 'integer', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('virtual_server_items')
    .addColumn('virtual_server', 'text', (column) =>
      column.notNull().references('virtual_servers.id').onDelete('cascade'),
    )
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('server', 'text', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('virtual_server_items_pkey', ['virtual_server', 'position'])
    .execute();
  await index(db, 'virtual_server_items', ['server']);
}

/** Keys are URIs too, and may be longer than an index entry of PostgreSQL: their hash is what is unique. */
async function createItems(db: Kysely<unknown>): Promise<void> {
  await keyed(entity(db, 'items'))
    .addColumn('item_text', 'text', (column) => column.notNull())
    .addColumn('present', 'integer', (column) => column.notNull())
    .execute();
  await uniqueKey(db, 'items');
  await keyed(entity(db, 'overrides'))
    .addColumn('enabled', 'integer', (column) => column.notNull())
    .addColumn('name', 'text')
    .addColumn('title', 'text')
    .addColumn('description', 'text')
    .addColumn('annotations', 'text')
    .addColumn('tags', 'text', (column) => column.notNull())
    .execute();
  await uniqueKey(db, 'overrides');
}

async function createTokens(db: Kysely<unknown>): Promise<void> {
  await entity(db, 'tokens')
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('user_email', 'text', (column) =>
      column.notNull().references('users.email').onDelete('cascade').onUpdate('cascade'),
    )
    .addColumn('hash', 'text', (column) => column.notNull().unique())
    .addColumn('prefix', 'text', (column) => column.notNull())
    .addColumn('permissions', 'text')
    .addColumn('virtual_servers', 'text')
    .addColumn('teams', 'text')
    .addColumn('addresses', 'text')
    .addColumn('hours', 'text')
    .addColumn('expires_at', 'bigint')
    .addColumn('last_used_at', 'bigint')
    .addColumn('revoked_at', 'bigint')
    .execute();
  await index(db, 'tokens', ['user_email']);
  await db.schema
    .createTable('revocations')
    .addColumn('jti', 'text', (column) => column.primaryKey())
    .addColumn('expires_at', 'bigint')
    .execute();
  await db.schema
    .createTable('idempotency')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('fingerprint', 'text', (column) => column.notNull())
    .addColumn('status', 'integer', (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute();
  await index(db, 'idempotency', ['created_at']);
}

async function createAudit(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('audit')
    .addColumn('sequence', 'bigint', (column) => column.primaryKey())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('outcome', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('user_email', 'text')
    .addColumn('request_id', 'text')
    .addColumn('address', 'text')
    .addColumn('action', 'text', (column) => column.notNull())
    .addColumn('object_kind', 'text')
    .addColumn('object_id', 'text')
    .addColumn('object_name', 'text')
    .addColumn('before_text', 'text')
    .addColumn('after_text', 'text')
    .addColumn('reason', 'text')
    .addColumn('hash', 'text', (column) => column.notNull())
    .execute();
  await index(db, 'audit', ['action', 'sequence']);
  await index(db, 'audit', ['subject', 'sequence']);
  await index(db, 'audit', ['object_id', 'sequence']);
}

type Table = CreateTableBuilder<string>;

function entity(db: Kysely<unknown>, name: string): Table {
  return db.schema
    .createTable(name)
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('version', 'bigint', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull()) as Table;
}

/** A team that still owns something cannot go: what it owns would be seen by nobody, or by all. */
function visible(table: Table): Table {
  return table
    .addColumn('visibility', 'text', (column) => column.notNull())
    .addColumn('owner', 'text')
    .addColumn('team', 'text', (column) => column.references('teams.id'));
}

function keyed(table: Table): Table {
  return table
    .addColumn('server', 'text', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('key_hash', 'text', (column) => column.notNull());
}

async function uniqueKey(db: Kysely<unknown>, table: string): Promise<void> {
  await db.schema.createIndex(`${table}_by_key`).unique().on(table).columns(['server', 'kind', 'key_hash']).execute();
}

async function index(db: Kysely<unknown>, table: string, columns: readonly string[]): Promise<void> {
  await db.schema
    .createIndex(`${table}_by_${columns[0]}`)
    .on(table)
    .columns([...columns])
    .execute();
}
