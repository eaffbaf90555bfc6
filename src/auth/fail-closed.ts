/** Whatever goes wrong inside authentication, nobody gets in: a fault is written down here, and outside it is a refusal. */
import type { Logger } from 'pino';
import { GatewayError } from '../shared/errors.ts';
import type { Authenticator } from './authenticator.ts';
import type { ProtectedResource } from './protected-resource.ts';
import type { RequestHead } from '../shared/request-head.ts';

/** The same authenticator, which fails with `unauthorized` or `malformed_authorization` and nothing else, and says to clients where to get a token. */
export function failClosed(
  inner: Pick<Authenticator, 'authenticate' | 'knows' | 'rightsDiffer'>,
  resource: ProtectedResource,
  log: Pick<Logger, 'error'>,
): Authenticator {
  const refuse = (error: unknown, request: RequestHead): never => {
    const kind = request.headers.authorization === undefined ? 'missing' : 'invalid';
    const challenge = resource.challenge(request.url ?? '', { kind });
    if (error instanceof GatewayError && error.code === 'malformed_authorization') throw error;
    if (error instanceof GatewayError && error.code === 'unauthorized')
      throw new GatewayError('unauthorized', error.message, { challenge, cause: error.cause });
    log.error({ err: error }, 'a credential could not be checked; the request is refused');
    throw new GatewayError('unauthorized', 'The credential cannot be checked at present.', { challenge, cause: error });
  };
  return {
    authenticate(request) {
      try {
        const principal = inner.authenticate(request);
        return principal instanceof Promise ? principal.catch((error: unknown) => refuse(error, request)) : principal;
      } catch (error) {
        return refuse(error, request);
      }
    },
    knows: (principal) => inner.knows(principal),
    rightsDiffer: inner.rightsDiffer,
    resource,
  };
}
