import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ContentWatch } from './content-watch.ts';

// Every write is one system call after the other (writeFileSync): nobody in this process reads half of it.
let folder: string;
let told: string[][];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'content-watch-'));
  told = [];
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function watching(files: readonly string[], intervalMs = 3_600_000): Promise<ContentWatch> {
  const watch = new ContentWatch({ files: () => files, intervalMs, onChange: (changed) => told.push([...changed]) });
  await watch.start();
  return watch;
}

it('sees writes in place, renames over the file, and a file that comes and goes', async () => {
  const file = join(folder, 'a.toml');
  writeFileSync(file, 'one');
  await using _watch = await watching([file]);
  writeFileSync(file, 'two');
  await vi.waitFor(() => expect(told).toHaveLength(1), 20_000);
  writeFileSync(`${file}.new`, 'three');
  await rename(`${file}.new`, file);
  await vi.waitFor(() => expect(told).toHaveLength(2), 20_000);
  await rm(file);
  await vi.waitFor(() => expect(told).toHaveLength(3), 20_000);
  writeFileSync(file, 'four');
  await vi.waitFor(() => expect(told).toEqual([[file], [file], [file], [file]]), 20_000);
});

it('says nothing when a file is written again with the same content', async () => {
  const file = join(folder, 'a.toml');
  const other = join(folder, 'b.toml');
  writeFileSync(file, 'same');
  writeFileSync(other, 'one');
  await using _watch = await watching([file, other]);
  writeFileSync(file, 'same');
  writeFileSync(other, 'two');
  await vi.waitFor(() => expect(told).toEqual([[other]]), 20_000);
});

it('sees every swap of a Kubernetes volume, not only the first', async () => {
  for (const name of ['v0', 'v1', 'v2', 'v3']) {
    await mkdir(join(folder, name));
    writeFileSync(join(folder, name, 'tls.crt'), name);
  }
  await symlink('v0', join(folder, '..data'));
  await symlink('..data/tls.crt', join(folder, 'tls.crt'));
  const file = join(folder, 'tls.crt');
  await using _watch = await watching([file]);
  for (const [index, name] of ['v1', 'v2', 'v3'].entries()) {
    await symlink(name, join(folder, '..data_tmp'));
    await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    await vi.waitFor(() => expect(told).toHaveLength(index + 1), 20_000);
  }
});

it('tells of a change that was read on another occasion and then taken back', async () => {
  const file = join(folder, 'a.toml');
  writeFileSync(file, 'one');
  await using watch = await watching([file]);
  writeFileSync(file, 'two');
  await watch.acknowledge(); // It reads before the watch is told of anything.
  writeFileSync(file, 'one');
  await vi.waitFor(() => expect(told).toEqual([[file]]), 20_000);
});

it('compares at intervals where the folder cannot be watched', async () => {
  const file = join(folder, 'later', 'a.toml');
  await using _watch = await watching([file], 20);
  await mkdir(join(folder, 'later'));
  writeFileSync(file, 'one');
  await vi.waitFor(() => expect(told).toEqual([[file]]), 20_000);
});
