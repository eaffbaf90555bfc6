/** Turns the checked `gateway.auth` into AuthConfig: defaults, and the rules about several fields. Keys are not opened here. */
import type { AuthConfig, JwtIssuerConfig, JwtKeys } from '../auth-config.ts';
import type { Diagnostics } from '../diagnostics.ts';
import { type Scope, spell, writtenPath } from '../dialect.ts';
import type { RawAuth, RawIssuer } from '../schema/auth.ts';
import { parseDuration } from '../values/duration.ts';

const KEY_FIELDS = ['secret', 'publicKeys', 'jwksUrl'] as const;
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

export function authentication(scope: Scope, raw: RawAuth | undefined, log: Diagnostics): AuthConfig {
  const seen = new Set<string>();
  const issuers = (raw?.issuers ?? []).map((entry, index): JwtIssuerConfig => {
    const check = new IssuerCheck(scope, index, log);
    if (seen.has(entry.issuer)) check.error('issuer', 'the same issuer stands here twice', 'Keep one of the two.');
    seen.add(entry.issuer);
    return {
      issuer: entry.issuer,
      audiences: entry.audience ?? [],
      algorithms: check.algorithms(entry),
      keys: check.keys(entry),
      userClaim: entry.userClaim ?? 'email',
      rolesClaim: entry.rolesClaim,
      roles: entry.roles ?? [],
      scopes: entry.scopes ?? 'narrow',
    };
  });
  return {
    resource: raw?.resource?.replace(/\/+$/, ''),
    offlineGraceMs: raw?.offlineGrace === undefined ? undefined : parseDuration(raw.offlineGrace),
    issuers,
  };
}

class IssuerCheck {
  readonly #scope: Scope;
  readonly #index: number;
  readonly #log: Diagnostics;

  constructor(scope: Scope, index: number, log: Diagnostics) {
    this.#scope = scope;
    this.#index = index;
    this.#log = log;
  }

  error(field: keyof RawIssuer, message: string, suggestion: string): void {
    const path = writtenPath(this.#scope, ['auth', 'issuers', this.#index, field]);
    this.#log.error({ path, message, suggestion, atKey: true });
  }

  keys(raw: RawIssuer): JwtKeys {
    const [first, second] = KEY_FIELDS.filter((field) => raw[field] !== undefined);
    if (second !== undefined) {
      this.error(
        second,
        `the keys of an issuer come from one place, and both '${this.#spelled(first ?? second)}' and '${this.#spelled(second)}' name one`,
        'Keep one of them.',
      );
    }
    if (raw.secret !== undefined) return { kind: 'secret', secret: raw.secret };
    if (raw.publicKeys !== undefined) return { kind: 'public', keys: raw.publicKeys };
    if (raw.jwksUrl !== undefined) {
      this.#checkUrl('jwksUrl', raw.jwksUrl);
      return { kind: 'jwks', url: raw.jwksUrl };
    }
    if (/^https?:\/\//.test(raw.issuer) && URL.canParse(raw.issuer)) this.#checkUrl('issuer', raw.issuer);
    else
      this.error(
        'issuer',
        'nothing says with which keys the tokens are signed, and the issuer is no URL that could be asked',
        `Add one of ${KEY_FIELDS.map((field) => `'${this.#spelled(field)}'`).join(', ')}.`,
      );
    return { kind: 'discovery' };
  }

  algorithms({ algorithms, secret }: RawIssuer): JwtIssuerConfig['algorithms'] {
    if (algorithms === undefined) return undefined;
    // With a public key as the secret of HS256, anybody could sign.
    const unfit = algorithms.find((algorithm) => (algorithm === 'HS256') !== (secret !== undefined));
    if (unfit !== undefined) {
      this.error(
        'algorithms',
        `${unfit} does not fit: ${secret === undefined ? 'it needs a shared secret, and public keys are given' : 'it needs a public key, and a shared secret is given'}`,
        'Leave the field out: the keys say what can be accepted.',
      );
    }
    return algorithms;
  }

  /** Keys that come over plain http can be exchanged on the way by anybody. */
  #checkUrl(field: 'jwksUrl' | 'issuer', text: string): void {
    const url = URL.parse(text);
    if (url === null || url.protocol === 'https:' || LOOPBACK.test(url.hostname)) return;
    this.error(field, 'keys must not come over plain http', 'Write https://, or name a public key instead.');
  }

  #spelled(field: string): string {
    return spell(field, this.#scope.dialect);
  }
}
