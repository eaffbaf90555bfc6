/** Goes over to another key: every secret is sealed again, and no gateway that runs meanwhile has to stop. */
import { keyFileIn, openStore, type StoreLocation } from '../open-store.ts';
import type { Rekeyed, RekeySteps } from '../sql-store.ts';
import type { ChangeIntent } from '../store.ts';
import { keysOfFile, writeKeyFile } from './key-file.ts';
import { newKeyText, parseKeyRing } from './key-ring.ts';

export type RekeyResult =
  | ({ readonly done: true } & Rekeyed)
  /** The keys are given, and no new one stands before the one in use. */
  | { readonly done: false; readonly inUse: string };

/** Somebody else looks after the keys. */
const GIVEN: RekeySteps = { begin: async () => undefined, end: async () => undefined };

/**
 * The embedded store makes the new key itself. Everywhere else the new key stands in front of the old one, where every
 * gateway of the store can read both, before this is called.
 */
export async function rekey(location: StoreLocation, intent: ChangeIntent): Promise<RekeyResult> {
  await using store = await openStore(location, { mustExist: true });
  if ('dataDir' in location && location.key === undefined)
    return { done: true, ...(await store.rekey(intent, stepsIn(keyFileIn(location.dataDir)))) };
  const inUse = await store.keyInUse();
  if (store.targetKey === inUse) return { done: false, inUse };
  return { done: true, ...(await store.rekey(intent, GIVEN)) };
}

function stepsIn(file: string): RekeySteps {
  return {
    // Before anything is sealed with it, the new key is on the disk. One that an earlier call, cut off, has left is used.
    async begin(inUse) {
      const text = await keysOfFile(file)();
      if (parseKeyRing(text, file)[0].id === inUse) await writeKeyFile(file, `${newKeyText()}\n${text}`);
    },
    async end(inUse) {
      const [first] = parseKeyRing(await keysOfFile(file)(), file);
      // Otherwise another call has begun meanwhile, and needs the others.
      if (first.id === inUse) await writeKeyFile(file, `${first.bytes.toString('base64')}\n`);
    },
  };
}
