/** Goes over to another key: every secret is sealed again, and no gateway that runs meanwhile has to stop. */
import { keyFileIn, openStore, type StoreLocation } from '../open-store.ts';
import type { ChangeIntent } from '../store.ts';
import { keysOfFile, writeKeyFile } from './key-file.ts';
import { newKeyText, parseKeyRing } from './key-ring.ts';

export type RekeyResult =
  | { readonly done: true; readonly from: string; readonly to: string; readonly gateways: number }
  /** The keys are given, and no new one stands before the one in use. */
  | { readonly done: false; readonly inUse: string };

/**
 * The embedded store makes the new key itself. Everywhere else the new key stands in front of the old one, where every
 * gateway of the store can read both, before this is called.
 */
export async function rekey(location: StoreLocation, intent: ChangeIntent): Promise<RekeyResult> {
  await using store = await openStore(location, { mustExist: true });
  const from = await store.keyInUse();
  const file = 'dataDir' in location && location.key === undefined ? keyFileIn(location.dataDir) : undefined;
  if (file !== undefined) await addKey(file, from);
  else if (store.targetKey === from) return { done: false, inUse: from };
  const { keyId: to, gateways } = await store.rekey(intent);
  if (file !== undefined) await keepFirst(file);
  return { done: true, from, to, gateways };
}

/** Before anything is sealed with it, the new key is on the disk. One that a rekey has left there which was cut off is used. */
async function addKey(file: string, inUse: string): Promise<void> {
  const text = await keysOfFile(file)();
  if (parseKeyRing(text, file)[0].id === inUse) await writeKeyFile(file, `${newKeyText()}\n${text}`);
}

async function keepFirst(file: string): Promise<void> {
  const [first] = parseKeyRing(await keysOfFile(file)(), file);
  await writeKeyFile(file, `${first.bytes.toString('base64')}\n`);
}
