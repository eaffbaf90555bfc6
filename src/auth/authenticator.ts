/** Finds out who calls: turns a request, with its headers and its connection, into a Principal. */
import type { IncomingMessage } from 'node:http';
import type { ClientCertificate } from '../tls/client-certificate.ts';

export interface Principal {
  /** Stable name of the caller for sessions, logs and audit; never a credential. */
  readonly subject: string;
  /** How it proved itself. */
  readonly issuer: 'agent-id' | 'mtls';
  /** The verified certificate of its connection, also when it proved itself by an agent id. */
  readonly certificate?: ClientCertificate;
}

export interface Authenticator {
  /** Throws a GatewayError: `unauthorized` or `malformed_authorization`. */
  authenticate(request: IncomingMessage): Principal;
  /** True while somebody may still call as this subject. */
  knows(subject: string): boolean;
}
