/** The half of the composition root that puts one Runtime in the place of another. */
import type { Config } from './config/config.ts';
import type { SessionStore } from './proxy/session-store.ts';
import { renewSessions, renewSubscriptions } from './proxy/sessions-after-reload.ts';
import type { OpenSubscriptions } from './proxy/open-subscriptions.ts';
import { buildRuntime, type BuildOptions, type BuiltRuntime, type OnItems } from './runtime/build.ts';
import type { Candidates } from './runtime/candidates.ts';
import type { CurrentRuntime } from './runtime/current.ts';
import { ReloadRefused, type ReloaderOptions } from './runtime/reload.ts';
import { bootServers, StartupFailure, startResiliently, startStrictly } from './runtime/start-servers.ts';
import type { Telemetry } from './telemetry/log.ts';
import type { Identities } from './tls/identities.ts';
import type { UpstreamPool } from './upstream/pool.ts';

export interface NextRuntimeOptions {
  readonly telemetry: Telemetry;
  readonly version: string;
  readonly identities: Identities;
  readonly authenticatorFor: BuildOptions['authenticatorFor'];
  readonly current: CurrentRuntime;
  /** The newest Runtime; kept up to date here. */
  readonly inUse: { runtime: BuiltRuntime };
  readonly sessions: SessionStore;
  readonly subscriptions: OpenSubscriptions;
  /** Servers that a registration has opened; undefined without a store. */
  readonly candidates: Candidates | undefined;
  readonly onItems: OnItems | undefined;
}

/** How a reload makes the next Runtime, starts what is new in it, and puts it in the place of the one before. */
export function createNextRuntime({
  telemetry,
  version,
  identities,
  authenticatorFor,
  current,
  inUse,
  sessions,
  subscriptions,
  candidates,
  onItems,
}: NextRuntimeOptions): ReloaderOptions['build'] {
  return async (config, changes, stopping) => {
    const previous = inUse.runtime;
    await using undo = new AsyncDisposableStack();
    const opened = candidates?.opened;
    const next = undo.use(
      await buildRuntime({
        config,
        telemetry,
        version,
        identities,
        authenticatorFor,
        previous,
        onItems,
        ...(opened && { opened }),
      }),
    );
    const onStop = (): void => void next[Symbol.asyncDispose]().catch(() => undefined);
    stopping.addEventListener('abort', onStop, { once: true });
    undo.defer(() => stopping.removeEventListener('abort', onStop));
    const isNew = new Set([...changes.added, ...changes.changed]);
    const fresh = bootServers(next, 'file').filter((name) => isNew.has(name));
    const registered = bootServers(next, 'store').filter(
      (name) => isNew.has(name) && next.pools.get(name)?.connectedAt === 0,
    );
    if (config.gateway.startup === 'strict') await startStrictly(next, fresh, { telemetry }).catch(refuseReload);
    else await startResiliently(next, fresh);
    stopping.removeEventListener('abort', onStop);
    undo.move();
    // What is registered was reached before, or is being tried: nobody waits for it here.
    void startResiliently(next, registered);
    return {
      discard: () => next[Symbol.asyncDispose](),
      swap() {
        inUse.runtime = next;
        void current.replace(next).then(() => renewSessions(sessions, current.runtime));
        for (const name of changes.changed) {
          const old = previous.pools.get(name);
          if (old !== undefined) next.pools.get(name)?.takeOver(old);
        }
        renewSessions(sessions, next);
        // What was opened before it had a place in the configuration has listed its items too early.
        if (onItems !== undefined) for (const name of isNew) refreshOpen(next.pools.get(name));
        renewSubscriptions(subscriptions, next);
      },
    };
  };
}

function refreshOpen(pool: UpstreamPool | undefined): void {
  if (pool !== undefined && pool.connectedAt !== 0) pool.refresh().catch(() => undefined);
}

function refuseReload(error: unknown): never {
  if (!(error instanceof StartupFailure)) throw error;
  throw new ReloadRefused(
    error.servers.map(({ name, imageOrUrl, detail }) => `server "${name}" (${imageOrUrl}) did not start: ${detail}`),
  );
}

/** The socket is bound once: another address needs another start. */
export function restartNeeded({ gateway: current }: Config, { gateway: next }: Config): readonly string[] {
  return (['host', 'port', 'dataDir'] as const).flatMap((field) =>
    current[field] === next[field]
      ? []
      : [
          `gateway.${field} cannot change while the gateway runs (${current[field]} → ${next[field]}): restart it, or take the change back`,
        ],
  );
}
