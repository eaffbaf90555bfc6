/** The part of the composition root that looks around for the metrics. */
import type { Front } from './proxy/front.ts';
import type { ReloadStatus } from './runtime/reload.ts';
import type { Store } from './store/store.ts';
import type {
  CertificateSample,
  MetricSources,
  ReloadSample,
  ServerSample,
  StoreSample,
  WorkersSample,
} from './telemetry/metrics.ts';
import type { Inventory } from './tls/inventory.ts';
import type { UpstreamPool } from './upstream/pool.ts';

export interface LookedAt {
  readonly front: Front;
  readonly webSockets: { readonly size: number };
  readonly reloader: { readonly status: ReloadStatus };
  readonly identities: { inventory(): Inventory };
  readonly workers: WorkersSample & { readonly requestsInFlight: number };
  readonly store: Store | undefined;
}

export function metricSources({ front, webSockets, reloader, identities, workers, store }: LookedAt): MetricSources {
  return {
    requestsInFlight: front.exchanges.size + workers.requestsInFlight,
    sessions: front.sessions.size,
    webSockets: webSockets.size,
    servers: [...front.runtime().pools.values()].map(serverSample),
    reloads: reloadSample(reloader.status),
    certificates: certificateSamples(identities.inventory()),
    workers,
    store: store && storeSample(store),
  };
}

function serverSample({ name, health: { state, since }, conversations }: UpstreamPool): ServerSample {
  return { name, state, up: state === 'healthy' || state === 'degraded', since, conversations };
}

function storeSample(store: Store): StoreSample {
  const { engine, reachable, writable, lastAnswer } = store.status();
  const { errors, size, connections, ...counted } = store.measures();
  return {
    engine,
    up: reachable,
    writable,
    lastAnswer,
    errors,
    sizes: numbersIn(size),
    connections: numbersIn(connections),
    ...counted,
  };
}

/** The fields that have a value, by their names. */
function numbersIn(fields: object | undefined): ReadonlyMap<string, number> {
  const given = Object.entries(fields ?? {}).filter(([, value]) => value !== undefined);
  return new Map(given.map(([name, value]) => [name, Number(value)]));
}

function reloadSample({ succeeded, failed, refusedBy, lastSuccess }: ReloadStatus): ReloadSample {
  return {
    succeeded,
    failed,
    tlsFailures: refusedBy['certificates'] ?? 0,
    lastSuccess: lastSuccess === undefined ? undefined : Date.parse(lastSuccess),
  };
}

/** The same certificate may stand in several files: each series is there once. */
function certificateSamples({ certificates }: Inventory): readonly CertificateSample[] {
  const samples = new Map<string, CertificateSample>();
  for (const { role, subject, fingerprint = '', notAfter, usedByListener, usedByServers } of certificates) {
    if (notAfter === undefined) continue;
    for (const user of [...(usedByListener ? ['listener'] : []), ...usedByServers.map((name) => `server:${name}`)]) {
      const key = JSON.stringify([subject, fingerprint, role, user]);
      // What ends first stands first.
      if (!samples.has(key)) samples.set(key, { subject, fingerprint, role, user, notAfter: new Date(notAfter) });
    }
  }
  return [...samples.values()];
}
