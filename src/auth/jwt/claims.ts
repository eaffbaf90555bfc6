/** Reads from the claims of a verified token who it stands for and how far it goes. What is there must be well formed. */
import type { JWTPayload } from 'jose';
import type { JwtIssuerConfig } from '../../config/auth-config.ts';
import type { Narrowing } from '../account.ts';

export interface TokenClaims {
  /** Names the caller among all issuers and clients. */
  readonly subject: string;
  /** Lower-case email address; undefined when the token names no user. */
  readonly user: string | undefined;
  readonly roles: readonly string[];
  readonly audiences: readonly string[];
  readonly narrowing: Narrowing;
  readonly id: string | undefined;
  /** ms since the epoch. */
  readonly expiresAt: number;
  /** SHA-256 of the client certificate that it is bound to (RFC 8705), base64url. */
  readonly certificate: string | undefined;
}

/** The start of the subject of everybody from this issuer. */
export function subjectPrefix(issuer: string): string {
  return `jwt:${plain(issuer)}#`;
}

/** Without the sign that stands between the parts of a subject: no client and no user can be named so as to be taken for another. */
function plain(part: string): string {
  return part.replaceAll('%', '%25').replaceAll('#', '%23');
}

/** Throws an Error that says what is wrong with them. */
export function readClaims(payload: JWTPayload, config: JwtIssuerConfig): TokenClaims {
  const { sub, exp, jti, aud } = payload;
  if (typeof sub !== 'string' || sub === '') throw new Error('it has no "sub"');
  if (typeof exp !== 'number') throw new Error('it has no "exp"');
  if (jti !== undefined && (typeof jti !== 'string' || jti === '')) throw new Error('its "jti" is not a text');
  const client = payload['client_id'] ?? payload['azp'];
  const scope = config.scopes === 'narrow' ? payload['scope'] : undefined;
  if (scope !== undefined && typeof scope !== 'string') throw new Error('its "scope" is not a text');
  return {
    subject: `${subjectPrefix(config.issuer)}${plain(sub)}${typeof client === 'string' ? `#${plain(client)}` : ''}`,
    user: userOf(payload, config.userClaim),
    roles: [...config.roles, ...rolesOf(payload, config.rolesClaim)],
    audiences: typeof aud === 'string' ? [aud] : (aud ?? []),
    narrowing: {
      permissions: scope === undefined ? undefined : new Set(scope.split(' ').filter((word) => word !== '')),
      teams: list(payload, 'teams'),
      virtualServers: list(payload, 'virtual_servers'),
    },
    id: jti,
    expiresAt: exp * 1000,
    certificate: certificateOf(payload),
  };
}

function userOf(payload: JWTPayload, claim: string): string | undefined {
  const value = at(payload, claim);
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '') throw new Error(`its "${claim}" is not a text`);
  // Anybody can tell an issuer the address of somebody else.
  return claim === 'email' && payload['email_verified'] === false ? undefined : value.toLowerCase();
}

function rolesOf(payload: JWTPayload, claim: string | undefined): readonly string[] {
  const value = claim === undefined ? undefined : at(payload, claim);
  if (value === undefined) return [];
  if (typeof value === 'string') return value.split(' ').filter((word) => word !== '');
  return texts(value, claim ?? '');
}

function list(payload: JWTPayload, claim: string): readonly string[] | undefined {
  const value = payload[claim];
  return value === undefined ? undefined : texts(value, claim);
}

function texts(value: unknown, claim: string): readonly string[] {
  if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return value;
  throw new Error(`its "${claim}" is not a list of texts`);
}

/** A token that only its holder may use: what proves the holder must be something that the gateway can check. */
function certificateOf(payload: JWTPayload): string | undefined {
  const confirmation = payload['cnf'];
  if (confirmation === undefined) return undefined;
  const { 'x5t#S256': thumbprint, ...others } = Object(confirmation) as Record<string, unknown>;
  if (typeof thumbprint === 'string' && Object.keys(others).length === 0) return thumbprint;
  throw new Error('it is bound to a key in a way that this gateway cannot check');
}

/** A claim by its name, or by the names that lead to it. */
function at(payload: JWTPayload, claim: string): unknown {
  if (Object.hasOwn(payload, claim)) return payload[claim];
  let here: unknown = payload;
  for (const name of claim.split('.')) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, name)) return undefined;
    here = (here as Record<string, unknown>)[name];
  }
  return here;
}
