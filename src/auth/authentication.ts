/** Everything behind authentication that outlives a configuration: the store's tokens, keys of issuers, and who is in standing. */
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { JwtIssuerConfig } from '../config/auth-config.ts';
import type { Store } from '../store/store.ts';
import { GatewayError } from '../shared/errors.ts';
import { createAgentIds } from './agent-id.ts';
import { createApiTokenVerifier } from './api-token.ts';
import type { Authenticator, Principal } from './authenticator.ts';
import { createCertificateAuthenticator } from './client-certificate.ts';
import { createCredentialAuthenticator } from './credentials.ts';
import { failClosed } from './fail-closed.ts';
import type { FetchJson, KeySet } from './jwt/key-set.ts';
import type { JwtVerifier } from './jwt/verifier.ts';
import { createProtectedResource } from './protected-resource.ts';
import { Standings } from './standings.ts';
import { TokenUses } from './token-uses.ts';
import type { Verifier } from './verified.ts';

/** How often it is asked whether published keys are due. */
const RENEWAL_MS = 60_000;

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
  /** What each authenticator is made of that outlives its requests. */
  readonly #parts = new WeakMap<Authenticator, Parts>();
  readonly #renewal: NodeJS.Timeout;
  #inUse: Authenticator | undefined;
  #last: { readonly madeFrom: unknown; readonly authenticator: Authenticator } | undefined;

  constructor(options: AuthenticationOptions) {
    const { store, log, now = Date.now } = options;
    this.#options = options;
    this.#now = now;
    this.#standings = new Standings({ store, log, now });
    this.#renewal = setInterval(() => void this.renewKeys(), RENEWAL_MS).unref();
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
    const standings = this.#standings;
    const { store } = this.#options;
    const verifiers = await this.#verifiers(auth.issuers, resource);
    const credentials = createCredentialAuthenticator({
      agents: createAgentIds(agentIds, this.#options.subjectKey),
      verifiers,
      standings,
      now: this.#now,
    });
    const authenticator = failClosed(
      tls === undefined ? credentials : createCertificateAuthenticator({ tls, credentials, standings, store }),
      createProtectedResource(resource, auth),
      this.#options.log,
    );
    this.#parts.set(authenticator, { jwt: verifiers.find(isJwtVerifier), graceMs: auth.offlineGraceMs });
    this.#last = { madeFrom, authenticator };
    const needed = new Set(auth.issuers.map(keySetName));
    for (const name of this.#keySets.keys()) if (!needed.has(name)) this.#keySets.delete(name);
    return authenticator;
  }

  /** From now on this one decides: whoever was let in by another is looked at again. */
  use(authenticator: Authenticator): void {
    if (this.#inUse === authenticator) return;
    const isFirst = this.#inUse === undefined;
    this.#inUse = authenticator;
    this.#standings.graceMs = this.#parts.get(authenticator)?.graceMs;
    if (!isFirst) this.#standings.lookAgain();
  }

  /** Gets published keys again when it is time. Called now and then; never rejects. */
  async renewKeys(): Promise<void> {
    await Promise.all([...this.#keySets.values()].map((keySet) => keySet.renew()));
  }

  async #verifiers(issuers: readonly JwtIssuerConfig[], resource: string): Promise<readonly Verifier[]> {
    const { store } = this.#options;
    const now = this.#now;
    const verifiers: Verifier[] = [];
    if (store !== undefined && this.#uses !== undefined)
      verifiers.push(createApiTokenVerifier({ store, uses: this.#uses, now }));
    if (issuers.length > 0) {
      // Only now: cryptography for JWTs costs a gateway without issuers 16 MB of memory.
      const [{ createJwtVerifier }, keySets] = await Promise.all([
        import('./jwt/verifier.ts'),
        import('./jwt/key-set.ts'),
      ]);
      const keySetOf = (issuer: JwtIssuerConfig): KeySet => this.#keySetOf(issuer, keySets.KeySet);
      verifiers.push(
        await createJwtVerifier({ issuers, resource, keySetOf, store, now, inUse: () => this.#jwtInUse() }),
      );
    }
    return verifiers;
  }

  #jwtInUse(): Pick<JwtVerifier, 'again'> | undefined {
    if (this.#inUse === undefined) return undefined;
    // Without any issuer nobody's tokens count.
    return this.#parts.get(this.#inUse)?.jwt ?? NO_ISSUER;
  }

  #keySetOf(config: JwtIssuerConfig, KeySetOf: typeof KeySet): KeySet {
    const name = keySetName(config);
    let keySet = this.#keySets.get(name);
    if (keySet === undefined) {
      const { issuer, keys } = config;
      const { fetchJson, log } = this.#options;
      const from = keys.kind === 'jwks' ? { url: keys.url } : { issuer };
      keySet = new KeySetOf({ from, fetchJson, log, now: this.#now, onLoss: () => this.#standings.lookAgain() });
      this.#keySets.set(name, keySet);
    }
    return keySet;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#renewal);
    this.#standings[Symbol.dispose]();
    await this.#uses?.[Symbol.asyncDispose]();
  }
}

interface Parts {
  readonly jwt: JwtVerifier | undefined;
  readonly graceMs: number | undefined;
}

const NO_ISSUER: Pick<JwtVerifier, 'again'> = {
  again: () =>
    Promise.reject(new GatewayError('unauthorized', 'The issuer of the token is not trusted here any more.')),
};

function isJwtVerifier(verifier: Verifier): verifier is JwtVerifier {
  return 'again' in verifier;
}

/** The file may have changed, whatever the configuration says. */
function readsFiles({ keys }: JwtIssuerConfig): boolean {
  return keys.kind === 'public' && keys.keys.some((key) => !key.includes('-----BEGIN'));
}

function keySetName({ issuer, keys }: JwtIssuerConfig): string {
  return keys.kind === 'jwks' ? `keys at ${keys.url}` : `keys of ${issuer}`;
}
