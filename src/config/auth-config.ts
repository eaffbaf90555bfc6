/** What the operator says of tokens: who may issue JWTs for this gateway, and under which name they are meant for it. */

export interface AuthConfig {
  /**
   * Base URL under which clients reach the gateway, without a slash at the end: its name as an OAuth resource;
   * undefined = the one that clients are told at the start.
   */
  readonly resource: string | undefined;
  /** How long tokens that were verified before count while the store does not answer; undefined = one hour. */
  readonly offlineGraceMs: number | undefined;
  /** Each `issuer` once. */
  readonly issuers: readonly JwtIssuerConfig[];
}

export const JWT_ALGORITHMS = ['HS256', 'RS256', 'ES256', 'EdDSA'] as const;
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

export interface JwtIssuerConfig {
  /** The `iss` of its tokens, to the letter. */
  readonly issuer: string;
  /** Values of `aud` that are accepted beside the URLs of the gateway. */
  readonly audiences: readonly string[];
  /** undefined = those that fit the keys. */
  readonly algorithms: readonly JwtAlgorithm[] | undefined;
  readonly keys: JwtKeys;
  /** Claim with the email address of the user, and with role names; a dot leads into an object. */
  readonly userClaim: string;
  readonly rolesClaim: string | undefined;
  /** Roles of everybody who has a token of this issuer. */
  readonly roles: readonly string[];
  /** `narrow`: a `scope` claim leaves only the permissions that it names. `ignore`: it means nothing here. */
  readonly scopes: 'narrow' | 'ignore';
}

export type JwtKeys =
  /** At least 32 bytes. Secret. */
  | { readonly kind: 'secret'; readonly secret: string }
  /** Each the path of a PEM file, or PEM itself. */
  | { readonly kind: 'public'; readonly keys: readonly string[] }
  | { readonly kind: 'jwks'; readonly url: string }
  /** From the metadata of the issuer (OpenID Connect Discovery, RFC 8414). */
  | { readonly kind: 'discovery' };
