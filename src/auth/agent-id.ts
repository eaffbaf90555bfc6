/** Authentication by agent id: the Authorization header holds one of the configured ids, bare or after `Bearer `. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../shared/errors.ts';
import type { Authenticator, Principal } from './authenticator.ts';
import { AGENT_PERMISSIONS, type Permission } from './permissions.ts';

/** Visible ASCII and inner spaces: what a header value may hold. */
const WELL_FORMED = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/;

export function createAgentIdAuthenticator(agentIds: readonly string[]): AgentAuthenticator {
  const known = agentIds.map((id) => ({ digest: digestOf(id), principal: principalOf(id) }));
  return {
    authenticate({ headers, rawHeaders }): Principal {
      const value = headers.authorization;
      if (value === undefined || value === '') {
        throw new GatewayError('unauthorized', 'The Authorization header is missing.');
      }
      if (!WELL_FORMED.test(value) || /^bearer$/i.test(value) || countOf(rawHeaders, 'authorization') > 1) {
        throw new GatewayError('malformed_authorization', 'The Authorization header is malformed.');
      }
      const principal = find(known, value) ?? find(known, value.replace(/^bearer +/i, ''));
      if (principal === undefined)
        throw new GatewayError('unauthorized', 'The Authorization header holds no known agent id.');
      return principal;
    },
    knows: (subject) => known.some(({ principal }) => principal.subject === subject),
  };
}

/** Needs nobody to ask: it always knows at once. */
export interface AgentAuthenticator extends Authenticator {
  authenticate(request: IncomingMessage): Principal;
}

interface Known {
  readonly digest: Buffer;
  readonly principal: Principal;
}

/** Compares with every id, by digest: the time taken tells nothing about the ids or which of them matched. */
function find(known: readonly Known[], candidate: string): Principal | undefined {
  const digest = digestOf(candidate);
  let found: Principal | undefined;
  for (const entry of known) {
    if (timingSafeEqual(entry.digest, digest)) found = entry.principal;
  }
  return found;
}

function digestOf(value: string): Buffer {
  return createHash('sha256').update(value).digest();
}

/** What agents that the configuration names may do: everything that public objects offer, and operate the gateway (specification 1.17). */
export const AGENT = {
  user: undefined,
  teams: [],
  grants: [{ permissions: new Set<Permission>(AGENT_PERMISSIONS), team: undefined }],
  virtualServers: undefined,
} as const satisfies Partial<Principal>;

/** New for each process: from a subject in a log nobody can find out a weak id by trying. */
const SUBJECT_KEY = randomBytes(32);

/** The same id gives the same subject for as long as the process lives, also after a reload. */
function principalOf(id: string): Principal {
  const hash = createHmac('sha256', SUBJECT_KEY).update(id).digest('hex').slice(0, 16);
  return { subject: `agent-${hash}`, issuer: 'agent-id', ...AGENT };
}

function countOf(rawHeaders: readonly string[], name: string): number {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === name) count++;
  }
  return count;
}
