import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startPostgres } from '../../scripts/setup/postgres.ts';
import { openStore } from '../../src/store/open-store.ts';
import { newKeyText } from '../../src/store/secrets/key-ring.ts';
import type { Store } from '../../src/store/store.ts';
import { createDatabase, postgresMissing, TEST_ACTOR } from '../rig/store.ts';
import { crash } from './crash.ts';
import { changed, register, sampleGateway } from './samples.ts';
import { mountSmallDisk, type SmallDisk, smallDiskMissing } from './small-disk.ts';

const DENIAL = { actor: TEST_ACTOR, action: 'tools.call', object: undefined, reason: 'no' };

describe('a process that is killed while it writes', () => {
  it('has lost nothing that was acknowledged (embedded store)', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-crash-'));
    try {
      const { faults, acknowledged } = await crash({ dataDir }, 8);
      expect(faults).toEqual([]);
      expect(acknowledged).toBeGreaterThan(0);
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  });

  it.skipIf(postgresMissing())('has lost nothing that was acknowledged (PostgreSQL)', async () => {
    await using server = await startPostgres();
    const databaseUrl = server.url(await createDatabase(server));
    const { faults, acknowledged } = await crash({ databaseUrl, key: { text: newKeyText(), name: 'KEY' } }, 4);
    expect(faults).toEqual([]);
    expect(acknowledged).toBeGreaterThan(0);
  });
});

describe.skipIf(smallDiskMissing())('a full disk', () => {
  it('refuses what would be written and nothing else, until there is room again (embedded store)', async () => {
    await using disk = await mountSmallDisk(8);
    await using store = await openStore({ dataDir: disk.path });
    await survivesFullDisk(store, disk);
  });

  it.skipIf(postgresMissing())(
    'refuses what would be written and nothing else, until there is room again (PostgreSQL)',
    async () => {
      await using disk = await mountSmallDisk(160);
      await using server = await startPostgres(disk.path);
      const databaseUrl = server.url(await createDatabase(server));
      await using store = await openStore({ databaseUrl, key: { text: newKeyText(), name: 'KEY' } });
      await survivesFullDisk(store, disk);
    },
  );

  it('lets a store be opened for what is in it (embedded store)', async () => {
    await using disk = await mountSmallDisk(8);
    await using store = await openStore({ dataDir: disk.path });
    await register(store, 'before');
    await disk.fill();
    await using second = await openStore({ dataDir: disk.path });
    expect(await second.gateways()).toHaveLength(1);
  });
});

async function survivesFullDisk(store: Store, disk: SmallDisk): Promise<void> {
  const kept = await register(store, 'before');
  await disk.fill();
  const acknowledged: string[] = [];
  const refusal = await fillUp(store, acknowledged);
  expect(refusal).toMatchObject({ name: 'StoreError', code: 'full' });
  expect(String(refusal)).toContain('disk of the store is full');
  expect(await fillUp(store, [])).toMatchObject({ code: 'full' });
  // Denials come in any number, so some that still found room do not count.
  const denials = Array.from({ length: 2_000 }, async () => store.recordDenial({ ...DENIAL, reason: 'x'.repeat(900) }));
  const refused = (await Promise.allSettled(denials)).find((one) => one.status === 'rejected');
  expect(refused?.reason).toMatchObject({ code: 'full' });

  expect(await store.gateway(kept.id)).toEqual(kept);
  expect((await store.gateways()).map(({ name }) => name)).toEqual(['before', ...acknowledged]);
  expect(await store.verifyAudit()).toMatchObject({ ok: true });

  await disk.free();
  expect(await register(store, 'after')).toMatchObject({ name: 'after', version: 1 });
  await store.recordDenial(DENIAL);
  expect((await store.gateways()).map(({ name }) => name)).toEqual(['before', ...acknowledged, 'after']);
  expect(await store.verifyAudit()).toMatchObject({ ok: true });
}

/** Writes big records until one is refused. Resolves with the refusal; notes what was acknowledged before. */
async function fillUp(store: Store, acknowledged: string[]): Promise<unknown> {
  for (let count = 0; count < 300; count += 1) {
    const name = `big-${count}`;
    const big = sampleGateway(name, { description: randomText(200_000) });
    try {
      await changed(store, async (tx) => tx.insertGateway(big));
    } catch (error) {
      return error;
    }
    acknowledged.push(name);
  }
  return undefined;
}

/** That no database can make smaller. */
function randomText(bytes: number): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)))
    .toString('base64')
    .repeat(Math.ceil(bytes / 87_384))
    .slice(0, bytes);
}
