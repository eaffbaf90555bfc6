/** What servers have listed, and what operators have changed of it. */
import type { ItemKind, ItemOverride, ItemReference } from '../../config/registration.ts';
import type { Db, Tx } from '../engine/engine.ts';
import { type ItemRecord, type OverrideRecord, type SeenItem, StoreError } from '../store.ts';
import { ITEMS, keyHash, OVERRIDES } from './entities.ts';
import { findAll, insert, recordOf, remove, update } from './entity.ts';

export async function readItems(
  db: Db,
  filter: { readonly server?: string; readonly kind?: ItemKind },
): Promise<ItemRecord[]> {
  return findAll(db, ITEMS, { server: filter.server, kind: filter.kind });
}

export interface ItemChanges {
  readonly added: readonly SeenItem[];
  readonly changed: readonly { readonly id: string; readonly text: string }[];
  readonly gone: readonly string[];
}

/** What has to be written so that the table says what a server lists; undefined when it says so already. */
export async function compareItems(
  db: Db,
  server: string,
  seen: readonly SeenItem[],
): Promise<ItemChanges | undefined> {
  const known = new Map((await readItems(db, { server })).map((item) => [identity(item), item]));
  const current = new Map(seen.map((item) => [identity(item), item]));
  const added: SeenItem[] = [];
  const changed: { id: string; text: string }[] = [];
  for (const [key, item] of current) {
    const before = known.get(key);
    if (before === undefined) added.push(item);
    else if (before.text !== item.text || !before.present) changed.push({ id: before.id, text: item.text });
  }
  const gone = [...known].filter(([key, item]) => item.present && !current.has(key)).map(([, { id }]) => id);
  return added.length + changed.length + gone.length === 0 ? undefined : { added, changed, gone };
}

export async function applyItems(tx: Tx, server: string, { added, changed, gone }: ItemChanges): Promise<void> {
  for (const item of added)
    await insert(tx, ITEMS, { ...item, server, present: true }, { key_hash: keyHash(item.key) });
  for (const { id, text } of changed) await update(tx, ITEMS, id, undefined, { text, present: true });
  for (const id of gone) await update(tx, ITEMS, id, undefined, { present: false });
}

/** Replaces what was said of the item before. With a version it must be there, at that version; 0 = nothing may have been said. */
export async function putOverride(
  tx: Tx,
  override: ItemOverride,
  version: number | undefined,
): Promise<OverrideRecord> {
  const before = await findOverride(tx, override);
  if (before !== undefined) return update(tx, OVERRIDES, before.id, version, override);
  if (version !== undefined && version !== 0) throw notChanged(override);
  return insert(tx, OVERRIDES, override, { key_hash: keyHash(override.key) });
}

/** With a version it must be there at that version. */
export async function deleteOverride(tx: Tx, item: ItemReference, version: number | undefined): Promise<void> {
  const before = await findOverride(tx, item);
  if (before === undefined) throw notChanged(item);
  await remove(tx, OVERRIDES, before.id, version);
}

async function findOverride(db: Db, { server, kind, key }: ItemReference): Promise<OverrideRecord | undefined> {
  const row = await db
    .selectFrom('overrides')
    .selectAll()
    .where('server', '=', server)
    .where('kind', '=', kind)
    .where('key_hash', '=', keyHash(key))
    .executeTakeFirst();
  return row === undefined ? undefined : recordOf(OVERRIDES, row);
}

function identity({ kind, key }: { readonly kind: ItemKind; readonly key: string }): string {
  return `${kind} ${keyHash(key)}`;
}

function notChanged({ server, kind, key }: ItemReference): StoreError {
  return new StoreError('missing', `Nothing was changed of the ${kind} '${key}' of '${server}'.`);
}
