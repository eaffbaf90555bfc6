/** Who a client certificate logs in as: a user of the store, or somebody with the roles that the configuration gives it. */
import { hash } from 'node:crypto';
import type { CertificateUser } from '../config/tls-config.ts';
import { GatewayError } from '../shared/errors.ts';
import { isAllowedClient, type ClientCertificate } from '../tls/client-certificate.ts';
import { narrowed, permissionsOf, readAccount, type AccountStore } from './account.ts';
import { AGENT } from './agent-id.ts';
import type { Principal } from './authenticator.ts';
import type { Verified } from './verified.ts';

export const CERTIFICATE_PREFIX = 'mtls:';

const EVERYTHING = { permissions: undefined, teams: undefined, virtualServers: undefined };

/** `users` is undefined where every certificate logs in as an agent. */
export class CertificateLogin {
  readonly #users: readonly CertificateUser[] | undefined;
  readonly #store: AccountStore | undefined;

  constructor(users: readonly CertificateUser[] | undefined, store: AccountStore | undefined) {
    this.#users = users;
    this.#store = store;
  }

  /** At once for an agent. Rejects with `unauthorized`. */
  verify(certificate: ClientCertificate): Verified | Promise<Verified> {
    const common = { subject: subjectOf(certificate), issuer: 'mtls', certificate } as const;
    if (this.#users === undefined) {
      const principal: Principal = { ...common, credential: this.credentialOf(certificate), ...AGENT };
      const verified: Verified = { principal, validUntil: Infinity, recheck: () => Promise.resolve(verified) };
      return verified;
    }
    const entry = this.#entryFor(certificate);
    if (entry === undefined)
      return Promise.reject(refused(`The client certificate "${certificate.subject}" has no name that may log in.`));
    return this.#as(entry, { ...common, credential: this.credentialOf(certificate) });
  }

  /** Names this certificate together with what it may do: after a change of the configuration it is another one. */
  credentialOf(certificate: ClientCertificate): string {
    const entry = this.#users === undefined ? 'agent' : (this.#entryFor(certificate) ?? 'nobody');
    return `${CERTIFICATE_PREFIX}${hash('sha256', JSON.stringify([certificate.fingerprint, entry]), 'base64url')}`;
  }

  /** True when not all who log in may do the same. */
  get differs(): boolean {
    return this.#users !== undefined;
  }

  async #as(
    entry: CertificateUser,
    known: Pick<Principal, 'subject' | 'issuer' | 'certificate' | 'credential'>,
  ): Promise<Verified> {
    const { user, roles } = entry;
    const account = user === undefined || this.#store === undefined ? undefined : await readAccount(this.#store, user);
    if (user !== undefined && (account === undefined || account === 'disabled'))
      throw refused('The user of the client certificate does not exist, or is disabled.');
    const given = await Promise.all(roles.map((role) => permissionsOf(this.#store, role)));
    const own = typeof account === 'object' ? account : { user: undefined, teams: [], grants: [] };
    const grants = [...own.grants, ...given.map((permissions) => ({ permissions, team: undefined }))];
    return {
      principal: { ...known, user: own.user, ...narrowed({ teams: own.teams, grants }, EVERYTHING) },
      validUntil: Infinity,
      recheck: () => this.#as(entry, known),
    };
  }

  /** The first that fits counts. */
  #entryFor(certificate: ClientCertificate): CertificateUser | undefined {
    return this.#users?.find(({ name }) => isAllowedClient(certificate, [name]));
  }
}

/** Stays the same when the certificate is renewed. */
function subjectOf({ spiffeId, subject, issuer }: ClientCertificate): string {
  return `${CERTIFICATE_PREFIX}${spiffeId ?? `${subject} (issuer ${issuer})`}`;
}

function refused(message: string): GatewayError {
  return new GatewayError('unauthorized', message);
}
