/** What holds for every kind of object that somebody owns: finding it, seeing it, and saying who else may. */
import { seesInApi } from '../auth/authorize.ts';
import type { Principal } from '../auth/authenticator.ts';
import type { Permission } from '../auth/permissions.ts';
import type { Access } from '../config/registration.ts';
import { GatewayError } from '../shared/errors.ts';
import type { ObjectReference } from '../store/store.ts';
import { DeniedObject, type Call } from './http/call.ts';
import { invalidInput } from './http/problem.ts';

/**
 * The failure of a request for what is not there, and for what the caller may not know of: they look the same. With
 * `hidden`, which is there, the audit log knows better.
 */
export function noSuchObject(kind: string, key: string, hidden?: ObjectReference): GatewayError {
  const cause = hidden && new DeniedObject(hidden);
  return new GatewayError('no_such_object', `There is no ${kind} "${key.slice(0, 100)}".`, { cause });
}

export interface Owned {
  readonly id: string;
  readonly name: string;
  readonly access: Access;
}

export interface Admission<T> {
  /** For messages and the audit log. */
  readonly kind: string;
  /** What the caller asked for. */
  readonly key: string;
  readonly permission: Permission;
  /** Where visibility is more than access. */
  readonly sees?: (principal: Principal, object: T) => boolean;
}

function seesByAccess(principal: Principal, { access }: Pick<Owned, 'access'>): boolean {
  return seesInApi(principal, access);
}

/**
 * The object, if the caller sees it and has the permission for it. Throws `no_such_object` for one that is not there or
 * not visible, and `forbidden` for one that is visible and not the caller's to touch.
 */
export function admitted<T extends Owned>(
  call: Call,
  object: T | undefined,
  { kind, key, permission, sees = seesByAccess }: Admission<T>,
): T {
  const reference = object && ({ kind, id: object.id, name: object.name } satisfies ObjectReference);
  if (object === undefined || !sees(call.principal, object)) throw noSuchObject(kind, key, reference);
  call.need(permission, object.access, reference);
  return object;
}

/** Those that the caller sees and has the permission for. */
export function listable<T extends Pick<Owned, 'access'>>(
  call: Call,
  objects: readonly T[],
  permission: Permission,
  sees: (principal: Principal, object: T) => boolean = seesByAccess,
): readonly T[] {
  return objects.filter((object) => sees(call.principal, object) && call.may(permission, object.access));
}

export interface AccessInput {
  readonly visibility?: Access['visibility'] | undefined;
  readonly owner?: string | undefined;
  readonly team?: string | null | undefined;
}

/**
 * Who may see an object, from what somebody wrote and, for a change, what was. Nobody gives an object to a team that he
 * is not in, or to another user, without `visibility.all`, nor makes it one that he could not write himself.
 */
export async function accessFrom(
  call: Call,
  input: AccessInput,
  permission: Permission,
  before?: Access,
): Promise<Access> {
  const { principal, context } = call;
  const team = input.team === undefined ? before?.team : (input.team ?? undefined);
  const owner = input.owner ?? (before === undefined ? principal.user : before.owner);
  const unsaid = team === undefined || input.team === undefined ? (before?.visibility ?? 'private') : 'team';
  const visibility = input.visibility ?? (unsaid === 'team' && team === undefined ? 'private' : unsaid);
  const access: Access = { visibility, owner, team };
  if (visibility === 'team' && team === undefined) {
    throw invalidInput([
      { pointer: '/team', detail: 'is missing', remedy: 'Give the id of a team, or choose another visibility.' },
    ]);
  }
  if (visibility === 'private' && owner === undefined) {
    throw invalidInput([
      {
        pointer: '/owner',
        detail: 'what is private needs an owner, and the caller has no account',
        remedy: 'Give an owner, or choose the visibility "public" or "team".',
      },
    ]);
  }
  if (team !== undefined && team !== before?.team) {
    const isMember = principal.teams.includes(team);
    if (!(isMember || call.may('visibility.all')) || (await context.store.team(team)) === undefined) {
      throw invalidInput([
        { pointer: '/team', detail: 'is no team of the caller', remedy: 'Give the id of one of your teams.' },
      ]);
    }
  }
  if (owner !== undefined && owner !== principal.user && owner !== before?.owner) {
    call.need('visibility.all');
    if ((await context.store.user(owner)) === undefined) {
      throw invalidInput([{ pointer: '/owner', detail: 'is no user', remedy: 'Give the address of a user.' }]);
    }
  }
  // The object must not slip out of the hands of whoever changes it into a team where he may not.
  call.need(permission, access);
  return access;
}

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}
