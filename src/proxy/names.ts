/** How names and URIs of servers appear on an endpoint that several of them share. */
import { possibleOwners, unifiedName } from '../mcp/naming.ts';
import { unifiedUri } from '../mcp/uris.ts';
import type { Runtime } from '../runtime/runtime.ts';

export interface Names {
  /** `prefixed`: each name carries its server. `plain`: names stay, and what two servers offer is offered by neither. */
  readonly mode: 'prefixed' | 'plain';
  /** The name of a tool or prompt on the endpoint. */
  name(server: string, name: string): string;
  /** The URI of a resource, or a template of such, on the endpoint. */
  uri(server: string, uri: string): string;
  /** The servers that may own a name of the endpoint, likeliest first. */
  owners(name: string, servers: readonly string[]): readonly string[];
}

const PREFIXED: Names = { mode: 'prefixed', name: unifiedName, uri: unifiedUri, owners: possibleOwners };

/** Names as the servers have them: on the endpoint of one server, too. */
export const PLAIN: Names = {
  mode: 'plain',
  name: (_server, name) => name,
  uri: (_server, uri) => uri,
  owners: (_name, servers) => servers,
};

export function namesOf({ config }: Pick<Runtime, 'config'>): Names {
  return config.gateway.naming === 'plain' ? PLAIN : PREFIXED;
}
