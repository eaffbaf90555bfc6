/** Authentication by client certificate, beside or in place of an agent id. */
import type { Socket } from 'node:net';
import type { ListenerTlsConfig } from '../config/tls-config.ts';
import { GatewayError } from '../shared/errors.ts';
import { clientCertificateOf, isAllowedClient, type ClientCertificate } from '../tls/client-certificate.ts';
import { AGENT } from './agent-id.ts';
import type { Authenticator, Principal } from './authenticator.ts';

type Credentials = Pick<Authenticator, 'authenticate' | 'knows' | 'rightsDiffer'>;

const PREFIX = 'mtls:';

/**
 * With `certificateLogin`, a request without an Authorization header is that of its certificate; a header that is there
 * must be right in any case. A certificate that has none of the `allowedClients` names opens nothing.
 */
export function createCertificateAuthenticator(tls: ListenerTlsConfig, agents: Credentials): Credentials {
  // The same object for all requests of a connection: others keep things by it.
  const onConnection = new WeakMap<Socket, { readonly from: Principal | undefined; readonly principal: Principal }>();
  function certified(socket: Socket, certificate: ClientCertificate, from: Principal | undefined): Principal {
    const known = onConnection.get(socket);
    if (known !== undefined && known.from === from) return known.principal;
    const principal: Principal =
      from === undefined
        ? { subject: subjectOf(certificate), issuer: 'mtls', credential: subjectOf(certificate), certificate, ...AGENT }
        : { ...from, certificate };
    onConnection.set(socket, { from, principal });
    return principal;
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
        return certified(socket, certificate, undefined);
      const principal = agents.authenticate(request);
      if (certificate === undefined) return principal;
      return principal instanceof Promise
        ? principal.then((known) => certified(socket, certificate, known))
        : certified(socket, certificate, principal);
    },
    rightsDiffer: agents.rightsDiffer,
    knows: (principal) => (principal.subject.startsWith(PREFIX) ? tls.certificateLogin : agents.knows(principal)),
  };
}

/** Stays the same when the certificate is renewed. */
function subjectOf({ spiffeId, subject, issuer }: ClientCertificate): string {
  return `${PREFIX}${spiffeId ?? `${subject} (issuer ${issuer})`}`;
}
