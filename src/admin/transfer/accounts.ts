/** Roles, users and teams of an import. */
import { isDeepStrictEqual } from 'node:util';
import { permissionsOf } from '../../auth/account.ts';
import { BUILT_IN_ROLES } from '../../auth/permissions.ts';
import {
  bindingReference,
  roleContent,
  roleReference,
  teamContent,
  teamReference,
  userContent,
  userReference,
} from '../audited.ts';
import { refuseEscalation, refuseStrangers, refuseStronger } from '../escalation.ts';
import { invalidInput } from '../http/problem.ts';
import { teamIds, verb, type Plan } from './plan.ts';

export async function planRoles(plan: Plan): Promise<void> {
  const { call, document } = plan;
  for (const [index, { name, description, permissions }] of document.roles.entries()) {
    const before = await call.context.store.role(name);
    const fields = { description: description ?? undefined, permissions };
    await plan.add({
      kind: 'role',
      name,
      pointer: `/roles/${index}`,
      before: before && {
        isKnown: call.may('roles.read'),
        isSame: before.description === fields.description && isSameSet(before.permissions, permissions),
      },
      async check() {
        if (before !== undefined) call.need('roles.read');
        call.need('roles.write');
        if (Object.hasOwn(BUILT_IN_ROLES, name)) {
          throw invalidInput([{ pointer: '/name', detail: 'comes with the product', remedy: 'Choose another name.' }]);
        }
        refuseEscalation(call, [...permissions, ...(await permissionsOf(call.context.store, name))], undefined);
      },
      async apply(tx) {
        const role =
          before === undefined
            ? await tx.insertRole({ name, ...fields })
            : await tx.updateRole(before.id, before.version, fields);
        const object = roleReference(role);
        return [{ ...verb('role', before), object, before: before && roleContent(before), after: roleContent(role) }];
      },
    });
  }
}

export async function planUsers(plan: Plan): Promise<void> {
  const { call, document } = plan;
  const { store } = call.context;
  const names = new Map((await store.teams()).map(({ id, name }) => [id, name]));
  for (const [index, { email, fullName, enabled, roles }] of document.users.entries()) {
    const before = await store.user(email);
    const fields = { fullName: fullName ?? undefined, enabled };
    const held = (await store.roleBindings({ user: email })).map(({ role, team }) => ({
      role,
      team: team === undefined ? null : (names.get(team) ?? null),
    }));
    const missing = roles.filter((wanted) => !held.some((has) => isDeepStrictEqual(has, wanted)));
    await plan.add({
      kind: 'user',
      name: email,
      pointer: `/users/${index}`,
      before: before && {
        isKnown: call.may('users.read') && call.may('roles.read'),
        isSame: before.fullName === fields.fullName && before.enabled === enabled && missing.length === 0,
      },
      async check() {
        if (before !== undefined) {
          call.need('users.read');
          call.need('roles.read');
        }
        call.need('users.write');
        if (before !== undefined && before.enabled !== enabled) await refuseStronger(call, email);
        for (const [place, { role, team }] of missing.entries()) {
          call.need('roles.write');
          refuseUnknownTeam(plan, names, team, `/roles/${place}/team`);
          const imported = document.roles.find(({ name }) => name === role);
          // What is there may stay, whatever the document says of it.
          const allowed = new Set([...(await permissionsOf(store, role)), ...(imported?.permissions ?? [])]);
          if (allowed.size === 0) {
            throw invalidInput([{ pointer: `/roles/${place}/role`, detail: `there is no role "${role}"` }]);
          }
          // Also for one team: whoever gives roles by an import needs what he gives everywhere.
          refuseEscalation(call, allowed, undefined);
        }
      },
      async apply(tx) {
        const user =
          before === undefined
            ? await tx.insertUser({ email, ...fields })
            : await tx.updateUser(before.id, before.version, fields);
        const object = userReference(user);
        return [{ ...verb('user', before), object, before: before && userContent(before), after: userContent(user) }];
      },
    });
    // Roles may be for teams that come after the users.
    plan.atEnd('user', email, async (tx) => {
      const ids = await teamIds(tx);
      const bindings = missing.map(({ role, team }) => ({
        user: email,
        role,
        team: team === null ? undefined : ids.get(team),
      }));
      for (const binding of bindings) await tx.putRoleBinding(binding);
      return bindings.map((binding) => ({
        action: 'user.give-role',
        object: bindingReference(binding),
        before: undefined,
        after: binding,
      }));
    });
  }
}

export async function planTeams(plan: Plan): Promise<void> {
  const { call, document } = plan;
  const { store } = call.context;
  const teams = await store.teams();
  for (const [index, { name, description, members }] of document.teams.entries()) {
    const before = teams.find((team) => team.name === name);
    const present = before === undefined ? [] : await store.memberships({ team: before.id });
    const missing = members.filter(
      ({ user, role }) => !present.some((member) => member.user === user && member.role === role),
    );
    await plan.add({
      kind: 'team',
      name,
      pointer: `/teams/${index}`,
      before: before && {
        isKnown: call.may('teams.read', { team: before.id }),
        isSame: (before.description ?? null) === description && missing.length === 0,
      },
      async check() {
        if (before !== undefined) call.need('teams.read', { team: before.id });
        call.need('teams.write', before && { team: before.id });
        if (before !== undefined && missing.length > 0) refuseStrangers(call, before.id);
        for (const [place, { user }] of missing.entries()) {
          const isImported = document.users.some(({ email }) => email === user);
          if (isImported || (await store.user(user)) !== undefined) continue;
          throw invalidInput([{ pointer: `/members/${place}/user`, detail: `there is no user "${user}"` }]);
        }
      },
      async apply(tx) {
        const fields = { name, description: description ?? undefined };
        const team =
          before === undefined ? await tx.insertTeam(fields) : await tx.updateTeam(before.id, before.version, fields);
        const joined = missing.map(({ user, role }) => ({ team: team.id, user, role }));
        for (const member of joined) await tx.putMembership(member);
        const object = teamReference(team);
        return [
          { ...verb('team', before), object, before: before && teamContent(before), after: teamContent(team) },
          ...joined.map((member) => ({
            action: 'team.put-member',
            object,
            before: present.find(({ user }) => user === member.user),
            after: member,
          })),
        ];
      },
    });
  }
}

function refuseUnknownTeam(
  { document }: Plan,
  names: ReadonlyMap<string, string>,
  team: string | null,
  pointer: string,
): void {
  const isKnown = team === null || [...names.values(), ...document.teams.map(({ name }) => name)].includes(team);
  if (!isKnown) throw invalidInput([{ pointer, detail: `there is no team "${team}"`, remedy: 'Import it as well.' }]);
}

function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  return isDeepStrictEqual(new Set(one), new Set(other));
}
