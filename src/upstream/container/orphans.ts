/** Finds and removes what dead gateways have left on the engine, and nothing else. */
import type { Engine } from './engine-command.ts';
import { listOwned, removeContainers, removeNetwork, removeStopped, type Owned } from './engine.ts';
import { ownerState, type OwnerState } from './gateway-instance.ts';

export interface Orphans {
  /** What was removed. */
  readonly removed: readonly Owned[];
  /** What belongs to a dead gateway but could not be removed. */
  readonly remaining: readonly Owned[];
  /** What belongs to a gateway that cannot be judged from here; it was left alone. */
  readonly undecided: readonly Owned[];
}

/** Rejects with a GatewayError when the engine cannot be asked. Whatever belongs to a living gateway is never touched. */
export async function removeOrphans(engine: Engine): Promise<Orphans> {
  const all = await listOwned(engine);
  const states = new Map(all.map((one) => [one.process, ownerState(one.process)]));
  const of = (state: OwnerState): readonly Owned[] => all.filter((one) => states.get(one.process) === state);
  const dead = of('dead');
  const rebooted = of('rebooted');
  const orphans = [...dead, ...rebooted];
  const undecided = of('unknown');
  if (orphans.length === 0) return { removed: [], remaining: [], undecided };
  // What cannot be removed shows in the second look.
  await removeContainers(engine, idsOf(dead, 'container')).catch(() => undefined);
  // No container outlives a boot: one that runs belongs to another machine that passes for this one.
  await removeStopped(engine, idsOf(rebooted, 'container'));
  await Promise.all(idsOf(orphans, 'network').map((name) => removeNetwork(engine, name)));
  const present = new Set((await listOwned(engine)).map(({ id }) => id));
  return {
    removed: orphans.filter(({ id }) => !present.has(id)),
    remaining: orphans.filter(({ id }) => present.has(id)),
    undecided,
  };
}

/** Kills and removes everything of one instance: the end of a gateway, or what its sudden end must not leave behind. */
export async function removeInstance(engine: Engine, instanceId: string): Promise<readonly Owned[]> {
  const owned = await listOwned(engine, instanceId);
  await removeContainers(engine, idsOf(owned, 'container'));
  await Promise.all(idsOf(owned, 'network').map((name) => removeNetwork(engine, name)));
  return owned;
}

function idsOf(owned: readonly Owned[], kind: Owned['kind']): string[] {
  return owned.filter((candidate) => candidate.kind === kind).map(({ id }) => id);
}
