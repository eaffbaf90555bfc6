/** The part of the composition root that looks around for the metrics. */
import type { Front } from './proxy/front.ts';
import type { ReloadStatus } from './runtime/reload.ts';
import type {
  CertificateSample,
  MetricSources,
  ReloadSample,
  ServerSample,
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
}

export function metricSources({ front, webSockets, reloader, identities, workers }: LookedAt): MetricSources {
  return {
    requestsInFlight: front.exchanges.size + workers.requestsInFlight,
    sessions: front.sessions.size,
    webSockets: webSockets.size,
    servers: [...front.runtime().pools.values()].map(serverSample),
    reloads: reloadSample(reloader.status),
    certificates: certificateSamples(identities.inventory()),
    workers,
  };
}

function serverSample({ name, health: { state, since }, conversations }: UpstreamPool): ServerSample {
  return { name, state, up: state === 'healthy' || state === 'degraded', since, conversations };
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
