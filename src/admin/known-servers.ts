/** The MCP servers that there are, wherever they come from, and which of them a caller may know of. */
import { seesInApi } from '../auth/authorize.ts';
import type { Access } from '../config/registration.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Call } from './http/call.ts';

export interface KnownServer {
  readonly id: string;
  readonly name: string;
  readonly access: Access;
  /** undefined while it is disabled, or cannot be used. */
  readonly pool: UpstreamPool | undefined;
}

/** By name. What a file owns comes first, and hides what the store has under the same name. */
export async function visibleServers({
  context,
  principal,
}: Pick<Call, 'context' | 'principal'>): Promise<ReadonlyMap<string, KnownServer>> {
  const { config, pools } = context.runtime();
  const servers = new Map<string, KnownServer>();
  for (const { name, registration } of config.servers) {
    servers.set(name, { id: registration.id, name, access: registration.access, pool: pools.get(name) });
  }
  for (const { id, name, access } of await context.store.gateways()) {
    if (!servers.has(name)) servers.set(name, { id, name, access, pool: undefined });
  }
  return new Map([...servers].filter(([, { access }]) => seesInApi(principal, access)));
}
