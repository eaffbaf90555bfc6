/** A credential that was found good, with everything that is asked of it again at each request. */
import type { Principal } from './authenticator.ts';
import type { RequestHead } from '../shared/request-head.ts';

export interface Verified {
  readonly principal: Principal;
  /** ms since the epoch; Infinity = it has no end. */
  readonly validUntil: number;
  /** Why it may not be used for this request; undefined = it may, or nothing depends on the request. */
  readonly refusal?: ((request: RequestHead, now: number) => string | undefined) | undefined;
  /** False while it may not be used at all at this time: then what is open ends. undefined = it counts until its end. */
  readonly counts?: ((now: number) => boolean) | undefined;
  /** Counts its use. */
  readonly used?: ((now: number) => void) | undefined;
  /** Looks again at what can have changed since: revocation, account, roles. Rejects like the first verification. */
  recheck(): Promise<Verified>;
}

/** One kind of credential. */
export interface Verifier {
  /** True when the credential has this form; then it is of this kind and of no other. */
  recognizes(credential: string): boolean;
  /** Rejects with a GatewayError `unauthorized`. */
  verify(credential: string): Promise<Verified>;
  /** True when a subject of this form belongs to it, and it is still in use. */
  issues(subject: string): boolean;
}
