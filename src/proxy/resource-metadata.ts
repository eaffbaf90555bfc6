/** Where clients get tokens for an endpoint: its OAuth protected resource metadata (RFC 9728). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Runtime } from '../runtime/runtime.ts';
import { GatewayError } from '../shared/errors.ts';
import { respondJson } from './respond.ts';
import { routeOf } from './route.ts';

/** Stands before the path of the endpoint; alone it is about the whole gateway. */
const PREFIX = '/.well-known/oauth-protected-resource';

export function describesResource({ url = '' }: IncomingMessage): boolean {
  return url.startsWith(PREFIX);
}

/**
 * Anybody may ask. Every path where an endpoint can be has an answer, whether there is one or not: it says nothing of what
 * exists. Throws a GatewayError.
 */
export function describeResource(request: IncomingMessage, response: ServerResponse, { authenticator }: Runtime): void {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    throw new GatewayError('method_not_allowed', 'method not allowed');
  }
  const path = (request.url ?? '').slice(PREFIX.length).split('?', 1)[0]?.replace(/\/$/, '') ?? '';
  const route = path === '' ? undefined : routeOf(path);
  const isEndpoint = path === '' || (route !== undefined && route.kind !== 'operation');
  const metadata = isEndpoint ? authenticator.resource.metadata(path) : undefined;
  if (metadata === undefined) {
    throw new GatewayError('not_found', 'Nobody issues OAuth tokens for this path; ask the operator for a token.');
  }
  respondJson(response, 200, JSON.stringify(metadata), { 'access-control-allow-origin': '*' });
}
