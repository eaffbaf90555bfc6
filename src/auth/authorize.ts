/** The one place that decides what a principal may do and what exists for it: `may` for permissions, `sees` for visibility. */
import type { Access } from '../config/registration.ts';
import type { Principal } from './authenticator.ts';
import type { Permission } from './permissions.ts';

/** What of an object counts for a permission: the team that it belongs to. A team itself is `{ team: id }`. */
export type Owned = Pick<Access, 'team'>;

/**
 * True when the principal may do this with this object. Without an object: when it may do it with every object, as for
 * what belongs to nobody (users, roles, the gateway itself). Says nothing about visibility: ask `sees` as well.
 */
export function may({ grants }: Principal, permission: Permission, object?: Owned): boolean {
  for (const { permissions, team } of grants) {
    if ((team === undefined || team === object?.team) && permissions.has(permission)) return true;
  }
  return false;
}

/**
 * True when the principal may do in his own account what needs this permission for others. A token that is narrowed to
 * certain permissions may not, unless this one is among them: who has got hold of it must not get others by it.
 */
export function mayForHimself({ user, scope }: Principal, permission: Permission): boolean {
  return user !== undefined && scope.permissions?.has(permission) !== false;
}

/** True when there may be objects with which it may do this: whoever lists, or creates, then asks `may` for each one. */
export function mayAnywhere({ grants }: Principal, permission: Permission): boolean {
  return grants.some(({ permissions }) => permissions.has(permission));
}

/**
 * True when the object exists for this principal, in listings and in calls alike. What it does not see is unknown to
 * it: 404, never 403. Holds for the data plane: neither a role nor a permission shows what is private to somebody else.
 */
export function sees({ user, teams }: Pick<Principal, 'user' | 'teams'>, access: Access): boolean {
  switch (access.visibility) {
    case 'public':
      return true;
    case 'team':
      return access.team !== undefined && teams.includes(access.team);
    case 'private':
      return access.owner !== undefined && access.owner === user;
  }
}

/**
 * As `sees`, for the management API: `visibility.all` shows everything there, and a token that is confined to virtual
 * servers sees no other object. For a virtual server ask `seesVirtualServer`.
 */
export function seesInApi(principal: Principal, access: Access): boolean {
  return !isConfined(principal) && (sees(principal, access) || may(principal, 'visibility.all', access));
}

/** As `sees`, for a virtual server: a token may be confined to others. */
export function seesVirtualServer(
  principal: Principal,
  server: { readonly id: string; readonly access: Access },
): boolean {
  return reaches(principal, server.id) && sees(principal, server.access);
}

/** As `seesVirtualServer`, for the management API. */
export function seesVirtualServerInApi(
  principal: Principal,
  server: { readonly id: string; readonly access: Access },
): boolean {
  return (
    reaches(principal, server.id) && (sees(principal, server.access) || may(principal, 'visibility.all', server.access))
  );
}

/** True for a token that may be used with certain virtual servers only: every other endpoint is unknown to it. */
export function isConfined({ virtualServers }: Pick<Principal, 'virtualServers'>): boolean {
  return virtualServers !== undefined;
}

function reaches({ virtualServers }: Principal, id: string): boolean {
  return virtualServers === undefined || virtualServers.includes(id);
}
