/** Virtual servers with the items that they select, in the order that was given. */
import type { ItemReference } from '../../config/registration.ts';
import type { Db, Tx } from '../engine/engine.ts';
import type { Changes, NewRecord, VirtualServerRecord } from '../store.ts';
import { VIRTUAL_SERVERS, type VirtualServerRow } from './entities.ts';
import { findAll, findOne, insert, remove, update } from './entity.ts';
import { fromRow, type Shape, text, toRow } from './shape.ts';

const ITEM: Shape<ItemReference> = { server: text('server'), kind: text('kind'), key: text('key') };
/** Rows of one statement: each has five parameters, and SQLite takes 32,766. */
const MAX_ROWS = 5_000;

export async function readVirtualServer(db: Db, id: string): Promise<VirtualServerRecord | undefined> {
  const row = await findOne(db, VIRTUAL_SERVERS, 'id', id);
  return row === undefined ? undefined : withItems(row, await itemsOf(db, id));
}

export async function readVirtualServers(db: Db): Promise<VirtualServerRecord[]> {
  const rows = await findAll(db, VIRTUAL_SERVERS);
  const items = await itemsOf(db);
  return rows.map((row) => withItems(row, items));
}

export async function insertVirtualServer(
  tx: Tx,
  record: NewRecord<VirtualServerRecord>,
): Promise<VirtualServerRecord> {
  const { items, ...fields } = record;
  const row = await insert(tx, VIRTUAL_SERVERS, fields);
  await insertItems(tx, row.id, items);
  return { ...row, items };
}

export async function updateVirtualServer(
  tx: Tx,
  id: string,
  version: number | undefined,
  changes: Changes<VirtualServerRecord>,
): Promise<VirtualServerRecord> {
  const { items, ...fields } = changes;
  const row = await update(tx, VIRTUAL_SERVERS, id, version, fields);
  if (items === undefined) return withItems(row, await itemsOf(tx, id));
  await tx.deleteFrom('virtual_server_items').where('virtual_server', '=', id).execute();
  await insertItems(tx, id, items);
  return { ...row, items };
}

export async function deleteVirtualServer(
  tx: Tx,
  id: string,
  version: number | undefined,
): Promise<VirtualServerRecord> {
  const items = await itemsOf(tx, id);
  return withItems(await remove(tx, VIRTUAL_SERVERS, id, version), items);
}

type ItemsById = ReadonlyMap<string, readonly ItemReference[]>;

async function itemsOf(db: Db, id?: string): Promise<ItemsById> {
  let query = db.selectFrom('virtual_server_items').selectAll().orderBy('virtual_server').orderBy('position');
  if (id !== undefined) query = query.where('virtual_server', '=', id);
  const found = new Map<string, ItemReference[]>();
  for (const row of await query.execute()) {
    const owner = String(row['virtual_server']);
    const items = found.get(owner) ?? [];
    items.push(fromRow(ITEM, row));
    found.set(owner, items);
  }
  return found;
}

async function insertItems(tx: Tx, id: string, items: readonly ItemReference[]): Promise<void> {
  const rows = items.map((item, position) => ({ virtual_server: id, position, ...toRow(ITEM, item) }));
  for (let at = 0; at < rows.length; at += MAX_ROWS)
    await tx
      .insertInto('virtual_server_items')
      .values(rows.slice(at, at + MAX_ROWS))
      .execute();
}

function withItems(row: VirtualServerRow, items: ItemsById): VirtualServerRecord {
  return { ...row, items: items.get(row.id) ?? [] };
}
