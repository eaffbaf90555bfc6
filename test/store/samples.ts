/** Records to fill a store with, and changes that say what they are in one line. */
import type { GatewayRecord, NewRecord, Store, StoreWriter, TokenRecord } from '../../src/store/store.ts';
import { TEST_ACTOR } from '../rig/store.ts';

const PUBLIC = { visibility: 'public', owner: undefined, team: undefined } as const;

export function sampleGateway(name: string, fields: Partial<NewRecord<GatewayRecord>> = {}): NewRecord<GatewayRecord> {
  return {
    name,
    document: { type: 'http', url: `https://${name}.example.com/mcp`, headers: {} },
    secrets: { '/headers/Authorization': `Bearer secret-of-${name}` },
    access: PUBLIC,
    description: undefined,
    tags: [],
    enabled: true,
    state: 'active',
    leaseUntil: undefined,
    ...fields,
  };
}

export function sampleToken(user: string, hash: string): NewRecord<TokenRecord> {
  return {
    name: 'ci',
    user,
    hash,
    prefix: 'gh_abcd',
    permissions: undefined,
    virtualServers: undefined,
    teams: undefined,
    addresses: undefined,
    hours: undefined,
    expiresAt: undefined,
    lastUsedAt: undefined,
    revokedAt: undefined,
  };
}

/** A change whose object does not matter. Resolves with what `work` does. */
export async function changed<T>(
  store: Store,
  work: (tx: StoreWriter) => Promise<T>,
  action = 'test.change',
): Promise<T> {
  return store.change({ actor: TEST_ACTOR, action }, async (tx) => {
    const result = await work(tx);
    return { result, object: { kind: 'test', id: 'test', name: undefined }, before: undefined, after: { done: true } };
  });
}

export async function register(store: Store, name: string): Promise<GatewayRecord> {
  return store.change({ actor: TEST_ACTOR, action: 'gateway.create' }, async (tx) => {
    const result = await tx.insertGateway(sampleGateway(name));
    return { result, object: { kind: 'gateway', id: result.id, name }, before: undefined, after: { name } };
  });
}
