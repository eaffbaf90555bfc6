/** Reads again what a server lists, and says what has changed since it was read last. */
import { discover } from '../../runtime/discovery.ts';
import type { ItemKind } from '../../config/registration.ts';
import { unlessAborted } from '../../shared/async.ts';
import type { SeenItem, Store } from '../../store/store.ts';
import type { UpstreamPool } from '../../upstream/pool.ts';
import type { RefreshBody } from '../contract/gateways.ts';

/** Rejects with a GatewayError when the server cannot be asked; what was known stays then. */
export async function refresh(pool: UpstreamPool, store: Store, signal: AbortSignal): Promise<RefreshBody> {
  const startedAt = performance.now();
  const before = (await store.items({ server: pool.name })).filter(({ present }) => present);
  signal.throwIfAborted();
  const upstream = await unlessAborted(pool.shared(), signal);
  await unlessAborted((pool as never as { refresh?(): Promise<void> }).refresh?.() ?? Promise.resolve(), signal);
  const items = await unlessAborted(discover(upstream), signal);
  await store.syncItems(pool.name, items);
  const changesOf = (kind: ItemKind): RefreshBody['tools'] => changes(ofKind(before, kind), ofKind(items, kind));
  return {
    tools: changesOf('tool'),
    resources: changesOf('resource'),
    resourceTemplates: changesOf('resource-template'),
    prompts: changesOf('prompt'),
    durationMs: Math.round((performance.now() - startedAt) * 10) / 10,
  };
}

function ofKind(items: readonly SeenItem[], kind: ItemKind): ReadonlyMap<string, string> {
  return new Map(items.filter((item) => item.kind === kind).map(({ key, text }) => [key, text]));
}

function changes(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): RefreshBody['tools'] {
  const kept = [...now].filter(([key]) => before.has(key));
  return {
    added: now.size - kept.length,
    updated: kept.filter(([key, text]) => before.get(key) !== text).length,
    removed: [...before.keys()].filter((key) => !now.has(key)).length,
  };
}
