/** What can be done with every kind of record that has an id and a version: read, insert, update, remove. */
import { faultOf } from '../engine/database-error.ts';
import type { Db } from '../engine/engine.ts';
import { newRowId } from '../row-id.ts';
import { type Changes, type NewRecord, type Row, StoreError } from '../store.ts';
import { fromRow, type Shape, sought, type SqlValue, text, toRow, whole } from './shape.ts';

export interface Entity<T extends Row> {
  readonly table: string;
  /** What a message calls one of them. */
  readonly noun: string;
  readonly shape: Shape<Omit<T, keyof Row>>;
  /** The field that is unique, as far as a message can say it. */
  readonly title: (record: Partial<T>) => string | undefined;
}

const ROW: Shape<Row> = {
  id: text('id'),
  version: whole('version'),
  createdAt: whole('created_at'),
  updatedAt: whole('updated_at'),
};

export async function findOne<T extends Row>(
  db: Db,
  entity: Entity<T>,
  column: string,
  value: SqlValue,
): Promise<T | undefined> {
  const row = await db.selectFrom(entity.table).selectAll().where(column, '=', sought(value)).executeTakeFirst();
  return row === undefined ? undefined : recordOf(entity, row);
}

/** In the order of their creation. `where`: columns that must be equal; undefined ones do not matter. */
export async function findAll<T extends Row>(
  db: Db,
  entity: Entity<T>,
  where: Readonly<Record<string, SqlValue | undefined>> = {},
): Promise<T[]> {
  let query = db.selectFrom(entity.table).selectAll().orderBy('id');
  for (const [column, value] of Object.entries(where)) {
    if (value !== undefined) query = query.where(column, '=', sought(value));
  }
  return (await query.execute()).map((row) => recordOf(entity, row));
}

export async function insert<T extends Row>(
  db: Db,
  entity: Entity<T>,
  record: NewRecord<T>,
  further: Readonly<Record<string, SqlValue>> = {},
): Promise<T> {
  const now = Date.now();
  const { id = newRowId(now), ...fields } = record;
  const values = {
    ...toRow(ROW, { id, version: 1, createdAt: now, updatedAt: now }),
    ...columnsOf<T>(entity, fields as unknown as Changes<T>),
  };
  const row = await refused<T, Record<string, SqlValue>>(entity, fields as Partial<T>, 'write', async () =>
    db
      .insertInto(entity.table)
      .values({ ...values, ...further })
      .returningAll()
      .executeTakeFirstOrThrow(),
  );
  return recordOf(entity, row);
}

/** Rejects with `missing` or `stale`. */
export async function update<T extends Row>(
  db: Db,
  entity: Entity<T>,
  id: string,
  version: number | undefined,
  changes: Changes<T>,
): Promise<T> {
  const row = await refused<T, Record<string, SqlValue> | undefined>(
    entity,
    changes as Partial<T>,
    'write',
    async () => {
      const query = db
        .updateTable(entity.table)
        .set((all) => ({
          ...columnsOf(entity, changes),
          version: all(all.ref('version'), '+', 1),
          updated_at: Date.now(),
        }))
        .where('id', '=', id)
        .returningAll();
      return (version === undefined ? query : query.where('version', '=', version)).executeTakeFirst();
    },
  );
  return row === undefined ? notThere(db, entity, id) : recordOf(entity, row);
}

/** Resolves with what it was. Rejects with `missing`, `stale`, or `conflict` while others refer to it. */
export async function remove<T extends Row>(
  db: Db,
  entity: Entity<T>,
  id: string,
  version: number | undefined,
): Promise<T> {
  const row = await refused<T, Record<string, SqlValue> | undefined>(entity, {}, 'remove', async () => {
    const query = db.deleteFrom(entity.table).where('id', '=', id).returningAll();
    return (version === undefined ? query : query.where('version', '=', version)).executeTakeFirst();
  });
  return row === undefined ? notThere(db, entity, id) : recordOf(entity, row);
}

export function recordOf<T extends Row>(entity: Entity<T>, row: Record<string, SqlValue>): T {
  return { ...fromRow(ROW, row), ...fromRow(entity.shape, row) } as unknown as T;
}

function columnsOf<T extends Row>(entity: Entity<T>, fields: Changes<T>): Record<string, SqlValue> {
  return toRow(entity.shape, fields);
}

async function notThere<T extends Row>(db: Db, entity: Entity<T>, id: string): Promise<never> {
  const there = await db.selectFrom(entity.table).select('version').where('id', '=', id).executeTakeFirst();
  if (there === undefined) throw new StoreError('missing', `There is no ${entity.noun} with id ${id}.`);
  throw new StoreError(
    'stale',
    `The ${entity.noun} has been changed meanwhile (it is at version ${Number(there['version'])}). Read it again.`,
  );
}

/** Gives a broken uniqueness or reference its meaning: only here is known what was being done. */
async function refused<T extends Row, R>(
  entity: Entity<T>,
  fields: Partial<T>,
  doing: 'write' | 'remove',
  work: () => Promise<R>,
): Promise<R> {
  try {
    return await work();
  } catch (error) {
    const fault = faultOf(error);
    if (fault === 'unique') {
      const title = entity.title(fields);
      const which = title === undefined ? `Such a ${entity.noun}` : `A ${entity.noun} '${title}'`;
      throw new StoreError('conflict', `${which} is already there.`, { cause: error });
    }
    if (fault === 'reference' && doing === 'remove')
      throw new StoreError('conflict', `The ${entity.noun} is still in use.`, { cause: error });
    if (fault === 'reference')
      throw new StoreError('missing', `The ${entity.noun} names a user, team or role that is not there.`, {
        cause: error,
      });
    throw error;
  }
}
