/** How the fields of a record become the columns of a row, and back; every field of a record has a place here, or it does not compile. */
import type { Access } from '../../config/registration.ts';

export type SqlValue = string | number | null;
export type SqlRow = Readonly<Record<string, SqlValue>>;

/** One field of a record: the columns that hold it. */
interface Field<V> {
  readonly write: (value: V) => SqlRow;
  readonly read: (row: SqlRow) => V;
}

export type Shape<T> = { readonly [K in keyof T]-?: Field<T[K]> };

/** Columns of the fields that are there; one that is there as undefined becomes NULL. */
export function toRow<T extends object>(shape: Shape<T>, record: Partial<T>): Record<string, SqlValue> {
  const row: Record<string, SqlValue> = {};
  for (const key of Object.keys(shape) as (keyof T)[]) {
    if (!Object.hasOwn(record, key)) continue;
    Object.assign(row, shape[key].write(record[key] as T[keyof T]));
  }
  return row;
}

export function fromRow<T extends object>(shape: Shape<T>, row: SqlRow): T {
  const record: Partial<T> = {};
  for (const key of Object.keys(shape) as (keyof T)[]) record[key] = shape[key].read(row);
  return record as T;
}

/** Text that both engines can hold: PostgreSQL refuses NUL, and neither has half a surrogate pair. */
export function storable(value: string): string {
  return value.toWellFormed().replaceAll('\0', '\uFFFD');
}

/** The same for a value that is looked for: as it would stand there, and nothing that an engine refuses. */
export function sought<V extends SqlValue>(value: V): V {
  return typeof value === 'string' ? (storable(value) as V) : value;
}

export function text<V extends string = string>(column: string): Field<V> {
  return { write: (value) => ({ [column]: storable(value) }), read: (row) => String(row[column]) as V };
}

export function optionalText(column: string): Field<string | undefined> {
  return {
    write: (value) => ({ [column]: value === undefined ? null : storable(value) }),
    read: (row) => (typeof row[column] === 'string' ? row[column] : undefined),
  };
}

/** An email address: lower case, so that one account has one spelling. */
export function email(column: string): Field<string> {
  return { ...text(column), write: (value) => ({ [column]: storable(value).toLowerCase() }) };
}

export function whole(column: string): Field<number> {
  return { write: (value) => ({ [column]: value }), read: (row) => Number(row[column]) };
}

export function optionalWhole(column: string): Field<number | undefined> {
  return {
    write: (value) => ({ [column]: value ?? null }),
    read: (row) => (row[column] === null || row[column] === undefined ? undefined : Number(row[column])),
  };
}

/** 0 or 1 on both engines. */
export function flag(column: string): Field<boolean> {
  return { write: (value) => ({ [column]: value ? 1 : 0 }), read: (row) => row[column] === 1 };
}

/** Anything that JSON can hold; undefined becomes NULL. */
export function json<V>(column: string): Field<V> {
  return {
    write: (value) => ({ [column]: value === undefined ? null : JSON.stringify(value) }),
    read: (row) => (typeof row[column] === 'string' ? JSON.parse(row[column]) : undefined) as V,
  };
}

export function access(): Field<Access> {
  const [visibility, owner, team] = [
    text<Access['visibility']>('visibility'),
    optionalText('owner'),
    optionalText('team'),
  ];
  return {
    write: (value) => ({
      ...visibility.write(value.visibility),
      ...owner.write(value.owner?.toLowerCase()),
      ...team.write(value.team),
    }),
    read: (row) => ({ visibility: visibility.read(row), owner: owner.read(row), team: team.read(row) }),
  };
}
