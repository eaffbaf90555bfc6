/** A file without a name: its content reaches a child process as an open descriptor and can never be left behind. */
import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** In memory where there is such a place, so that a secret never reaches a disk. */
const PLACES = ['/dev/shm', tmpdir()];

/**
 * Opens a new file (mode 0600), takes its name away, and only then writes the content. Returns the descriptor, which
 * the caller closes. A child that has it as descriptor n reads the content from the start at `/dev/fd/n`.
 */
export function openNamelessFile(content: string): number {
  let failure: unknown;
  for (const place of PLACES) {
    let descriptor: number;
    try {
      descriptor = openUnlinked(join(place, `gatehouse-${randomBytes(12).toString('hex')}`));
    } catch (error) {
      failure = error;
      continue;
    }
    try {
      writeAll(descriptor, Buffer.from(content));
      return descriptor;
    } catch (error) {
      failure = error;
      closeSync(descriptor);
    }
  }
  throw failure;
}

function openUnlinked(path: string): number {
  const descriptor = openSync(
    path,
    constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    unlinkSync(path);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  return descriptor;
}

/** With explicit positions: where `/dev/fd` shares the offset (macOS) the child must find it at the start. */
function writeAll(descriptor: number, bytes: Buffer): void {
  for (let written = 0; written < bytes.length;) {
    written += writeSync(descriptor, bytes, written, bytes.length - written, written);
  }
}
