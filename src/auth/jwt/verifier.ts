/** JWTs of the issuers that the operator trusts: signature, time, audience, revocation, and the account behind them. */
import { hash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload } from 'jose';
import type { JwtIssuerConfig } from '../../config/auth-config.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { StoreReader } from '../../store/store.ts';
import { clientCertificateOf } from '../../tls/client-certificate.ts';
import { narrowed, permissionsOf, readAccount, type AccountStore } from '../account.ts';
import type { Verified, Verifier } from '../verified.ts';
import { readClaims, subjectPrefix, type TokenClaims } from './claims.ts';
import { keysOf, type IssuerKeys, type SignedClaims } from './keys.ts';
import type { KeySet } from './key-set.ts';

export type JwtStore = AccountStore & Pick<StoreReader, 'isRevoked'>;

export interface JwtVerifierOptions {
  readonly issuers: readonly JwtIssuerConfig[];
  /** Base URL of the gateway: what is meant for it, or for a path below it, is meant for the gateway. */
  readonly resource: string;
  readonly keySetOf: (issuer: JwtIssuerConfig) => KeySet;
  /** undefined = there are no accounts, and nothing can be revoked. */
  readonly store: JwtStore | undefined;
  /** The one of the configuration in use: it decides about tokens that another one has verified. */
  readonly inUse: () => Pick<JwtVerifier, 'again'> | undefined;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** How far the clocks of issuer and gateway may be apart. */
export const CLOCK_SKEW_SECONDS = 60;
const MAX_LENGTH = 8 * 1024;
const FORM = /^[\w-]+\.[\w-]+\.[\w-]*$/;
/** Other types are other things, which the same issuer may have signed with the same key. */
const TYPES = new Set(['jwt', 'at+jwt', 'application/at+jwt', 'application/jwt']);

/** What a signature has proved, without the token itself. */
export interface JwtProof extends SignedClaims {
  /** `Principal.credential` */
  readonly credential: string;
}

export interface JwtVerifier extends Verifier {
  /** Looks again at a token that was verified before: issuer, key, claims, revocation, account. Rejects like `verify`. */
  again(proof: JwtProof): Promise<Verified>;
}

interface Issuer {
  readonly config: JwtIssuerConfig;
  readonly keys: IssuerKeys;
  readonly audiences: ReadonlySet<string>;
}

/** Rejects when the keys of an issuer cannot be read. */
export async function createJwtVerifier(options: JwtVerifierOptions): Promise<JwtVerifier> {
  const { resource, keySetOf, store, now, inUse } = options;
  const issuers = new Map<string, Issuer>();
  for (const config of options.issuers) {
    const keys = await keysOf(config, () => keySetOf(config)).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`the keys of the token issuer "${config.issuer}" cannot be used: ${reason}`, { cause: error });
    });
    issuers.set(config.issuer, { config, keys, audiences: new Set([resource, `${resource}/`, ...config.audiences]) });
  }

  async function checked(proof: JwtProof, issuer: Issuer): Promise<Verified> {
    const claims = understood(proof.payload, issuer);
    if (claims.id !== undefined && (await store?.isRevoked(claims.id)) === true)
      throw refused('The token was revoked.');
    const account =
      claims.user === undefined || store === undefined ? undefined : await readAccount(store, claims.user);
    if (account === 'disabled') throw refused('The user of the token is disabled.');
    const roles = await Promise.all(claims.roles.map((role) => permissionsOf(store, role)));
    const grants = [...(account?.grants ?? []), ...roles.map((permissions) => ({ permissions, team: undefined }))];
    return {
      principal: {
        subject: claims.subject,
        issuer: 'jwt',
        credential: proof.credential,
        user: claims.user,
        ...narrowed({ teams: account?.teams ?? [], grants }, claims.narrowing),
      },
      validUntil: claims.expiresAt + CLOCK_SKEW_SECONDS * 1000,
      refusal: refusalFor(claims, issuer.audiences, resource),
      recheck: () => (inUse() ?? verifier).again(proof),
    };
  }

  const verifier: JwtVerifier = {
    recognizes: (credential) => FORM.test(credential),
    async verify(credential) {
      if (credential.length > MAX_LENGTH) throw refused('The token is too long.');
      const { issuer: name, type } = readUnverified(credential);
      if (type !== undefined && !TYPES.has(type.toLowerCase())) throw refused('This kind of JWT is no access token.');
      const issuer = issuers.get(name);
      if (issuer === undefined) throw refused('The issuer of the token is not trusted here.');
      const claims = await signed(credential, issuer, now());
      // Two tokens of one client are two: each may be revoked, and each allows what it says.
      return checked({ ...claims, credential: hash('sha256', credential, 'base64url') }, issuer);
    },
    async again(proof) {
      const issuer = issuers.get(proof.payload.iss ?? '');
      if (issuer === undefined) throw refused('The issuer of the token is not trusted here any more.');
      if (!issuer.keys.holds(proof.key)) throw refused('The key of the token is not trusted any more.');
      return checked(proof, issuer);
    },
    issues: (subject) => [...issuers.keys()].some((name) => subject.startsWith(subjectPrefix(name))),
  };
  return verifier;

  function understood(payload: JWTPayload, { config, audiences }: Issuer): TokenClaims {
    let claims: TokenClaims;
    try {
      claims = readClaims(payload, config);
    } catch (error) {
      throw refused(`The token cannot be used: ${error instanceof Error ? error.message : String(error)}.`);
    }
    if (!claims.audiences.some((audience) => audiences.has(audience) || audience.startsWith(`${resource}/`)))
      throw refused('The token is meant for somebody else: its audience is not this gateway.');
    return claims;
  }
}

interface Unverified {
  readonly issuer: string;
  readonly type: string | undefined;
}

/** What says of itself what it is, before anything is known to be true: it only selects the keys to check it with. */
function readUnverified(token: string): Unverified {
  try {
    return { issuer: decodeJwt(token).iss ?? '', type: decodeProtectedHeader(token).typ };
  } catch {
    throw refused('The token cannot be read.');
  }
}

async function signed(token: string, { config, keys }: Issuer, now: number): Promise<SignedClaims> {
  try {
    return await keys.verify(token, {
      issuer: config.issuer,
      requiredClaims: ['exp', 'sub'],
      clockTolerance: CLOCK_SKEW_SECONDS,
      currentDate: new Date(now),
    });
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw refused('The token has expired.');
    if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'nbf')
      throw refused('The token is not valid yet.');
    if (error instanceof errors.JOSEError) throw refused('The token is not valid: its signature or form is wrong.');
    throw error;
  }
}

/** What depends on where and how the token is used. */
function refusalFor(
  { audiences, certificate }: TokenClaims,
  everywhere: ReadonlySet<string>,
  resource: string,
): Verified['refusal'] {
  const isForAll = audiences.some((audience) => everywhere.has(audience));
  if (isForAll && certificate === undefined) return undefined;
  return ({ url = '', socket }) => {
    if (!isForAll && !endpointsOf(url).some((path) => audiences.includes(`${resource}${path}`)))
      return 'The token is meant for another endpoint of this gateway.';
    if (certificate !== undefined && thumbprintOf(clientCertificateOf(socket)?.fingerprint) !== certificate)
      return 'The token is bound to a client certificate, and this connection has not shown it.';
    return undefined;
  };
}

/** The paths under which the endpoint of a request is known; the two addresses of the HTTP+SSE transport are one endpoint. */
function endpointsOf(target: string): readonly string[] {
  const path = (target.split('?', 1)[0] ?? '').replace(/\/$/, '');
  const [, base] = /^(.*)\/(?:sse|messages?)$/.exec(path) ?? [];
  return base === undefined ? [path] : [`${base}/sse`, base];
}

/** Hexadecimal with colons becomes base64url. */
function thumbprintOf(fingerprint: string | undefined): string | undefined {
  return fingerprint === undefined
    ? undefined
    : Buffer.from(fingerprint.replaceAll(':', ''), 'hex').toString('base64url');
}

function refused(message: string): GatewayError {
  return new GatewayError('unauthorized', message);
}
