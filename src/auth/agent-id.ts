/** The agents that the configuration lets in by an id of their own, bare or after `Bearer ` in the Authorization header. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Principal } from './authenticator.ts';
import { withoutScheme } from './credential-header.ts';
import { AGENT_PERMISSIONS, type Permission } from './permissions.ts';
import type { Verified } from './verified.ts';

/** `key`: what subjects are made with; processes that know each other's principals have the same. */
export function createAgentIds(agentIds: readonly string[], key: Uint8Array = SUBJECT_KEY): AgentIds {
  const known = agentIds.map((id) => ({ digest: digestOf(id), verified: verifiedAs(principalOf(id, key)) }));
  return {
    find: (authorization) => find(known, authorization) ?? find(known, withoutScheme(authorization)),
    knows: (subject) => known.some(({ verified }) => verified.principal.subject === subject),
  };
}

export interface AgentIds {
  /** The agent behind the value of an Authorization header: as it stands, or without its scheme. */
  find(authorization: string): Verified | undefined;
  /** True while somebody may still call as this subject. */
  knows(subject: string): boolean;
}

interface Known {
  readonly digest: Buffer;
  readonly verified: Verified;
}

/** Compares with every id, by digest: the time taken tells nothing about the ids or which of them matched. */
function find(known: readonly Known[], candidate: string): Verified | undefined {
  const digest = digestOf(candidate);
  let found: Verified | undefined;
  for (const entry of known) {
    if (timingSafeEqual(entry.digest, digest)) found = entry.verified;
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
  scope: { permissions: undefined, teams: undefined },
  virtualServers: undefined,
} as const satisfies Partial<Principal>;

function verifiedAs(principal: Principal): Verified {
  const verified: Verified = { principal, validUntil: Infinity, recheck: () => Promise.resolve(verified) };
  return verified;
}

/** New for each process: from a subject in a log nobody can find out a weak id by trying. */
const SUBJECT_KEY = randomBytes(32);

/** The same id gives the same subject for as long as the process lives, also after a reload. */
function principalOf(id: string, key: Uint8Array): Principal {
  const subject = `agent-${createHmac('sha256', key).update(id).digest('hex').slice(0, 16)}`;
  return { subject, issuer: 'agent-id', credential: subject, ...AGENT };
}
