/** The part of the composition root that is only there with a store: what is registered takes part in the configuration. */
import type { Config } from './config/config.ts';
import type { OnItems } from './runtime/build.ts';
import { StoredConfig } from './runtime/stored-config.ts';
import type { Store } from './store/store.ts';
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

/** Keeps what servers list in the store, so that each item has an id that stays. `isServed`: the server has its place in the configuration. */
export function itemKeeper(store: Store, log: Telemetry['log'], isServed: (server: string) => boolean): OnItems {
  return (server, items) => {
    if (!isServed(server)) return;
    store
      .syncItems(server, items)
      .catch((error: unknown) => log.warn({ err: error, server }, 'what the server lists could not be kept'));
  };
}
