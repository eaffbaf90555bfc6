/** What the gateway counts and measures, as text for Prometheus. */
import { ERRORS, type ErrorCode } from '../shared/errors.ts';
import { family, histogram, type Sample } from './exposition.ts';
import { together, type MetricCounts } from './metric-counts.ts';
import { processFamilies, ProcessSamples } from './process-samples.ts';
import { DURATION_BUCKETS, RequestSeries, type Series } from './request-series.ts';

/** What is looked at only when somebody asks. */
export interface MetricSources {
  readonly requestsInFlight: number;
  readonly sessions: number;
  readonly webSockets: number;
  readonly servers: readonly ServerSample[];
  readonly reloads: ReloadSample;
  readonly certificates: readonly CertificateSample[];
  readonly workers: WorkersSample;
  /** undefined = there is none. */
  readonly store: StoreSample | undefined;
}

export interface StoreSample {
  readonly engine: string;
  readonly up: boolean;
  readonly writable: boolean;
  /** In ms since the epoch. */
  readonly lastAnswer: number;
  /** By code. */
  readonly errors: ReadonlyMap<string, number>;
  /** Bytes by part. */
  readonly sizes: ReadonlyMap<string, number>;
  /** By state. */
  readonly connections: ReadonlyMap<string, number>;
  /** Upper ends and sum in ms. */
  readonly changes: { readonly bounds: readonly number[]; readonly buckets: readonly number[]; readonly sum: number };
  readonly changesWaiting: number;
  readonly auditLines: number;
  readonly denialsWaiting: number;
  readonly denialsLost: number;
}

/** The processes beside this one that serve the same port. */
export interface WorkersSample {
  readonly serving: number;
  /** Of them that were not told to end. */
  readonly exits: number;
  /** What they have counted, also those that are gone. */
  readonly counts: readonly MetricCounts[];
}

export interface ServerSample {
  readonly name: string;
  readonly state: string;
  /** It can take requests. */
  readonly up: boolean;
  /** When the state began, in ms since the epoch. */
  readonly since: number;
  readonly conversations: number;
}

export interface ReloadSample {
  readonly succeeded: number;
  readonly failed: number;
  /** Those that failed because of certificates, keys or revocation lists. */
  readonly tlsFailures: number;
  /** In ms since the epoch. */
  readonly lastSuccess: number | undefined;
}

export interface CertificateSample {
  readonly subject: string;
  /** Empty for revocation lists. */
  readonly fingerprint: string;
  readonly role: string;
  readonly user: string;
  readonly notAfter: Date;
}

/** Where requests are counted. One for each gateway: two in one process do not share a number. */
export class Metrics implements Disposable {
  readonly #version: string;
  readonly #requests = new RequestSeries();
  readonly #process = new ProcessSamples();
  readonly #refused = new Map<ErrorCode, number>();
  readonly #denied = new Map<ErrorCode, number>();

  constructor(version: string) {
    this.#version = version;
  }

  /** One message of a client, when it is answered. `server` and `method` are undefined where there was none. */
  request(route: string, server: string | undefined, method: string | undefined, outcome: string, ms: number): void {
    this.#requests.add(route, server ?? '', method, outcome, ms);
    if (isErrorCode(outcome)) this.#countDenial(outcome);
  }

  /** A request or WebSocket that was refused before any message was read. */
  refusal(code: ErrorCode): void {
    increase(this.#refused, code);
    this.#countDenial(code);
  }

  /** Everything that was counted here. Series of servers that are not among `servers` are forgotten. */
  counts(servers: ReadonlySet<string>): MetricCounts {
    return {
      requests: this.#requests.take(servers),
      refused: this.#refused,
      denied: this.#denied,
      process: this.#process.take(),
    };
  }

  /** The text format of Prometheus: this process and its workers as one, without the series of servers of which whoever asks may not know. */
  text(all: MetricSources, isVisible: (server: string) => boolean): string {
    const servers = new Set(all.servers.map(({ name }) => name));
    const { workers } = all;
    const counted = together([this.counts(servers), ...workers.counts]);
    const requests = counted.requests.filter(
      ({ server }) => server === '' || (servers.has(server) && isVisible(server)),
    );
    const sources = {
      ...all,
      servers: all.servers.filter(({ name }) => isVisible(name)),
      certificates: all.certificates.filter(({ user }) => isVisibleUser(user, isVisible)),
    };
    return [
      family('gatehouse_build_info', [{ labels: [this.#version], value: 1 }]),
      ...requestFamilies(requests),
      family('gatehouse_requests_in_flight', [plain(sources.requestsInFlight)]),
      family('gatehouse_refused_total', samplesOf(counted.refused)),
      family('gatehouse_denied_total', samplesOf(counted.denied)),
      family('gatehouse_sessions', [plain(sources.sessions)]),
      family('gatehouse_websockets', [plain(sources.webSockets)]),
      ...serverFamilies(sources.servers),
      ...reloadFamilies(sources.reloads),
      family(
        'gatehouse_certificate_expiry_timestamp_seconds',
        sources.certificates.map(({ subject, fingerprint, role, user, notAfter }) => ({
          labels: [subject, fingerprint, role, user],
          value: notAfter.getTime() / 1000,
        })),
      ),
      family('gatehouse_workers', [plain(workers.serving)]),
      family('gatehouse_worker_exits_total', [plain(workers.exits)]),
      ...processFamilies(counted.process),
      ...(sources.store === undefined ? [] : storeFamilies(sources.store)),
    ].join('');
  }

  [Symbol.dispose](): void {
    this.#process[Symbol.dispose]();
  }

  #countDenial(code: ErrorCode): void {
    const { status } = ERRORS[code];
    if (status === 401 || status === 403) increase(this.#denied, code);
  }
}

function requestFamilies(series: readonly Series[]): readonly string[] {
  return [
    family(
      'gatehouse_requests_total',
      series.flatMap(({ route, server, method, outcomes }) =>
        [...outcomes].map(([outcome, value]) => ({ labels: [route, server, method, outcome], value })),
      ),
    ),
    histogram(
      'gatehouse_request_duration_seconds',
      DURATION_BUCKETS,
      series.map(({ route, server, method, buckets, sum }) => ({ labels: [route, server, method], buckets, sum })),
    ),
  ];
}

function serverFamilies(servers: readonly ServerSample[]): readonly string[] {
  const states = new Map<string, number>();
  for (const { state } of servers) increase(states, state);
  return [
    family('gatehouse_servers', samplesOf(states)),
    family(
      'gatehouse_server_up',
      servers.map(({ name, up }) => ({ labels: [name], value: up ? 1 : 0 })),
    ),
    family(
      'gatehouse_server_state',
      servers.map(({ name, state }) => ({ labels: [name, state], value: 1 })),
    ),
    family(
      'gatehouse_server_state_since_timestamp_seconds',
      servers.map(({ name, since }) => ({ labels: [name], value: since / 1000 })),
    ),
    family(
      'gatehouse_server_conversations',
      servers.map(({ name, conversations }) => ({ labels: [name], value: conversations })),
    ),
  ];
}

function reloadFamilies({ succeeded, failed, tlsFailures, lastSuccess }: ReloadSample): readonly string[] {
  return [
    family('gatehouse_reloads_total', [
      { labels: ['succeeded'], value: succeeded },
      { labels: ['failed'], value: failed },
    ]),
    family('gatehouse_reload_last_success_timestamp_seconds', [plain((lastSuccess ?? 0) / 1000)]),
    family('gatehouse_tls_reload_failures_total', [plain(tlsFailures)]),
  ];
}

function storeFamilies(store: StoreSample): readonly string[] {
  const { engine, changes } = store;
  const of = (value: number): readonly Sample[] => [{ labels: [engine], value }];
  const bounds = changes.bounds.map((ms) => ms / 1000);
  return [
    family('gatehouse_store_up', of(store.up ? 1 : 0)),
    family('gatehouse_store_writable', of(store.writable ? 1 : 0)),
    family('gatehouse_store_last_answer_timestamp_seconds', of(store.lastAnswer / 1000)),
    family('gatehouse_store_errors_total', samplesOf(store.errors)),
    family('gatehouse_store_size_bytes', samplesOf(store.sizes)),
    family('gatehouse_store_connections', samplesOf(store.connections)),
    histogram('gatehouse_store_change_duration_seconds', bounds, [
      { labels: [], buckets: changes.buckets, sum: changes.sum / 1000 },
    ]),
    family('gatehouse_store_changes_waiting', [plain(store.changesWaiting)]),
    family('gatehouse_audit_lines', [plain(store.auditLines)]),
    family('gatehouse_audit_denials_waiting', [plain(store.denialsWaiting)]),
    family('gatehouse_audit_denials_lost_total', [plain(store.denialsLost)]),
  ];
}

/** `server:NAME`, or somebody else. */
function isVisibleUser(user: string, isVisible: (server: string) => boolean): boolean {
  return !user.startsWith('server:') || isVisible(user.slice('server:'.length));
}

function isErrorCode(outcome: string): outcome is ErrorCode {
  return Object.hasOwn(ERRORS, outcome);
}

function plain(value: number): Sample {
  return { labels: [], value };
}

function samplesOf(counts: ReadonlyMap<string, number>): readonly Sample[] {
  return [...counts].map(([label, value]) => ({ labels: [label], value }));
}

function increase<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
