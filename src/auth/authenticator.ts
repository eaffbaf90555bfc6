/** Finds out who calls: turns the headers of a request into a Principal. */
import type { IncomingHttpHeaders } from 'node:http';

export interface Principal {
  /** Stable name of the caller for sessions, logs and audit; never a credential. */
  readonly subject: string;
  /** How it proved itself. */
  readonly issuer: 'agent-id';
}

export interface Authenticator {
  /** Throws a GatewayError: `unauthorized` or `malformed_authorization`. */
  authenticate(headers: IncomingHttpHeaders, rawHeaders: readonly string[]): Principal;
  /** True while somebody may still call as this subject. */
  knows(subject: string): boolean;
}
