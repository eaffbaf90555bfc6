/** What the store says of somebody: the teams, and the grants that roles and teams give. */
import type { RoleBindingRecord, StoreReader } from '../store/store.ts';
import type { Grant, Principal } from './authenticator.ts';
import { BUILT_IN_ROLES, isPermission, type Permission } from './permissions.ts';

export type AccountStore = Pick<StoreReader, 'user' | 'memberships' | 'roleBindings' | 'role'>;

export interface Account {
  readonly user: string;
  readonly teams: readonly string[];
  readonly grants: readonly Grant[];
}

/** By what a token narrows the account that it stands for; undefined = not at all. */
export interface Narrowing {
  readonly permissions: ReadonlySet<string> | undefined;
  readonly teams: readonly string[] | undefined;
  readonly virtualServers: readonly string[] | undefined;
}

/** What everybody may do for the teams that they are in. */
const MEMBER = ['teams.read'] as const satisfies readonly Permission[];
const OWNER = ['teams.read', 'teams.write'] as const satisfies readonly Permission[];

/** The account of this address (lower case); `undefined` when there is none, `disabled` when it may do nothing at present. */
export async function readAccount(store: AccountStore, email: string): Promise<Account | 'disabled' | undefined> {
  const user = await store.user(email);
  if (user === undefined) return undefined;
  if (!user.enabled) return 'disabled';
  const [memberships, bindings] = await Promise.all([
    store.memberships({ user: user.email }),
    store.roleBindings({ user: user.email }),
  ]);
  const fromRoles = await Promise.all(
    bindings.map(async ({ role, team }) => ({ permissions: await permissionsOf(store, role), team })),
  );
  const fromTeams = memberships.map(({ team, role }) => ({
    permissions: new Set<Permission>(role === 'owner' ? OWNER : MEMBER),
    team,
  }));
  return { user: user.email, teams: memberships.map(({ team }) => team), grants: [...fromRoles, ...fromTeams] };
}

/** What a role allows: one of the product, or one of the store; nothing when there is none of this name. */
export async function permissionsOf(
  store: Pick<StoreReader, 'role'> | undefined,
  role: RoleBindingRecord['role'],
): Promise<ReadonlySet<Permission>> {
  const builtIn = Object.hasOwn(BUILT_IN_ROLES, role) ? BUILT_IN_ROLES[role as keyof typeof BUILT_IN_ROLES] : undefined;
  const names: readonly string[] = builtIn ?? (await store?.role(role))?.permissions ?? [];
  return new Set(names.filter(isPermission));
}

/** What is left of an account under a token. It can only become less. */
export function narrowed(
  { teams, grants }: Pick<Account, 'teams' | 'grants'>,
  narrowing: Narrowing,
): Pick<Principal, 'teams' | 'grants' | 'scope' | 'virtualServers'> {
  const kept = narrowing.teams === undefined ? teams : teams.filter((team) => narrowing.teams?.includes(team) === true);
  return {
    teams: kept,
    // A grant for a team goes with the team.
    grants: grants.flatMap(({ permissions, team }) => {
      if (team !== undefined && narrowing.teams !== undefined && !narrowing.teams.includes(team)) return [];
      const { permissions: only } = narrowing;
      const left = only === undefined ? permissions : new Set([...permissions].filter((one) => only.has(one)));
      return left.size === 0 ? [] : [{ permissions: left, team }];
    }),
    scope: { permissions: narrowing.permissions, teams: narrowing.teams },
    virtualServers: narrowing.virtualServers,
  };
}
