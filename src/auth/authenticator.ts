/** Finds out who calls: turns a request, with its headers and its connection, into a Principal. */
import type { ClientCertificate } from '../tls/client-certificate.ts';
import type { Permission } from './permissions.ts';
import type { ProtectedResource } from './protected-resource.ts';
import type { RequestHead } from '../shared/request-head.ts';

export interface Principal {
  /** Stable name of the caller for sessions, logs and audit; never a credential. */
  readonly subject: string;
  /** How it proved itself. */
  readonly issuer: 'agent-id' | 'mtls' | 'api-token' | 'jwt';
  /**
   * Tells this credential from others of the same subject, which may allow more or end at another time. Means nothing
   * outside this process, and is never shown.
   */
  readonly credential: string;
  /** The verified certificate of its connection, also when it proved itself by an agent id. */
  readonly certificate?: ClientCertificate;
  /** The account behind it, by email address in lower case; undefined for agents that have none. */
  readonly user: string | undefined;
  /** Ids of the teams that it belongs to, as far as its token lets it act for them. */
  readonly teams: readonly string[];
  /** What it may do, already narrowed by the scope of its token. Nothing is allowed that is not in here. */
  readonly grants: readonly Grant[];
  /** To what its token is narrowed, beside virtual servers. What is undefined is all that its user has, now and later. */
  readonly scope: {
    readonly permissions: ReadonlySet<string> | undefined;
    readonly teams: readonly string[] | undefined;
  };
  /** Ids of the virtual servers that its token is confined to; undefined = wherever visibility and grants allow. */
  readonly virtualServers: readonly string[] | undefined;
}

export interface Grant {
  readonly permissions: ReadonlySet<Permission>;
  /** Holds for objects of this team only; undefined = for all. */
  readonly team: string | undefined;
}

export interface Authenticator {
  /**
   * At once when the credential is known, else a promise (a token is looked up, or keys are fetched). Throws or rejects
   * with a GatewayError: `unauthorized` or `malformed_authorization`; whatever else fails inside becomes `unauthorized`.
   */
  authenticate(request: RequestHead): Principal | Promise<Principal>;
  /** True while the credential that the principal proved itself with still counts. */
  knows(principal: Principal): boolean;
  /** True when some who are let in may do less than others. */
  readonly rightsDiffer: boolean;
  /** What those are told who lack a token, or a permission. */
  readonly resource: ProtectedResource;
}
