/** Authentication by the Authorization header: agent id, API token or JWT, found good once and remembered for as long as it is. */
import { hash } from 'node:crypto';
import { GatewayError } from '../shared/errors.ts';
import type { AgentIds } from './agent-id.ts';
import type { Authenticator, Principal } from './authenticator.ts';
import { authorizationOf, withoutScheme } from './credential-header.ts';
import type { Standings } from './standings.ts';
import type { Verified, Verifier } from './verified.ts';
import type { RequestHead } from '../shared/request-head.ts';

export interface CredentialsOptions {
  readonly agents: AgentIds;
  readonly verifiers: readonly Verifier[];
  readonly standings: Standings;
  /** ms since the epoch. */
  readonly now: () => number;
}

const MAX_REMEMBERED = 10_000;

interface Remembered {
  readonly verified: Verified;
  /** `Standings.epoch` when it was looked at last. */
  readonly epoch: number;
}

/**
 * What was found good is found again by its hash, in constant time whoever calls. Whether it still counts is asked at
 * each request: its end, the epoch (which moves with every change in the store), and limits of place and time.
 */
export function createCredentialAuthenticator(
  options: CredentialsOptions,
): Pick<Authenticator, 'authenticate' | 'knows' | 'rightsDiffer'> {
  const { agents, verifiers, standings, now } = options;
  const remembered = new Map<string, Remembered>();

  function authenticate(request: RequestHead): Principal | Promise<Principal> {
    const authorization = authorizationOf(request);
    const key = hash('sha256', authorization, 'base64');
    const entry = remembered.get(key);
    if (entry !== undefined && isCurrent(entry)) return admitted(entry.verified, request);
    const agent = agents.find(authorization);
    if (agent === undefined) return verified(request, authorization, key, entry);
    remember(key, { verified: agent, epoch: standings.epoch });
    return agent.principal;
  }

  function isCurrent({ epoch, verified: { validUntil } }: Remembered): boolean {
    return epoch === standings.epoch && now() < validUntil;
  }

  async function verified(
    request: RequestHead,
    authorization: string,
    key: string,
    before: Remembered | undefined,
  ): Promise<Principal> {
    const credential = withoutScheme(authorization);
    const verifier = verifiers.find((one) => one.recognizes(credential));
    if (verifier === undefined) throw new GatewayError('unauthorized', 'The credential is not known here.');
    // Taken before the store is asked: what changes meanwhile is looked at again.
    const { epoch } = standings;
    let found: Verified;
    try {
      const alive = before !== undefined && now() < before.verified.validUntil;
      found = await (alive ? before.verified.recheck() : verifier.verify(credential));
    } catch (error) {
      remembered.delete(key);
      throw error;
    }
    const known = standings.add(found);
    remember(key, { verified: known, epoch });
    // Everybody may have been looked at before this one was there.
    if (epoch !== standings.epoch) void standings.check();
    return admitted(known, request);
  }

  function remember(key: string, entry: Remembered): void {
    if (!remembered.has(key) && remembered.size >= MAX_REMEMBERED) forgetOldest(remembered);
    remembered.set(key, entry);
  }

  function admitted({ principal, refusal, used }: Verified, request: RequestHead): Principal {
    if (refusal !== undefined || used !== undefined) {
      const time = now();
      const reason = refusal?.(request, time);
      if (reason !== undefined) throw new GatewayError('unauthorized', reason);
      used?.(time);
    }
    return principal;
  }

  return {
    authenticate,
    rightsDiffer: verifiers.length > 0,
    knows: (principal) =>
      agents.knows(principal.subject) ||
      (verifiers.some((verifier) => verifier.issues(principal.subject)) && standings.has(principal)),
  };
}

function forgetOldest(remembered: Map<string, Remembered>): void {
  for (const key of remembered.keys()) {
    remembered.delete(key);
    return;
  }
}
