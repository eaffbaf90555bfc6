/** `/users`: accounts, and the roles that they are given. */
import { mayAnywhere } from '../../auth/authorize.ts';
import { permissionsOf } from '../../auth/account.ts';
import { z } from 'zod';
import { BUILT_IN_ROLES } from '../../auth/permissions.ts';
import type { RoleBindingRecord, StoreReader, UserRecord } from '../../store/store.ts';
import { bindingReference, userContent as auditOf, userReference as referenceTo } from '../audited.ts';
import { emailSchema, givenRoleSchema, userChange, userInput, userSchema } from '../contract/accounts.ts';
import { activateQuery, stateInput } from '../contract/common.ts';
import { keepingAnAdmin, refuseEscalation, refuseStronger } from '../escalation.ts';
import type { Call } from '../http/call.ts';
import { pageOf, pageQuery, paged } from '../http/page.ts';
import { invalidInput } from '../http/problem.ts';
import { route, type JsonAnswer, type Route } from '../http/route.ts';
import { iso, noSuchObject } from '../objects.ts';
import { wantedState } from '../wanted-state.ts';

const TAG = 'Users';
const params = { email: emailSchema };
const shown = { description: 'The user.', schema: userSchema };
const ROLES_OF_USER = {
  params: { ...params, role: z.string().max(64) },
  query: { team: z.string().max(64).optional().meta({ description: 'Id of a team that the role holds for alone.' }) },
};

export const USER_ROUTES: readonly Route[] = [
  route({
    action: 'user.list',
    method: 'GET',
    path: '/users',
    requires: { permission: 'users.read' },
    tag: TAG,
    summary: 'Lists users',
    query: pageQuery,
    answers: { 200: { description: 'One page.', schema: pageOf(userSchema) } },
    async handle(call) {
      call.need('users.read');
      return { body: paged(await call.context.store.users(), ({ id }) => id, call.query, present) };
    },
  }),
  route({
    action: 'user.create',
    method: 'POST',
    path: '/users',
    requires: { permission: 'users.write' },
    tag: TAG,
    summary: 'Creates a user',
    description: 'A user may do nothing until he has a role, and cannot call until he has a token.',
    body: userInput,
    answers: { 201: { description: 'The user; `Location` leads to it.', schema: userSchema } },
    errors: ['already_exists'],
    idempotent: true,
    async handle(call) {
      call.need('users.write');
      const { email, fullName, enabled } = call.body;
      return call.change(
        async (tx) => {
          const record = await tx.insertUser({ email, fullName: fullName ?? undefined, enabled });
          return { result: record, object: referenceTo(record), before: undefined, after: auditOf(record) };
        },
        (record) => ({
          ...one(record),
          status: 201,
          headers: { location: `/v1/users/${encodeURIComponent(record.email)}` },
        }),
      );
    },
  }),
  route({
    action: 'user.read',
    method: 'GET',
    path: '/users/{email}',
    requires: { permission: 'users.read', otherwise: 'Everybody may see his own account.' },
    tag: TAG,
    summary: 'Shows a user',
    params,
    answers: { 200: shown },
    handle: async (call) => one(await findReadable(call, call.params.email, 'users.read')),
  }),
  route({
    action: 'user.update',
    method: 'PUT',
    path: '/users/{email}',
    requires: { permission: 'users.write' },
    tag: TAG,
    summary: 'Changes a user',
    params,
    body: userChange,
    answers: { 200: shown },
    errors: ['stale_version', 'refused_by_state'],
    async handle(call) {
      const { fullName, enabled } = call.body;
      return change(call, call.params.email, {
        ...(fullName === undefined ? {} : { fullName: fullName ?? undefined }),
        ...(enabled === undefined ? {} : { enabled }),
      });
    },
  }),
  route({
    action: 'user.set-state',
    method: 'POST',
    path: '/users/{email}/state',
    requires: { permission: 'users.write' },
    tag: TAG,
    summary: 'Enables or disables a user',
    description: 'It counts at once, for every token of the user.',
    params,
    query: activateQuery,
    body: stateInput,
    optionalBody: true,
    answers: { 200: shown },
    errors: ['stale_version', 'refused_by_state'],
    handle: (call) => change(call, call.params.email, { enabled: wantedState(call) }),
  }),
  route({
    action: 'user.delete',
    method: 'DELETE',
    path: '/users/{email}',
    requires: { permission: 'users.write' },
    tag: TAG,
    summary: 'Removes a user, with all his tokens, roles and memberships',
    params,
    answers: { 204: { description: 'The user is gone.' } },
    errors: ['stale_version', 'refused_by_state'],
    async handle(call) {
      call.need('users.write');
      const user = await find(call, call.params.email);
      await refuseStronger(call, user.email);
      return call.change(
        (tx) =>
          keepingAnAdmin(tx, async () => {
            const record = await tx.deleteUser(user.id, call.ifVersion);
            return { result: undefined, object: referenceTo(record), before: auditOf(record), after: undefined };
          }),
        () => ({ status: 204 }),
      );
    },
  }),
  route({
    action: 'user.list-roles',
    method: 'GET',
    path: '/users/{email}/roles',
    requires: { permission: 'roles.read', otherwise: 'Everybody may see his own roles.' },
    tag: TAG,
    summary: 'Lists the roles of a user',
    params,
    query: pageQuery,
    answers: { 200: { description: 'One page.', schema: pageOf(givenRoleSchema) } },
    async handle(call) {
      const { email } = await findReadable(call, call.params.email, 'roles.read');
      const bindings = await call.context.store.roleBindings({ user: email });
      return {
        body: paged(
          bindings,
          (binding) => JSON.stringify([binding.role, binding.team]),
          call.query,
          ({ role, team }) => ({
            role,
            team: team ?? null,
          }),
        ),
      };
    },
  }),
  route({
    action: 'user.give-role',
    method: 'PUT',
    path: '/users/{email}/roles/{role}',
    requires: { permission: 'roles.write' },
    tag: TAG,
    summary: 'Gives a role to a user',
    description: 'It counts at once. Nobody can give permissions that he does not have himself.',
    ...ROLES_OF_USER,
    answers: { 204: { description: 'The user has the role.' } },
    errors: ['stale_version'],
    async handle(call) {
      const binding = await checkedBinding(call, call.params, call.query.team);
      const { user, role, team } = binding;
      const held = await call.context.store.roleBindings({ user });
      if (held.some((had) => had.role === role && had.team === team)) call.refuseUnlessNew();
      return call.change(
        async (tx) => {
          await tx.putRoleBinding(binding);
          return { result: undefined, object: bindingReference(binding), before: undefined, after: binding };
        },
        () => ({ status: 204 }),
      );
    },
  }),
  route({
    action: 'user.take-role',
    method: 'DELETE',
    path: '/users/{email}/roles/{role}',
    requires: { permission: 'roles.write' },
    tag: TAG,
    summary: 'Takes a role from a user',
    description: 'It counts at once.',
    ...ROLES_OF_USER,
    answers: { 204: { description: 'The user does not have the role any more.' } },
    errors: ['refused_by_state'],
    async handle(call) {
      const binding = await checkedBinding(call, call.params, call.query.team);
      return call.change(
        (tx) =>
          keepingAnAdmin(tx, async () => {
            await tx.deleteRoleBinding(binding);
            return { result: undefined, object: bindingReference(binding), before: binding, after: undefined };
          }),
        () => ({ status: 204 }),
      );
    },
  }),
];

async function find({ context }: Call, email: string): Promise<UserRecord> {
  const user = await context.store.user(email);
  if (user === undefined) throw noSuchObject('user', email);
  return user;
}

/** Whoever may not read all may read himself; anybody else does not exist for him. */
async function findReadable(call: Call, email: string, permission: 'users.read' | 'roles.read'): Promise<UserRecord> {
  if (call.principal.user !== email && !call.may(permission)) {
    if (mayAnywhere(call.principal, permission)) throw noSuchObject('user', email);
    call.need(permission, undefined, { kind: 'user', id: email, name: email });
  }
  return find(call, email);
}

async function change(
  call: Call,
  email: string,
  fields: Partial<Pick<UserRecord, 'fullName' | 'enabled'>>,
): Promise<JsonAnswer> {
  call.need('users.write');
  const before = await find(call, email);
  if (fields.enabled !== undefined && fields.enabled !== before.enabled) await refuseStronger(call, before.email);
  return call.change(
    (tx) =>
      keepingAnAdmin(tx, async () => {
        const record = await tx.updateUser(before.id, call.ifVersion ?? before.version, fields);
        return { result: record, object: referenceTo(record), before: auditOf(before), after: auditOf(record) };
      }),
    one,
  );
}

async function checkedBinding(
  call: Call,
  { email, role }: { readonly email: string; readonly role: string },
  team: string | undefined,
): Promise<RoleBindingRecord> {
  const { store } = call.context;
  call.need('roles.write', team === undefined ? undefined : { team });
  const user = await find(call, email);
  if (!(await roleExists(store, role))) throw noSuchObject('role', role);
  if (team !== undefined && (await store.team(team)) === undefined) {
    throw invalidInput([{ parameter: 'team', detail: 'is no team', remedy: 'Give the id of a team from /v1/teams.' }]);
  }
  refuseEscalation(call, await permissionsOf(store, role), team);
  return { user: user.email, role, team };
}

export async function roleExists(store: Pick<StoreReader, 'role'>, name: string): Promise<boolean> {
  return Object.hasOwn(BUILT_IN_ROLES, name) || (await store.role(name)) !== undefined;
}

function one(record: UserRecord): JsonAnswer {
  return { body: present(record), etag: String(record.version) };
}

function present({ id, email, fullName, enabled, createdAt, updatedAt }: UserRecord): z.infer<typeof userSchema> {
  return { id, email, fullName: fullName ?? null, enabled, createdAt: iso(createdAt), updatedAt: iso(updatedAt) };
}
