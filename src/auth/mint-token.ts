/** Makes an API token for a user of the store, and the user with it where there is none yet. */
import type { Actor, Store, StoreWriter, TokenRecord } from '../store/store.ts';
import { createTokenText } from './token-text.ts';

export interface TokenWish extends Pick<
  TokenRecord,
  'name' | 'permissions' | 'virtualServers' | 'teams' | 'addresses' | 'hours' | 'expiresAt'
> {
  /** Email address, lower case. */
  readonly user: string;
  /** Given to the user beside those that he has. */
  readonly roles: readonly string[];
}

export interface MintedToken {
  /** Shown once. Secret. */
  readonly text: string;
  readonly record: TokenRecord;
}

/** One change, with its line in the audit log. Rejects with a StoreError. */
export async function mintToken(
  store: Pick<Store, 'change'>,
  { roles, ...wish }: TokenWish,
  actor: Actor,
): Promise<MintedToken> {
  const { text, hash, prefix } = createTokenText();
  const record = await store.change({ actor, action: 'token.create' }, async (tx) => {
    await ensureUser(tx, wish.user, roles);
    const token = await tx.insertToken({ ...wish, hash, prefix, lastUsedAt: undefined, revokedAt: undefined });
    const { hash: _hash, ...shown } = token;
    return {
      result: token,
      object: { kind: 'token', id: token.id, name: token.name },
      before: undefined,
      after: { ...shown, roles },
    };
  });
  return { text, record };
}

async function ensureUser(tx: StoreWriter, email: string, roles: readonly string[]): Promise<void> {
  if ((await tx.user(email)) === undefined) await tx.insertUser({ email, fullName: undefined, enabled: true });
  for (const role of roles) await tx.putRoleBinding({ user: email, role, team: undefined });
}

/**
 * Ends an API token by its id; any other text is the `jti` of a JWT. Rejects with a StoreError, `missing` for an id that
 * no token has.
 */
export async function revokeToken(
  store: Pick<Store, 'change'>,
  id: string,
  actor: Actor,
): Promise<'api-token' | 'jwt'> {
  const isId = /^[0-9a-f]{32}$/.test(id);
  await store.change({ actor, action: 'token.revoke' }, async (tx) => {
    const object = { kind: 'token', id, name: undefined };
    if (!isId) {
      await tx.revoke(id, undefined);
      return { result: undefined, object, before: undefined, after: { revoked: true } };
    }
    const token = await tx.updateToken(id, undefined, { revokedAt: Date.now() });
    return { result: undefined, object: { ...object, name: token.name }, before: undefined, after: { revoked: true } };
  });
  return isId ? 'api-token' : 'jwt';
}

/** The account behind the token that a new embedded store begins with. */
export const FIRST_ADMIN = 'admin@localhost';

const GATEWAY: Actor = { subject: 'gateway', user: undefined, requestId: undefined, address: undefined };

/** A token for everything, when nobody could get in otherwise; undefined when the store has users. */
export async function mintFirstAdminToken(store: Store): Promise<MintedToken | undefined> {
  if ((await store.users()).length > 0) return undefined;
  return mintToken(
    store,
    {
      name: 'first admin token',
      user: FIRST_ADMIN,
      roles: ['admin'],
      permissions: undefined,
      virtualServers: undefined,
      teams: undefined,
      addresses: undefined,
      hours: undefined,
      expiresAt: undefined,
    },
    GATEWAY,
  );
}
