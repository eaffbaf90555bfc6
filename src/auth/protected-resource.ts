/** The gateway as an OAuth resource server: where clients get tokens for it (RFC 9728), and which ones they lack (RFC 6750). */
import type { AuthConfig } from '../config/auth-config.ts';
import type { Permission } from './permissions.ts';

const METADATA_PATH = '/.well-known/oauth-protected-resource';

/** What a client needs that uses servers; offered to those that come without a token. */
const BASE_SCOPES = [
  'tools.read',
  'tools.call',
  'resources.read',
  'prompts.read',
] as const satisfies readonly Permission[];

export interface ProtectedResource {
  /** The document for the endpoint at `path` ('' = the whole gateway); undefined when nobody issues tokens by OAuth. */
  metadata(path: string): object | undefined;
  /** The WWW-Authenticate header for a request to `target` that is refused. */
  challenge(target: string, reason: ChallengeReason): string;
}

export type ChallengeReason =
  | { readonly kind: 'missing' }
  | { readonly kind: 'invalid' }
  | { readonly kind: 'scope'; readonly scopes: readonly Permission[] };

export function createProtectedResource(resource: string, { issuers }: AuthConfig): ProtectedResource {
  const servers = issuers.map(({ issuer }) => issuer).filter((issuer) => /^https?:\/\//.test(issuer));
  const isNarrowed = issuers.some(({ scopes }) => scopes === 'narrow');
  return {
    metadata: (path) =>
      servers.length === 0
        ? undefined
        : {
            resource: `${resource}${path}`,
            resource_name: 'Gatehouse',
            authorization_servers: servers,
            bearer_methods_supported: ['header'],
            ...(isNarrowed ? { scopes_supported: BASE_SCOPES } : {}),
          },
    challenge(target, reason) {
      const parameters = [
        ...(reason.kind === 'missing'
          ? []
          : [`error="${reason.kind === 'scope' ? 'insufficient_scope' : 'invalid_token'}"`]),
        ...(servers.length > 0 && isNarrowed
          ? [`scope="${(reason.kind === 'scope' ? reason.scopes : BASE_SCOPES).join(' ')}"`]
          : []),
        ...(servers.length > 0 ? [`resource_metadata="${metadataUrl(resource, target)}"`] : []),
      ];
      return parameters.length === 0 ? 'Bearer' : `Bearer ${parameters.join(', ')}`;
    },
  };
}

function metadataUrl(resource: string, target: string): string {
  const { origin, pathname } = new URL(resource);
  return `${origin}${METADATA_PATH}${pathname.replace(/\/+$/, '')}${endpointOf(target)}`;
}

/** Stands in a quoted string of a header: only what is plain is taken for the path of an endpoint. */
const ENDPOINT =
  /^(?:\/mcp(?:\/[\w.%~-]+(?:\/(?:sse|messages))?)?|\/(?:sse|messages)|(?:\/v1)?\/servers\/[\w.%~-]+\/(?:mcp|sse|messages?))$/;

/** The path of the endpoint that a request is for, as its metadata call it; '' = the whole gateway, for everything else. */
function endpointOf(target: string): string {
  const path = (target.split('?', 1)[0] ?? '').replace(/\/+$/, '');
  // Messages go to the endpoint at which the stream was opened.
  return ENDPOINT.test(path) ? path.replace(/\/messages?$/, '/sse') : '';
}
