/** Reads files that somebody may be replacing right now: until two reads in a row agree. */
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { MaterialError } from './material-error.ts';

/** By path; an error where the file could not be read. */
export type Files = ReadonlyMap<string, Buffer | MaterialError>;

const MAX_BYTES = 1024 * 1024;
const PAUSE_MS = 100;
const MAX_READS = 20;

/** All of them as they were together. Rejects with a MaterialError when they do not come to rest within two seconds. */
export async function readStable(paths: Iterable<string>): Promise<Files> {
  const unique = [...new Set(paths)];
  if (unique.length === 0) return new Map();
  let before = await readAll(unique);
  for (let reads = 1; reads < MAX_READS; reads++) {
    await sleep(PAUSE_MS);
    const now = await readAll(unique);
    const changed = unique.find((path) => !isSame(before.get(path), now.get(path)));
    if (changed === undefined) return now;
    before = now;
  }
  throw new MaterialError(unique.join(', '), 'the files do not stop changing');
}

async function readAll(paths: readonly string[]): Promise<Files> {
  return new Map(await Promise.all(paths.map(async (path) => [path, await readOne(path)] as const)));
}

async function readOne(path: string): Promise<Buffer | MaterialError> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > MAX_BYTES) return new MaterialError(path, `larger than ${MAX_BYTES / 1024} KiB; this is the wrong file`);
    return await file.readFile();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    const reason =
      code === 'ENOENT'
        ? 'the file does not exist'
        : code === 'EISDIR'
          ? 'this is a directory'
          : `the file cannot be read (${code})`;
    return new MaterialError(path, reason);
  }
}

function isSame(one: Buffer | MaterialError | undefined, other: Buffer | MaterialError | undefined): boolean {
  if (Buffer.isBuffer(one) && Buffer.isBuffer(other)) return one.equals(other);
  return !Buffer.isBuffer(one) && !Buffer.isBuffer(other) && one?.reason === other?.reason;
}
