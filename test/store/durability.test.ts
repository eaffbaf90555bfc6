import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startPostgres } from '../../scripts/setup/postgres.ts';
import { newKeyText } from '../../src/store/secrets/key-ring.ts';
import { createDatabase, postgresMissing } from '../rig/store.ts';
import { crash } from './crash.ts';
import { runOnSmallDisk, smallDiskMissing } from './small-disk.ts';

// Each life of a process takes a start and up to 150 ms, and PostgreSQL some more.
describe('a process that is killed while it writes', { timeout: 180_000 }, () => {
  it('has lost nothing that was acknowledged (embedded store)', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-crash-'));
    try {
      const { faults, acknowledged } = await crash({ dataDir }, 10);
      expect(faults).toEqual([]);
      expect(acknowledged).toBeGreaterThan(0);
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  });

  it.skipIf(postgresMissing())('has lost nothing that was acknowledged (PostgreSQL)', async () => {
    await using server = await startPostgres();
    const databaseUrl = server.url(await createDatabase(server));
    const { faults, acknowledged } = await crash({ databaseUrl, key: { text: newKeyText(), name: 'KEY' } }, 10);
    expect(faults).toEqual([]);
    expect(acknowledged).toBeGreaterThan(0);
  });
});

const NO_DISK = smallDiskMissing();

describe.skipIf(NO_DISK !== '')('a full disk', { timeout: 180_000 }, () => {
  it.each([
    ['refuses what would be written and nothing else, until there is room again (embedded store)', 8, 'sqlite'],
    ['lets a store be opened for what is in it (embedded store)', 8, 'open'],
    ['lets a gateway go on with calls, which says what is refused and why', 8, 'gateway'],
    ['that may only be read is told so at the start, in one line', 8, 'read-only'],
  ])('%s', async (_, megabytes, scenario) => {
    expect(await runOnSmallDisk(megabytes, scenario)).toEqual({ status: 0, stdout: 'passed\n', stderr: '' });
  });

  it.skipIf(postgresMissing())(
    'refuses what would be written and nothing else, until there is room again (PostgreSQL)',
    async () => {
      expect(await runOnSmallDisk(160, 'postgres')).toEqual({ status: 0, stdout: 'passed\n', stderr: '' });
    },
  );
});
