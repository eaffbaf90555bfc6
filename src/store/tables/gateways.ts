/** Registered servers with their secrets: sealed in the table, open in the record. */
import type { Db, Tx } from '../engine/engine.ts';
import { newRowId } from '../row-id.ts';
import type { Vault } from '../secrets/vault.ts';
import type { Changes, GatewayRecord, NewRecord } from '../store.ts';
import { GATEWAYS, type GatewayRow } from './entities.ts';
import { findAll, findOne, insert, remove, update } from './entity.ts';

export async function readGateway(
  db: Db,
  vault: Vault,
  column: 'id' | 'name',
  value: string,
): Promise<GatewayRecord | undefined> {
  const row = await findOne(db, GATEWAYS, column, value);
  return row === undefined ? undefined : opened(row, vault);
}

export async function readGateways(db: Db, vault: Vault): Promise<GatewayRecord[]> {
  return Promise.all((await findAll(db, GATEWAYS)).map(async (row) => opened(row, vault)));
}

/** A row of the same name whose registration has died (its lease is over) makes way. */
export async function insertGateway(
  tx: Tx,
  vault: Vault,
  keyId: string,
  record: NewRecord<GatewayRecord>,
): Promise<GatewayRecord> {
  const { secrets, id = newRowId(), ...fields } = record;
  await expired(tx).where('name', '=', fields.name).execute();
  const row = await insert(tx, GATEWAYS, { ...fields, id, sealed: await sealed(secrets, id, vault, keyId) });
  return { ...withoutSealed(row), secrets };
}

/** A new name goes along to whatever names it: its items, what was changed of them, and the virtual servers that select them. */
export async function updateGateway(
  tx: Tx,
  vault: Vault,
  keyId: string,
  id: string,
  version: number | undefined,
  changes: Changes<GatewayRecord>,
): Promise<GatewayRecord> {
  const { secrets, ...fields } = changes;
  const before = fields.name === undefined ? undefined : await findOne(tx, GATEWAYS, 'id', id);
  const seal = secrets === undefined ? {} : { sealed: await sealed(secrets, id, vault, keyId) };
  const row = await update(tx, GATEWAYS, id, version, { ...fields, ...seal });
  if (before !== undefined && before.name !== row.name) await renameServer(tx, before.name, row.name);
  return opened(row, vault);
}

/** Together with what is said of its items: another server of the same name must not inherit it. */
export async function deleteGateway(
  tx: Tx,
  vault: Vault,
  id: string,
  version: number | undefined,
): Promise<GatewayRecord> {
  const row = await remove(tx, GATEWAYS, id, version);
  const record = await opened(row, vault);
  await touchSelections(tx, row.name);
  for (const table of ['virtual_server_items', 'items', 'overrides'])
    await tx.deleteFrom(table).where('server', '=', row.name).execute();
  return record;
}

/** Pending rows whose registration has died, gone from the table. Resolves with them. */
export async function removeExpiredLeases(tx: Tx): Promise<readonly Pick<GatewayRecord, 'id' | 'name'>[]> {
  const rows = await expired(tx).returning(['id', 'name']).execute();
  return rows.map((row) => ({ id: String(row['id']), name: String(row['name']) }));
}

/** Whether `removeExpiredLeases` has anything to do. */
export async function hasExpiredLease(db: Db): Promise<boolean> {
  const row = await db
    .selectFrom('gateways')
    .select('id')
    .where('state', '=', 'pending')
    .where('lease_until', '<', Date.now())
    .executeTakeFirst();
  return row !== undefined;
}

/** Seals the secrets of every gateway with another key. Resolves with the number of gateways that have some. */
export async function resealGateways(tx: Tx, vault: Vault, keyId: string): Promise<number> {
  let count = 0;
  for (const { id, sealed: before } of await findAll(tx, GATEWAYS)) {
    if (before === undefined) continue;
    const plain = await vault.unseal(before, placeOf(id));
    // Neither version nor time of change: what the gateway is has not changed.
    const after = await vault.seal(plain, placeOf(id), keyId);
    await tx.updateTable('gateways').set({ sealed: after }).where('id', '=', id).execute();
    count += 1;
  }
  return count;
}

function expired(tx: Tx): ReturnType<typeof pendingBefore> {
  return pendingBefore(tx, Date.now());
}

function pendingBefore(tx: Tx, now: number) {
  return tx.deleteFrom('gateways').where('state', '=', 'pending').where('lease_until', '<', now);
}

async function renameServer(tx: Tx, before: string, after: string): Promise<void> {
  await touchSelections(tx, before);
  for (const table of ['virtual_server_items', 'items', 'overrides'])
    await tx.updateTable(table).set({ server: after }).where('server', '=', before).execute();
}

/** The virtual servers that select items of a server are about to change. */
async function touchSelections(tx: Tx, server: string): Promise<void> {
  await tx
    .updateTable('virtual_servers')
    .set((row) => ({ version: row(row.ref('version'), '+', 1), updated_at: Date.now() }))
    .where('id', 'in', tx.selectFrom('virtual_server_items').select('virtual_server').where('server', '=', server))
    .execute();
}

async function opened(row: GatewayRow, vault: Vault): Promise<GatewayRecord> {
  const secrets: Record<string, string> =
    row.sealed === undefined ? {} : JSON.parse(await vault.unseal(row.sealed, placeOf(row.id)));
  return { ...withoutSealed(row), secrets };
}

async function sealed(
  secrets: Readonly<Record<string, string>>,
  id: string,
  vault: Vault,
  keyId: string,
): Promise<string | undefined> {
  if (Object.keys(secrets).length === 0) return undefined;
  return vault.seal(JSON.stringify(secrets), placeOf(id), keyId);
}

function withoutSealed(row: GatewayRow): Omit<GatewayRecord, 'secrets'> {
  const rest: Omit<GatewayRow, 'sealed'> & { sealed?: unknown } = { ...row };
  delete rest.sealed;
  return rest;
}

function placeOf(id: string): string {
  return `gateway ${id}`;
}
