/** The part of the composition root that puts the management API together, or what stands there without a store. */
import { StoreEvents } from './admin/events/store-events.ts';
import { createManagementOff } from './admin/management-off.ts';
import { ManagementApi } from './admin/management-api.ts';
import type { ManagementContext } from './admin/context.ts';
import { ROUTES } from './admin/routes/table.ts';
import type { ManagementEndpoint } from './proxy/management.ts';
import type { Reloader, ReloadResult } from './runtime/reload.ts';
import type { Store } from './store/store.ts';

export interface ManagementOptions extends Omit<
  ManagementContext,
  'store' | 'stored' | 'candidates' | 'apply' | 'reload' | 'reloads'
> {
  readonly reloader: Reloader;
}

/** What is managed. */
export type Managed = Pick<ManagementContext, 'store' | 'stored' | 'candidates'>;

/** To be disposed before the store. `managed` is undefined where nothing is. */
export function openManagement(
  managed: Managed | undefined,
  { reloader, ...context }: ManagementOptions,
): ManagementEndpoint & AsyncDisposable {
  if (managed === undefined) return { ...createManagementOff(ROUTES), [Symbol.asyncDispose]: async () => undefined };
  const { store } = managed;
  const changes = new StoreChanges(store, reloader);
  const told = new StoreEvents({ store, runtime: context.runtime, bus: context.events, log: context.log });
  const api = new ManagementApi(ROUTES, {
    ...context,
    ...managed,
    apply: () => changes.inUse(),
    reload: () => reloader.request('POST /reload'),
    reloads: () => reloader.status,
  });
  return {
    owns: api.owns,
    handle: (call) => api.handle(call),
    refuse: (response, failure, requestId) => api.refuse(response, failure, requestId),
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      await told[Symbol.asyncDispose]();
      changes[Symbol.dispose]();
    },
  };
}

/** Puts to use what changes in the store, whoever has changed it. */
class StoreChanges implements Disposable {
  readonly #store: Store;
  readonly #reloader: Reloader;
  readonly #stop: () => void;
  #latest: { readonly revision: number; readonly result: Promise<ReloadResult> } | undefined;

  constructor(store: Store, reloader: Reloader) {
    this.#store = store;
    this.#reloader = reloader;
    this.#stop = store.onChange((revision) => {
      this.#latest = { revision, result: reloader.request('store') };
    });
    // What others have changed between the first reading of the store and now was told to nobody.
    void reloader.request('store');
  }

  /** Resolves when everything that was changed before is in use; one reload is enough for all who wait for it. */
  async inUse(): Promise<ReloadResult> {
    const revision = await this.#store.revision();
    const latest = this.#latest;
    return latest !== undefined && latest.revision >= revision ? latest.result : this.#reloader.request('store');
  }

  [Symbol.dispose](): void {
    this.#stop();
  }
}
