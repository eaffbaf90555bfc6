/** API tokens: looked up by their hash, narrowed to their scope, and refused as soon as they are revoked. */
import { GatewayError } from '../shared/errors.ts';
import type { StoreReader } from '../store/store.ts';
import { narrowed, readAccount, type AccountStore } from './account.ts';
import { limitsOf } from './token-limits.ts';
import { hashOfToken, isTokenText, subjectOfToken } from './token-text.ts';
import type { TokenUses } from './token-uses.ts';
import type { Verified, Verifier } from './verified.ts';

export type ApiTokenStore = AccountStore & Pick<StoreReader, 'tokenByHash'>;

export interface ApiTokenOptions {
  readonly store: ApiTokenStore;
  readonly uses: Pick<TokenUses, 'note'>;
  /** ms since the epoch. */
  readonly now: () => number;
}

export function createApiTokenVerifier({ store, uses, now }: ApiTokenOptions): Verifier {
  async function lookUp(hash: string): Promise<Verified> {
    const record = await store.tokenByHash(hash);
    if (record === undefined) throw refused('The API token is unknown.');
    if (record.revokedAt !== undefined) throw refused('The API token was revoked.');
    const validUntil = record.expiresAt ?? Infinity;
    if (validUntil <= now()) throw refused('The API token has expired.');
    const account = await readAccount(store, record.user);
    if (account === undefined || account === 'disabled')
      throw refused('The user of the API token does not exist any more, or is disabled.');
    const { permissions, teams, virtualServers, id } = record;
    const limits = limitsOf(record);
    return {
      principal: {
        subject: subjectOfToken(id),
        issuer: 'api-token',
        credential: subjectOfToken(id),
        user: account.user,
        ...narrowed(account, { permissions: permissions && new Set(permissions), teams, virtualServers }),
      },
      validUntil,
      refusal: ({ socket }, time) => limits.refusal(socket.remoteAddress, time),
      ...(record.hours === undefined ? {} : { counts: (time: number) => limits.allowsTime(time) }),
      used: (time) => uses.note(id, time),
      recheck: () => lookUp(hash),
    };
  }
  return {
    recognizes: isTokenText,
    verify: (credential) => lookUp(hashOfToken(credential)),
    issues: (subject) => subject.startsWith(subjectOfToken('')),
  };
}

function refused(message: string): GatewayError {
  return new GatewayError('unauthorized', message);
}
