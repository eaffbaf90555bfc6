/** What a new token may be at most: never more than its maker, and never more than the token that its maker used. */
import { readAccount } from '../auth/account.ts';
import { mayForHimself } from '../auth/authorize.ts';
import { PERMISSIONS, type Permission } from '../auth/permissions.ts';
import { areTokenHours, parseAddressRange } from '../auth/token-limits.ts';
import { GatewayError } from '../shared/errors.ts';
import type { TokenRecord } from '../store/store.ts';
import type { TokenInput } from './contract/tokens.ts';
import { refuseEscalation } from './escalation.ts';
import { forbidden, type Call } from './http/call.ts';
import { invalidInput, type FieldError } from './http/problem.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

export type TokenScope = Pick<
  TokenRecord,
  'user' | 'permissions' | 'virtualServers' | 'teams' | 'addresses' | 'hours' | 'expiresAt'
>;

/** Throws `invalid_input` with every field that cannot be, and `forbidden` for more than the caller could give. */
export async function tokenScope(call: Call, input: TokenInput): Promise<TokenScope> {
  const { principal, context } = call;
  const user = input.user ?? principal.user;
  if (user === undefined) {
    throw invalidInput([
      { pointer: '/user', detail: 'is missing', remedy: 'The caller has no account: say whose token it is.' },
    ]);
  }
  const isOwn = user === principal.user;
  const reference = { kind: 'user', id: user, name: user };
  if (isOwn && !mayForHimself(principal, 'tokens.write')) throw forbidden('tokens.write', undefined, reference);
  if (!isOwn) {
    call.need('tokens.write', undefined, reference);
    // With a token of somebody one sees what is his.
    call.need('visibility.all', undefined, reference);
  }
  await refuseImpossible(call, input, user);
  const wanted: TokenScope = {
    user,
    permissions: input.permissions ?? undefined,
    virtualServers: input.virtualServers ?? undefined,
    teams: input.teams ?? undefined,
    addresses: input.addresses ?? undefined,
    hours: input.hours ?? undefined,
    expiresAt: endOf(input),
  };
  if (!isOwn) {
    const account = await readAccount(context.store, user);
    const held = account === undefined || account === 'disabled' ? [] : account.grants;
    // Whoever holds the token could do all of this.
    for (const { permissions, team } of held) {
      const usable = [...permissions].filter((one) => wanted.permissions?.includes(one) ?? true);
      refuseEscalation(call, usable, team);
    }
  } else if (wanted.permissions !== undefined) {
    refuseUnheld(call, wanted.permissions as readonly Permission[]);
  }
  const confined = isOwn ? await withinCaller(call, wanted) : withinMaker(call, wanted);
  return principal.issuer === 'api-token' ? withinUsedToken(call, confined) : confined;
}

/** The token stays in the hands of whoever makes it, and its user may get more later on. */
function withinMaker(call: Call, wanted: TokenScope): TokenScope {
  const all = Object.keys(PERMISSIONS) as readonly Permission[];
  const held = all.filter((permission) => call.may(permission));
  if (wanted.permissions !== undefined) refuseEscalation(call, wanted.permissions as readonly Permission[], undefined);
  return { ...wanted, permissions: wanted.permissions ?? (held.length === all.length ? undefined : held) };
}

/** What narrows the caller beside his account, such as the scopes of a JWT, narrows what he makes for himself. */
async function withinCaller({ context, principal }: Call, wanted: TokenScope): Promise<TokenScope> {
  const account = await readAccount(context.store, wanted.user);
  if (account === undefined || account === 'disabled') return wanted;
  const { scope } = principal;
  const all = new Set(account.grants.flatMap(({ permissions }) => [...permissions]));
  const held = new Set(principal.grants.flatMap(({ permissions }) => [...permissions]));
  return {
    ...wanted,
    permissions:
      wanted.permissions ?? (scope.permissions === undefined && all.isSubsetOf(held) ? undefined : [...held]),
    teams: wanted.teams ?? (scope.teams === undefined ? undefined : principal.teams),
    virtualServers: wanted.virtualServers ?? principal.virtualServers,
  };
}

/** Asking for what one does not have is a mistake that is better told at once. */
function refuseUnheld({ principal }: Call, permissions: readonly Permission[]): void {
  const held = new Set(principal.grants.flatMap((grant) => [...grant.permissions]));
  const missing = permissions.filter((one) => !held.has(one));
  if (missing.length > 0) {
    throw new GatewayError('forbidden', `Nobody can give permissions that he does not have: ${missing.join(', ')}.`);
  }
}

/** A token that leaks must not be able to make one that is worth more: whatever confines it confines what it makes. */
async function withinUsedToken({ context, principal }: Call, wanted: TokenScope): Promise<TokenScope> {
  const used = await context.store.token(principal.subject.replace(/^token:/, ''));
  if (used === undefined) throw new GatewayError('unauthorized', 'The API token does not exist any more.');
  const { addresses, hours, expiresAt } = used;
  const ends = [wanted.expiresAt, expiresAt].filter((end) => end !== undefined);
  if (addresses !== undefined && wanted.addresses?.every((one) => addresses.includes(one)) === false) {
    throw tooWide('/addresses', 'must be among the addresses of the token that is used to make it');
  }
  if (hours !== undefined && wanted.hours !== undefined) {
    throw tooWide('/hours', 'cannot be chosen: the token that is used to make it has hours of its own');
  }
  return {
    ...wanted,
    addresses: wanted.addresses ?? addresses,
    hours: wanted.hours ?? hours,
    expiresAt: ends.length === 0 ? undefined : Math.min(...ends),
  };
}

function tooWide(pointer: string, detail: string): GatewayError {
  return invalidInput([{ pointer, detail, remedy: 'Leave it out to take over what that token has.' }]);
}

async function refuseImpossible({ context, principal }: Call, input: TokenInput, user: string): Promise<void> {
  const { store } = context;
  const errors: FieldError[] = [];
  if ((await store.user(user)) === undefined) {
    errors.push({ pointer: '/user', detail: 'is no user', remedy: 'Create the user first: POST /v1/users.' });
  }
  for (const [index, range] of (input.addresses ?? []).entries()) {
    if (parseAddressRange(range) !== undefined) continue;
    errors.push({
      pointer: `/addresses/${index}`,
      detail: 'is neither an address nor a range',
      remedy: 'Write 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32.',
    });
  }
  if (input.hours !== null && !areTokenHours(input.hours)) {
    errors.push({
      pointer: '/hours',
      detail: 'cannot be understood',
      remedy: 'Give an IANA time zone, days from 0 to 6, and from and to as HH:MM.',
    });
  }
  for (const [index, id] of (input.virtualServers ?? []).entries()) {
    if ((await store.virtualServer(id)) !== undefined) continue;
    errors.push({
      pointer: `/virtualServers/${index}`,
      detail: 'is no virtual server',
      remedy: 'Take ids from /v1/servers.',
    });
  }
  const teams = new Set((await store.memberships({ user })).map(({ team }) => team));
  const mayBeIn = user === principal.user ? teams.intersection(new Set(principal.teams)) : teams;
  for (const [index, id] of (input.teams ?? []).entries()) {
    if (mayBeIn.has(id)) continue;
    errors.push({ pointer: `/teams/${index}`, detail: 'is no team of the user', remedy: 'Take ids from /v1/teams.' });
  }
  if (input.expiresAt !== undefined && input.expiresInDays !== undefined) {
    errors.push({ pointer: '/expiresInDays', detail: 'stands beside /expiresAt', remedy: 'Give one of the two.' });
  }
  const end = endOf(input);
  if (end !== undefined && end <= Date.now()) {
    errors.push({ pointer: '/expiresAt', detail: 'is over', remedy: 'Give a time in the future.' });
  }
  const [first, ...rest] = errors;
  if (first !== undefined) throw invalidInput([first, ...rest]);
}

function endOf({ expiresAt, expiresInDays }: TokenInput): number | undefined {
  if (expiresAt !== undefined) return Date.parse(expiresAt);
  return expiresInDays === undefined ? undefined : Date.now() + expiresInDays * DAY_MS;
}
