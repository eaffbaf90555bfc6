/** The half of the composition root that puts one Runtime in the place of another. */
import type { Config } from './config/config.ts';
import type { SessionStore } from './proxy/session-store.ts';
import { announceServers, endLostSessions } from './proxy/sessions-after-reload.ts';
import { buildRuntime, type BuildOptions, type BuiltRuntime } from './runtime/build.ts';
import type { CurrentRuntime } from './runtime/current.ts';
import { ReloadRefused, type ReloaderOptions } from './runtime/reload.ts';
import { bootServers, StartupFailure, startResiliently, startStrictly } from './runtime/start-servers.ts';
import type { Telemetry } from './telemetry/log.ts';
import type { Identities } from './tls/identities.ts';

export interface NextRuntimeOptions {
  readonly telemetry: Telemetry;
  readonly version: string;
  readonly identities: Identities;
  readonly authenticatorFor: BuildOptions['authenticatorFor'];
  readonly current: CurrentRuntime;
  /** The Runtime that the gateway started with. */
  readonly first: BuiltRuntime;
  readonly sessions: SessionStore;
}

/** How a reload makes the next Runtime, starts what is new in it, and puts it in the place of the one before. */
export function createNextRuntime({
  telemetry,
  version,
  identities,
  authenticatorFor,
  current,
  first,
  sessions,
}: NextRuntimeOptions): ReloaderOptions['build'] {
  let inUse = first;
  return async (config, changes, stopping) => {
    const previous = inUse;
    await using undo = new AsyncDisposableStack();
    const next = undo.use(await buildRuntime({ config, telemetry, version, identities, authenticatorFor, previous }));
    const onStop = (): void => void next[Symbol.asyncDispose]().catch(() => undefined);
    stopping.addEventListener('abort', onStop, { once: true });
    undo.defer(() => stopping.removeEventListener('abort', onStop));
    const isNew = new Set([...changes.added, ...changes.changed]);
    const fresh = bootServers(next).filter((name) => isNew.has(name));
    if (config.gateway.startup === 'strict') await startStrictly(next, fresh, { telemetry }).catch(refuseReload);
    else await startResiliently(next, fresh);
    stopping.removeEventListener('abort', onStop);
    undo.move();
    return {
      discard: () => next[Symbol.asyncDispose](),
      swap() {
        inUse = next;
        void current.replace(next).then(() => endLostSessions(sessions, current.runtime));
        for (const name of changes.changed) {
          const old = previous.pools.get(name);
          if (old !== undefined) next.pools.get(name)?.takeOver(old);
        }
        endLostSessions(sessions, next);
        if (changes.added.length + changes.removed.length > 0) announceServers(sessions);
      },
    };
  };
}

function refuseReload(error: unknown): never {
  if (!(error instanceof StartupFailure)) throw error;
  throw new ReloadRefused(
    error.servers.map(({ name, imageOrUrl, detail }) => `server "${name}" (${imageOrUrl}) did not start: ${detail}`),
  );
}

/** The socket is bound once: another address needs another start. */
export function restartNeeded({ gateway: current }: Config, { gateway: next }: Config): readonly string[] {
  return (['host', 'port'] as const).flatMap((field) =>
    current[field] === next[field]
      ? []
      : [
          `gateway.${field} cannot change while the gateway runs (${current[field]} → ${next[field]}): restart it, or take the change back`,
        ],
  );
}
