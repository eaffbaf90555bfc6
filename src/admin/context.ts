/** What the routes of the management API work on. */
import type { Logger } from 'pino';
import type { Principal } from '../auth/authenticator.ts';
import type { ReloadResult, ReloadStatus } from '../runtime/reload.ts';
import type { ErrorCode } from '../shared/errors.ts';
import type { Candidates } from '../runtime/candidates.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { StoredConfig } from '../runtime/stored-config.ts';
import type { Store } from '../store/store.ts';
import type { Inventory } from '../tls/inventory.ts';
import type { EventBus } from './events/event-bus.ts';

export interface ManagementContext {
  readonly store: Store;
  /** What of the store takes part in the configuration, and how. */
  readonly stored: StoredConfig;
  /** Servers that are opened before they are registered. */
  readonly candidates: Candidates;
  /** The current Runtime, for a look at it. */
  readonly runtime: () => Runtime;
  /** Puts to use what the store holds. Resolves when everything that was changed before the call is in use; never rejects. */
  readonly apply: () => Promise<ReloadResult>;
  /** Reads configuration and certificates again; never rejects. */
  readonly reload: () => Promise<ReloadResult>;
  readonly reloads: () => ReloadStatus;
  readonly phase: () => 'starting' | 'ready' | 'draining';
  /** Version of the gateway. */
  readonly version: string;
  readonly log: Logger;
  readonly events: EventBus;
  /** Somebody who called before, with the rights of now; undefined when he may not call any more. */
  readonly currentPrincipal: (before: Principal) => Principal | undefined;
  /** What clients have open at present. */
  readonly load: () => Promise<{ readonly sessions: number; readonly requestsInFlight: number }>;
  /** For Prometheus. */
  readonly metrics: (isVisible: (server: string) => boolean) => Promise<string>;
  /** Counts a request that came to nothing. */
  readonly refused: (code: ErrorCode) => void;
  readonly certificates: (isVisible: (server: string) => boolean) => Inventory;
  /** Throws an Error for a level that does not exist. */
  readonly setLogLevel: (level: string, server: string | undefined) => void;
}
