/** The file that holds the key ring, readable by its owner only. */
import { randomUUID } from 'node:crypto';
import { chown, link, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StoreError } from '../store.ts';
import { type KeySource, newKeyText } from './key-ring.ts';

export function keysOfFile(path: string): KeySource {
  return async () => {
    try {
      const { mode } = await stat(path);
      if ((mode & 0o077) !== 0)
        throw new StoreError(
          'unavailable',
          `${path}: others than its owner may read this key (mode ${(mode & 0o777).toString(8)}). Run 'chmod 600 ${path}', and think of a new key: gatehouse secrets rekey.`,
        );
      return await readFile(path, 'utf8');
    } catch (error) {
      if (error instanceof StoreError) throw error;
      throw new StoreError('unavailable', `${path}: the key of the store cannot be read (${codeOf(error)}).`, {
        cause: error,
      });
    }
  };
}

/** Makes the file with a new key unless there is one; of several processes that do so at once, one is first. */
export async function ensureKeyFile(path: string): Promise<void> {
  const there = await stat(path).then(
    () => true,
    () => false,
  );
  if (there) return;
  await placed(path, `${newKeyText()}\n`, async (beside) => {
    await link(beside, path).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
    await rm(beside, { force: true });
  });
}

/** Puts the whole text in the place of what is there, durably: never is there half of it. It stays its owner's. */
export async function writeKeyFile(path: string, text: string): Promise<void> {
  await placed(path, text, async (beside) => {
    const { uid, gid } = await stat(path);
    // The gateway is often another account than the operator who changes its key.
    if (process.getuid?.() === 0) await chown(beside, uid, gid);
    await rename(beside, path);
  });
}

async function placed(path: string, text: string, move: (beside: string) => Promise<void>): Promise<void> {
  const beside = `${path}.${randomUUID()}`;
  try {
    const file = await open(beside, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await move(beside);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(beside, { force: true });
    throw new StoreError('unavailable', `${path}: the key of the store cannot be written (${codeOf(error)}).`, {
      cause: error,
    });
  }
}

/** A new name is durable only with its folder. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
