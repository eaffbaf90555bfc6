/** Who belongs to which team, and who has which role. */
import { faultOf } from '../engine/database-error.ts';
import type { Db, Tx } from '../engine/engine.ts';
import {
  type Changes,
  type MembershipRecord,
  type RoleBindingRecord,
  type RoleRecord,
  StoreError,
  type UserRecord,
} from '../store.ts';
import { ROLES, USERS } from './entities.ts';
import { findOne, update } from './entity.ts';
import { email, fromRow, optionalText, type Shape, sought, type SqlValue, text, toRow } from './shape.ts';

const MEMBERSHIP: Shape<MembershipRecord> = { team: text('team'), user: email('user_email'), role: text('role') };
const BINDING: Shape<RoleBindingRecord> = {
  user: email('user_email'),
  role: text('role'),
  team: optionalText('team'),
};

export async function readMemberships(
  db: Db,
  filter: { readonly team?: string; readonly user?: string },
): Promise<MembershipRecord[]> {
  let query = db.selectFrom('memberships').selectAll().orderBy('team').orderBy('user_email');
  if (filter.team !== undefined) query = query.where('team', '=', sought(filter.team));
  if (filter.user !== undefined) query = query.where('user_email', '=', sought(filter.user.toLowerCase()));
  return (await query.execute()).map((row) => fromRow(MEMBERSHIP, row));
}

export async function putMembership(tx: Tx, record: MembershipRecord): Promise<void> {
  await named(`There is no user '${record.user}' or no team '${record.team}'.`, async () =>
    tx
      .insertInto('memberships')
      .values(toRow(MEMBERSHIP, record))
      .onConflict((conflict) => conflict.columns(['team', 'user_email']).doUpdateSet({ role: record.role }))
      .execute(),
  );
}

export async function deleteMembership(tx: Tx, team: string, user: string): Promise<void> {
  const { numDeletedRows } = await tx
    .deleteFrom('memberships')
    .where('team', '=', sought(team))
    .where('user_email', '=', sought(user.toLowerCase()))
    .executeTakeFirst();
  if (numDeletedRows === 0n) throw new StoreError('missing', `'${user}' is no member of that team.`);
}

export async function readRoleBindings(
  db: Db,
  filter: { readonly user?: string; readonly team?: string },
): Promise<RoleBindingRecord[]> {
  let query = db.selectFrom('role_bindings').selectAll().orderBy('user_email').orderBy('role').orderBy('team');
  if (filter.team !== undefined) query = query.where('team', '=', sought(filter.team));
  if (filter.user !== undefined) query = query.where('user_email', '=', sought(filter.user.toLowerCase()));
  return (await query.execute()).map((row) => fromRow(BINDING, row));
}

/** Gives somebody a role; giving it twice changes nothing. A role of the store cannot go while somebody has it. */
export async function putRoleBinding(tx: Tx, binding: RoleBindingRecord): Promise<void> {
  const row = toRow(BINDING, binding);
  if ((await bindings(tx, row).select('role').executeTakeFirst()) !== undefined) return;
  const stored = await tx.selectFrom('roles').select('name').where('name', '=', binding.role).executeTakeFirst();
  await named(`There is no user '${binding.user}' or no team '${binding.team}'.`, async () =>
    tx
      .insertInto('role_bindings')
      .values({ ...row, stored_role: stored?.['name'] ?? null })
      .execute(),
  );
}

export async function deleteRoleBinding(tx: Tx, binding: RoleBindingRecord): Promise<void> {
  const row = toRow(BINDING, binding);
  if ((await bindings(tx, row).select('role').executeTakeFirst()) === undefined)
    throw new StoreError('missing', `'${binding.user}' does not have the role '${binding.role}' there.`);
  const { user_email: user = null, role = null, team = null } = row;
  await tx
    .deleteFrom('role_bindings')
    .where('user_email', '=', user)
    .where('role', '=', role)
    .where('team', team === null ? 'is' : '=', team)
    .execute();
}

/** A new address goes along to what the user owns; what refers to users follows by itself. */
export async function updateUser(
  tx: Tx,
  id: string,
  version: number | undefined,
  changes: Changes<UserRecord>,
): Promise<UserRecord> {
  const before = changes.email === undefined ? undefined : await findOne(tx, USERS, 'id', id);
  const user = await update(tx, USERS, id, version, changes);
  if (before !== undefined && before.email !== user.email) {
    for (const table of ['gateways', 'virtual_servers'])
      await tx.updateTable(table).set({ owner: user.email }).where('owner', '=', before.email).execute();
  }
  return user;
}

/** A new name goes along to who has the role. */
export async function updateRole(
  tx: Tx,
  id: string,
  version: number | undefined,
  changes: Changes<RoleRecord>,
): Promise<RoleRecord> {
  const role = await update(tx, ROLES, id, version, changes);
  // Those of the store point to its row, and their pointers have followed.
  await tx
    .updateTable('role_bindings')
    .set({ role: role.name })
    .where('stored_role', '=', role.name)
    .where('role', '!=', role.name)
    .execute();
  return role;
}

function bindings(db: Db, { user_email: user = null, role = null, team = null }: Record<string, SqlValue>) {
  return db
    .selectFrom('role_bindings')
    .where('user_email', '=', user)
    .where('role', '=', role)
    .where('team', team === null ? 'is' : '=', team);
}

async function named<T>(message: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (faultOf(error) === 'reference') throw new StoreError('missing', message, { cause: error });
    throw error;
  }
}
