/** Decides what somebody may do and what exists for them: one rule for listings, calls and the management API. */
import type { Access } from '../config/registration.ts';
import type { Principal } from './authenticator.ts';
import type { Permission } from './permissions.ts';

/** True when a grant allows it for this object; without an object, when one allows it for all objects. */
export function may(principal: Principal, permission: Permission, object?: Access): boolean {
  return principal.grants.some(
    ({ permissions, team }) =>
      permissions.has(permission) && (team === undefined || (object !== undefined && object.team === team)),
  );
}

/** True when a grant allows it for anything at all: who has it for one team only may at least ask. */
export function mayAnywhere(principal: Principal, permission: Permission): boolean {
  return principal.grants.some(({ permissions }) => permissions.has(permission));
}

/** True when the object exists for the principal in MCP traffic. */
export function sees(principal: Principal, { visibility, owner, team }: Access): boolean {
  switch (visibility) {
    case 'public':
      return true;
    case 'team':
      return team !== undefined && principal.teams.includes(team);
    case 'private':
      return owner !== undefined && owner === principal.user;
  }
}

/** True when the object exists for the principal in the management API, where `visibility.all` shows everything. */
export function seesInApi(principal: Principal, access: Access): boolean {
  return sees(principal, access) || may(principal, 'visibility.all', access);
}
