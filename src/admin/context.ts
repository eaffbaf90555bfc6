/** What the routes of the management API work on. */
import type { Logger } from 'pino';
import type { ReloadResult, ReloadStatus } from '../runtime/reload.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Store } from '../store/store.ts';

export interface ManagementContext {
  readonly store: Store;
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
}
