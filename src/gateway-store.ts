/** The part of the composition root that is only there with a store: what is registered takes part in the configuration. */
import type { Config } from './config/config.ts';
import type { OnItems } from './runtime/build.ts';
import { StoredConfig } from './runtime/stored-config.ts';
import { AuditRetention } from './store/audit/audit-retention.ts';
import type { Actor, Store } from './store/store.ts';
import type { StoreStatus } from './store/store-status.ts';
import { configSecrets } from './telemetry/config-secrets.ts';
import type { Telemetry } from './telemetry/log.ts';

export interface OpenedStore {
  readonly store: Store;
  readonly stored: StoredConfig;
  /** What the gateway starts with: the file and everything that is registered. */
  readonly config: Config;
}

/** Rejects when the store cannot be read. What is in it and does not hold is left out, and said in the log. */
export async function readStore(store: Store, file: Config, telemetry: Telemetry): Promise<OpenedStore> {
  const stored = new StoredConfig(store, process.env, (server) =>
    telemetry.addSecrets(configSecrets({ ...file, servers: [server] })),
  );
  const combined = await stored.combine(file);
  stored.use(combined);
  const { servers } = combined.config;
  telemetry.log.info({ registered: servers.length - file.servers.length }, 'read the store');
  for (const [id, { why, reason }] of combined.leftOut)
    telemetry.log.warn({ id, why, reason }, 'a registered server is left out');
  return { store, stored, config: combined.config };
}

/**
 * Keeps what servers list in the store, so that each item has an id that stays; a registered server that was waited for
 * is there then. `isServed`: the server has its place in the configuration.
 */
export function itemKeeper(
  { store, stored }: OpenedStore,
  log: Telemetry['log'],
  isServed: (server: string) => boolean,
): OnItems {
  const keep = async (server: string, items: Parameters<OnItems>[1]): Promise<void> => {
    await store.syncItems(server, items);
    if (stored.isPending(server)) await activate(store, server);
  };
  return (server, items) => {
    if (!isServed(server)) return;
    keep(server, items).catch((error: unknown) =>
      log.warn({ err: error, server }, 'what the server lists could not be kept'),
    );
  };
}

/** What has to be seen to while the gateway runs; to be disposed before the store. */
export function tendStore(store: Store, log: Telemetry['log'], gateway: () => Config['gateway']): AsyncDisposable {
  const retention = new AuditRetention({
    store,
    log,
    limits() {
      const { auditKeepDays: keepDays, auditKeepLines: keepLines } = gateway();
      return { keepDays, keepLines };
    },
  });
  // Changes and refusals fail meanwhile, which whoever reads the log must not have to find out by them.
  const stop = store.onStatus(({ reachable, writable }, failure) => {
    const reason = failure?.message;
    if (!reachable) log.error({ reason }, 'the store does not answer; what is configured is served on');
    else if (!writable) log.error({ reason }, 'the store takes no changes; what is configured is served on');
    else log.info('the store answers and takes changes again');
  });
  return {
    async [Symbol.asyncDispose]() {
      stop();
      await retention[Symbol.asyncDispose]();
    },
  };
}

/** How the store is, for `/status`. */
export function storeDocument({ lastError, since, lastAnswer, ...status }: StoreStatus): object {
  const time = (ms: number): string => new Date(ms).toISOString();
  return {
    ...status,
    since: time(since),
    lastAnswer: time(lastAnswer),
    ...(lastError === undefined ? {} : { lastError: { ...lastError, at: time(lastError.at) } }),
  };
}

const GATEWAY: Actor = { subject: 'gateway', user: undefined, requestId: undefined, address: undefined };

async function activate(store: Store, server: string): Promise<void> {
  const record = await store.gatewayByName(server);
  if (record?.state !== 'pending' || record.leaseUntil !== undefined) return;
  const { id, name, version, state } = record;
  await store.change({ actor: GATEWAY, action: 'gateway.activate' }, async (tx) => {
    const active = await tx.updateGateway(id, version, { state: 'active' });
    const object = { kind: 'gateway', id, name };
    return { result: undefined, object, before: { state }, after: { state: active.state } };
  });
}
