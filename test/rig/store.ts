/** A real store for one test, in a folder of its own that is gone afterwards. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../../src/store/open-store.ts';
import type { Actor } from '../../src/store/store.ts';
import type { SqlStore } from '../../src/store/sql-store.ts';

/** Who does things in tests. */
export const TEST_ACTOR: Actor = {
  subject: 'user:admin@example.com',
  user: 'admin@example.com',
  requestId: 'test-request',
  address: '127.0.0.1',
};

export interface TemporaryStore extends AsyncDisposable {
  readonly store: SqlStore;
  /** For `--data-dir`. Close the store first, or not: several processes may have one open. */
  readonly dataDir: string;
}

/** The embedded store. */
export async function openTemporaryStore(): Promise<TemporaryStore> {
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-store-'));
  const store = await openStore({ dataDir });
  return {
    store,
    dataDir,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
