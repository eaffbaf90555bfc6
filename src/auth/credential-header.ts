/** Takes the credential out of the Authorization header: bare, or after `Bearer`. */
import { GatewayError } from '../shared/errors.ts';
import type { RequestHead } from '../shared/request-head.ts';

/** Visible ASCII and inner spaces: what a header value may hold. */
const WELL_FORMED = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/;
const BEARER = /^bearer +/i;
const NAME = 'authorization';

/** The whole value. Throws `unauthorized` without one, and `malformed_authorization`. */
export function authorizationOf({ headers, rawHeaders }: RequestHead): string {
  const value = headers.authorization;
  if (value === undefined || value === '')
    throw new GatewayError('unauthorized', 'The Authorization header is missing.');
  if (/^bearer *$/i.test(value)) {
    const message = 'The Authorization header holds nothing after Bearer: is the variable with the token empty?';
    throw new GatewayError('malformed_authorization', message);
  }
  if (!WELL_FORMED.test(value) || isRepeated(rawHeaders))
    throw new GatewayError('malformed_authorization', 'The Authorization header is malformed.');
  return value;
}

/** The value without the scheme. */
export function withoutScheme(authorization: string): string {
  return authorization.replace(BEARER, '');
}

/** Node.js keeps the first of several: which of them counts must not be a matter of taste. */
function isRepeated(rawHeaders: readonly string[]): boolean {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === NAME.length && name.toLowerCase() === NAME) count++;
  }
  return count > 1;
}
