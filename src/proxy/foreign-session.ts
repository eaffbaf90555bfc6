/** Somebody has come with the session of somebody else: the audit log hears of it, and he hears that there is no such session. */
import { GatewayError } from '../shared/errors.ts';

/** Stands behind the failure. Callers never see it. */
export class ForeignSession extends Error {
  override readonly name = 'ForeignSession';

  constructor() {
    super('The session belongs to somebody else.');
  }
}

/** The same words whether the session is missing or belongs to another subject than `caller`. */
export function noSession(message: string, owner: string | undefined, caller: string): GatewayError {
  const isForeign = owner !== undefined && owner !== caller;
  return new GatewayError('session_not_found', message, { cause: isForeign ? new ForeignSession() : undefined });
}
