/** Nobody gives what he does not have, and nobody locks everybody out. */
import { permissionsOf } from '../auth/account.ts';
import type { Permission } from '../auth/permissions.ts';
import { GatewayError } from '../shared/errors.ts';
import type { StoreReader } from '../store/store.ts';
import type { Call } from './http/call.ts';

/** Throws `forbidden` unless the caller has each of these permissions himself, in the team or, without one, everywhere. */
export function refuseEscalation(call: Call, permissions: Iterable<Permission>, team: string | undefined): void {
  const missing = [...permissions].filter((one) => !call.may(one, team === undefined ? undefined : { team }));
  if (missing.length === 0) return;
  const names = missing.slice(0, 5).join(', ');
  const more = missing.length > 5 ? ` and ${missing.length - 5} more` : '';
  throw new GatewayError('forbidden', `Nobody can give permissions that he does not have: ${names}${more}.`);
}

/** Throws `forbidden` for a user who may do more than the caller: only his equals let him in, lock him out, or remove him. */
export async function refuseStronger(call: Call, user: string): Promise<void> {
  const { store } = call.context;
  for (const { role, team } of await store.roleBindings({ user })) {
    const more = [...(await permissionsOf(store, role))].some(
      (one) => !call.may(one, team === undefined ? undefined : { team }),
    );
    if (more) throw new GatewayError('forbidden', 'The user may do more than you: only his equals may do this.');
  }
}

/** Throws `forbidden` unless the caller is in the team himself, or sees everything: what a team has is seen by its members. */
export function refuseStrangers(call: Call, team: string): void {
  if (!call.principal.teams.includes(team)) call.need('visibility.all', { team });
}

/** Runs `work`; throws `refused_by_state` when nobody who could set things right again is left after it. */
export async function keepingAnAdmin<T>(tx: StoreReader, work: () => Promise<T>): Promise<T> {
  const before = await hasAdmin(tx);
  const result = await work();
  if (before && !(await hasAdmin(tx))) {
    throw new GatewayError(
      'refused_by_state',
      'This would leave no enabled user with the role admin. Give the role to somebody else first.',
    );
  }
  return result;
}

async function hasAdmin(store: StoreReader): Promise<boolean> {
  const enabled = new Set((await store.users()).filter((user) => user.enabled).map(({ email }) => email));
  const bindings = await store.roleBindings({});
  return bindings.some(({ user, role, team }) => role === 'admin' && team === undefined && enabled.has(user));
}
