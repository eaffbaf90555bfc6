/** Everything behind authentication that outlives a configuration: the store's tokens, keys of issuers, and who is in standing. */
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { JwtIssuerConfig } from '../config/auth-config.ts';
import type { Store } from '../store/store.ts';
import { createAgentIds } from './agent-id.ts';
import { createApiTokenVerifier } from './api-token.ts';
import type { Authenticator, Principal } from './authenticator.ts';
import { createCertificateAuthenticator } from './client-certificate.ts';
import { createCredentialAuthenticator } from './credentials.ts';
import { failClosed } from './fail-closed.ts';
import { KeySet, type FetchJson } from './jwt/key-set.ts';
import { createJwtVerifier } from './jwt/verifier.ts';
import { createProtectedResource } from './protected-resource.ts';
import { Standings } from './standings.ts';
import { TokenUses } from './token-uses.ts';
import type { Verifier } from './verified.ts';

export interface AuthenticationOptions {
  /** undefined = there are neither accounts nor API tokens. */
  readonly store: Store | undefined;
  readonly fetchJson: FetchJson;
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Base URL of the gateway where its configuration names none. */
  readonly baseUrl: (config: Config) => string;
  /** As in `createAgentIds`. */
  readonly subjectKey?: Uint8Array | undefined;
  /** ms since the epoch; for tests. */
  readonly now?: () => number;
}

export class Authentication implements AsyncDisposable {
  readonly #options: AuthenticationOptions;
  readonly #now: () => number;
  readonly #standings: Standings;
  readonly #uses: TokenUses | undefined;
  /** By what makes them: an issuer that stays over a reload keeps its keys. */
  readonly #keySets = new Map<string, KeySet>();
  #last: { readonly madeFrom: unknown; readonly authenticator: Authenticator } | undefined;

  constructor(options: AuthenticationOptions) {
    const { store, log, now = Date.now } = options;
    this.#options = options;
    this.#now = now;
    this.#standings = new Standings({ store, log, now });
    this.#uses = store && new TokenUses({ store, log });
  }

  /** `listener` is called when somebody may not call any more (revoked, expired, disabled) or has other rights than before. */
  onChange(listener: () => void): void {
    this.#standings.onChange(listener);
  }

  /** With the rights of now; undefined for those whose rights come from the configuration, and for those who are gone. */
  principal(before: Principal): Principal | undefined {
    return this.#standings.principal(before);
  }

  /** The same one while nothing that it is made from changes, with all that it remembers. Rejects when keys cannot be read. */
  async authenticatorFor(config: Config): Promise<Authenticator> {
    const { agentIds, tls, auth } = config.gateway;
    const resource = auth.resource ?? this.#options.baseUrl(config);
    const madeFrom = { agentIds, tls, auth, resource };
    const isSame = this.#last !== undefined && isDeepStrictEqual(this.#last.madeFrom, madeFrom);
    if (this.#last !== undefined && isSame && !auth.issuers.some(readsFiles)) return this.#last.authenticator;
    const credentials = createCredentialAuthenticator({
      agents: createAgentIds(agentIds, this.#options.subjectKey),
      verifiers: await this.#verifiers(auth.issuers, resource),
      standings: this.#standings,
      now: this.#now,
    });
    const authenticator = failClosed(
      tls === undefined ? credentials : createCertificateAuthenticator(tls, credentials),
      createProtectedResource(resource, auth),
      this.#options.log,
    );
    this.#last = { madeFrom, authenticator };
    const needed = new Set(auth.issuers.map(keySetName));
    for (const name of this.#keySets.keys()) if (!needed.has(name)) this.#keySets.delete(name);
    return authenticator;
  }

  async #verifiers(issuers: readonly JwtIssuerConfig[], resource: string): Promise<readonly Verifier[]> {
    const { store } = this.#options;
    const now = this.#now;
    const verifiers: Verifier[] = [];
    if (store !== undefined && this.#uses !== undefined)
      verifiers.push(createApiTokenVerifier({ store, uses: this.#uses, now }));
    if (issuers.length > 0) {
      const keySetOf = (issuer: JwtIssuerConfig): KeySet => this.#keySetOf(issuer);
      verifiers.push(await createJwtVerifier({ issuers, resource, keySetOf, store, now }));
    }
    return verifiers;
  }

  #keySetOf(config: JwtIssuerConfig): KeySet {
    const name = keySetName(config);
    let keySet = this.#keySets.get(name);
    if (keySet === undefined) {
      const { issuer, keys } = config;
      const { fetchJson, log } = this.#options;
      const from = keys.kind === 'jwks' ? { url: keys.url } : { issuer };
      keySet = new KeySet({ from, fetchJson, log, now: this.#now });
      this.#keySets.set(name, keySet);
    }
    return keySet;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#standings[Symbol.dispose]();
    await this.#uses?.[Symbol.asyncDispose]();
  }
}

/** The file may have changed, whatever the configuration says. */
function readsFiles({ keys }: JwtIssuerConfig): boolean {
  return keys.kind === 'public' && keys.keys.some((key) => !key.includes('-----BEGIN'));
}

function keySetName({ issuer, keys }: JwtIssuerConfig): string {
  return keys.kind === 'jwks' ? `keys at ${keys.url}` : `keys of ${issuer}`;
}
