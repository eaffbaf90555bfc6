/** `/roles`: what somebody may do, by name. */
import type { z } from 'zod';
import { isPermission, BUILT_IN_ROLES } from '../../auth/permissions.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { RoleRecord } from '../../store/store.ts';
import { roleContent as auditOf, roleReference as referenceTo } from '../audited.ts';
import { roleChange, roleInput, roleSchema } from '../contract/accounts.ts';
import { idSchema } from '../contract/common.ts';
import { keepingAnAdmin, refuseEscalation } from '../escalation.ts';
import type { Call } from '../http/call.ts';
import { pageOf, pageQuery, paged } from '../http/page.ts';
import { route, type Route } from '../http/route.ts';
import { noSuchObject } from '../objects.ts';

const TAG = 'Roles';
const params = { name: idSchema.meta({ description: 'Name.' }) };
const shown = { description: 'The role.', schema: roleSchema };

type RoleBody = z.infer<typeof roleSchema>;

const BUILT_IN: readonly RoleBody[] = Object.entries(BUILT_IN_ROLES).map(([name, permissions]) => ({
  name,
  description: null,
  permissions: [...permissions],
  builtIn: true,
}));

export const ROLE_ROUTES: readonly Route[] = [
  route({
    action: 'role.list',
    method: 'GET',
    path: '/roles',
    requires: { permission: 'roles.read' },
    tag: TAG,
    summary: 'Lists roles, the built-in ones among them',
    query: pageQuery,
    answers: { 200: { description: 'One page.', schema: pageOf(roleSchema) } },
    async handle(call) {
      call.need('roles.read');
      const roles = [...BUILT_IN, ...(await call.context.store.roles()).map(present)];
      return {
        body: paged(
          roles,
          ({ name }) => name,
          call.query,
          (role) => role,
        ),
      };
    },
  }),
  route({
    action: 'role.create',
    method: 'POST',
    path: '/roles',
    requires: { permission: 'roles.write' },
    tag: TAG,
    summary: 'Creates a role',
    description: 'Nobody can put permissions into a role that he does not have himself.',
    body: roleInput,
    answers: { 201: { description: 'The role; `Location` leads to it.', schema: roleSchema } },
    errors: ['already_exists'],
    idempotent: true,
    async handle(call) {
      call.need('roles.write');
      const { name, description, permissions } = call.body;
      if (Object.hasOwn(BUILT_IN_ROLES, name)) {
        throw new GatewayError('already_exists', `The role "${name}" comes with the product. Choose another name.`);
      }
      refuseEscalation(call, permissions, undefined);
      return call.change(
        async (tx) => {
          const record = await tx.insertRole({ name, description: description ?? undefined, permissions });
          return { result: record, object: referenceTo(record), before: undefined, after: auditOf(record) };
        },
        (record) => ({
          body: present(record),
          etag: String(record.version),
          status: 201,
          headers: { location: `/v1/roles/${record.name}` },
        }),
      );
    },
  }),
  route({
    action: 'role.read',
    method: 'GET',
    path: '/roles/{name}',
    requires: { permission: 'roles.read' },
    tag: TAG,
    summary: 'Shows a role, and who has it',
    params,
    answers: { 200: shown },
    async handle(call) {
      call.need('roles.read');
      const { name } = call.params;
      const { store } = call.context;
      const record = await store.role(name);
      const role = record === undefined ? BUILT_IN.find((one) => one.name === name) : present(record);
      if (role === undefined) throw noSuchObject('role', name);
      const givenTo = (await store.roleBindings({}))
        .filter((binding) => binding.role === name)
        .map(({ user, team }) => ({ user, team: team ?? null }));
      return {
        body: { ...role, givenTo } satisfies RoleBody,
        ...(record === undefined ? {} : { etag: String(record.version) }),
      };
    },
  }),
  route({
    action: 'role.update',
    method: 'PUT',
    path: '/roles/{name}',
    requires: { permission: 'roles.write' },
    tag: TAG,
    summary: 'Changes a role',
    description: 'It counts at once for everybody who has it.',
    params,
    body: roleChange,
    answers: { 200: shown },
    errors: ['read_only', 'stale_version'],
    async handle(call) {
      const before = await findChangeable(call, call.params.name);
      const { description, permissions } = call.body;
      refuseEscalation(call, [...(permissions ?? []), ...before.permissions.filter(isPermission)], undefined);
      return call.change(
        async (tx) => {
          const record = await tx.updateRole(before.id, call.ifVersion ?? before.version, {
            ...(description === undefined ? {} : { description: description ?? undefined }),
            ...(permissions === undefined ? {} : { permissions }),
          });
          return { result: record, object: referenceTo(record), before: auditOf(before), after: auditOf(record) };
        },
        (record) => ({ body: present(record), etag: String(record.version) }),
      );
    },
  }),
  route({
    action: 'role.delete',
    method: 'DELETE',
    path: '/roles/{name}',
    requires: { permission: 'roles.write' },
    tag: TAG,
    summary: 'Removes a role that nobody has any more',
    params,
    answers: { 204: { description: 'The role is gone.' } },
    errors: ['read_only', 'refused_by_state', 'stale_version'],
    async handle(call) {
      const before = await findChangeable(call, call.params.name);
      return call.change(
        (tx) =>
          keepingAnAdmin(tx, async () => {
            const record = await tx.deleteRole(before.id, call.ifVersion);
            return { result: undefined, object: referenceTo(record), before: auditOf(record), after: undefined };
          }),
        () => ({ status: 204 }),
      );
    },
  }),
];

async function findChangeable(call: Call, name: string): Promise<RoleRecord> {
  call.need('roles.write');
  if (Object.hasOwn(BUILT_IN_ROLES, name)) {
    throw new GatewayError('read_only', `The role "${name}" comes with the product. Create one of your own.`);
  }
  const role = await call.context.store.role(name);
  if (role === undefined) throw noSuchObject('role', name);
  return role;
}

function present({ name, description, permissions }: RoleRecord): RoleBody {
  return { name, description: description ?? null, permissions: [...permissions], builtIn: false };
}
