/** Authentication by client certificate, beside or in place of another credential. */
import type { Socket } from 'node:net';
import type { ListenerTlsConfig } from '../config/tls-config.ts';
import { GatewayError } from '../shared/errors.ts';
import { clientCertificateOf, isAllowedClient, type ClientCertificate } from '../tls/client-certificate.ts';
import type { AccountStore } from './account.ts';
import type { Authenticator, Principal } from './authenticator.ts';
import { CERTIFICATE_PREFIX, CertificateLogin } from './certificate-login.ts';
import type { Standings } from './standings.ts';
import type { Verified } from './verified.ts';

type Credentials = Pick<Authenticator, 'authenticate' | 'knows' | 'rightsDiffer'>;

export interface CertificateOptions {
  readonly tls: ListenerTlsConfig;
  /** For requests that bring another credential. */
  readonly credentials: Credentials;
  readonly standings: Standings;
  /** undefined = there are no accounts. */
  readonly store: AccountStore | undefined;
}

interface LoggedIn {
  readonly verified: Verified;
  /** `Standings.epoch` when it was looked at last. */
  readonly epoch: number;
}

/**
 * With `certificateLogin`, a request without an Authorization header is that of its certificate; a header that is there
 * must be right in any case. A certificate that has none of the `allowedClients` names opens nothing.
 */
export function createCertificateAuthenticator(options: CertificateOptions): Credentials {
  const { tls, credentials, standings, store } = options;
  const login = new CertificateLogin(tls.certificateUsers, store);
  // The same object for all requests of a connection: others keep things by it.
  const onConnection = new WeakMap<Socket, { readonly from: Principal; readonly principal: Principal }>();
  const loggedIn = new WeakMap<Socket, LoggedIn>();

  function certified(socket: Socket, certificate: ClientCertificate, from: Principal): Principal {
    const known = onConnection.get(socket);
    if (known?.from === from) return known.principal;
    const principal: Principal = { ...from, certificate };
    onConnection.set(socket, { from, principal });
    return principal;
  }

  function logIn(socket: Socket, certificate: ClientCertificate): Principal | Promise<Principal> {
    const known = loggedIn.get(socket);
    if (known !== undefined && (known.epoch === standings.epoch || !login.differs)) return known.verified.principal;
    // Taken before the store is asked: what changes meanwhile is looked at again.
    const { epoch } = standings;
    const keep = (verified: Verified): Principal => {
      const kept = login.differs ? standings.add(verified) : verified;
      loggedIn.set(socket, { verified: kept, epoch });
      return kept.principal;
    };
    const found = login.verify(certificate);
    return found instanceof Promise ? found.then(keep) : keep(found);
  }

  return {
    authenticate(request) {
      const { socket } = request;
      const certificate = clientCertificateOf(socket);
      if (certificate !== undefined && !isAllowedClient(certificate, tls.allowedClients)) {
        throw new GatewayError(
          'unauthorized',
          `The client certificate "${certificate.subject}" has none of the names that may call this gateway.`,
        );
      }
      if (tls.certificateLogin && certificate !== undefined && request.headers.authorization === undefined)
        return logIn(socket, certificate);
      const principal = credentials.authenticate(request);
      if (certificate === undefined) return principal;
      return principal instanceof Promise
        ? principal.then((known) => certified(socket, certificate, known))
        : certified(socket, certificate, principal);
    },
    rightsDiffer: credentials.rightsDiffer || login.differs,
    knows(principal) {
      if (!principal.subject.startsWith(CERTIFICATE_PREFIX)) return credentials.knows(principal);
      const { certificate, credential } = principal;
      if (!tls.certificateLogin || certificate === undefined) return false;
      return credential === login.credentialOf(certificate) && (!login.differs || standings.has(principal));
    },
  };
}
