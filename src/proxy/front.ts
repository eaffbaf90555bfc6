/** What all requests of a gateway share. */
import type { Logger } from 'pino';
import type { Hold } from '../runtime/current.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { AccessEntry } from '../telemetry/access-log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { BodyBudget } from './body-budget.ts';
import type { ModernBridge } from './bridge/modern-to-legacy.ts';
import type { RecordDenial } from './denial.ts';
import type { Heartbeat } from './downstream/heartbeat.ts';
import type { SseLinks } from './downstream/sse-link.ts';
import type { Exchange } from './exchange.ts';
import type { SessionStore } from './session-store.ts';
import type { OpenSubscriptions } from './open-subscriptions.ts';
import type { RecordStranger } from './strangers.ts';
import type { TurnoverSet } from '../shared/turnover.ts';

export interface Front {
  /** The current Runtime, for a look at it. */
  readonly runtime: () => Runtime;
  /** The current Runtime for as long as a request needs it; each request asks once. Or once more one that is held. */
  readonly hold: (held?: Runtime) => Hold;
  readonly sessions: SessionStore;
  readonly heartbeat: Heartbeat;
  readonly log: Logger;
  /** Writes the line of a message into the access log. */
  readonly recordAccess: (entry: AccessEntry) => void;
  readonly metrics: Metrics;
  /** Version of the gateway, for clients. */
  readonly version: string;
  /** Requests that are being worked on. */
  readonly exchanges: TurnoverSet<Exchange>;
  /** What the bridge from modern clients to legacy servers remembers. */
  readonly bridge: ModernBridge;
  readonly subscriptions: OpenSubscriptions;
  /** Streams of clients that speak HTTP+SSE (2024-11-05). */
  readonly links: SseLinks;
  /** Writes a refusal into the audit log; resolves when it is there, or when that is impossible. Never rejects. */
  readonly recordDenial: RecordDenial;
  /** The same for somebody of whom nobody knows who he is. */
  readonly recordStranger: RecordStranger;
  /** True in a worker: what is more than a call of a modern server, and whatever fails before it, is left to the owner. */
  readonly leaves?: boolean;
  /** What large request bodies hold. */
  readonly bodies: BodyBudget;
  /** True once new requests are refused. */
  readonly draining: () => boolean;
}
