/** What a store and a gateway do on a full disk: `node full-disk.ts FOLDER MEGABYTES SCENARIO`; `small-disk.ts` gives the disk. */
import assert from 'node:assert/strict';
import { startPostgres } from '../../scripts/setup/postgres.ts';
import { openStore } from '../../src/store/open-store.ts';
import { newKeyText } from '../../src/store/secrets/key-ring.ts';
import type { Store } from '../../src/store/store.ts';
import { runMain } from '../rig/gateway-process.ts';
import { type ManagedGateway, startManaged } from '../rig/managed-gateway.ts';
import { startHttpFixture } from '../rig/servers.ts';
import { createDatabase, TEST_ACTOR } from '../rig/store.ts';
import { changed, register, sampleGateway } from './samples.ts';
import { SmallDisk } from './small-disk.ts';

const DENIAL = { actor: TEST_ACTOR, action: 'tools.call', object: undefined, reason: 'no' };
const CALL = { name: 'echo', arguments: { text: 'still here' } };

const SCENARIOS: Readonly<Record<string, (disk: SmallDisk) => Promise<void>>> = {
  async sqlite(disk) {
    await using store = await openStore({ dataDir: disk.path });
    await survivesFullDisk(store, disk);
  },

  async postgres(disk) {
    await using server = await startPostgres(disk.path);
    const databaseUrl = server.url(await createDatabase(server));
    await using store = await openStore({ databaseUrl, key: { text: newKeyText(), name: 'KEY' } });
    await survivesFullDisk(store, disk);
  },

  async open(disk) {
    await using store = await openStore({ dataDir: disk.path });
    await register(store, 'before');
    await disk.fill();
    await using second = await openStore({ dataDir: disk.path });
    assert.deepEqual(await namesIn(second), ['before']);
  },

  async 'read-only'(disk) {
    {
      await using store = await openStore({ dataDir: disk.path });
      await register(store, 'before');
    }
    await disk.forbidWriting();
    const refusal = await openStore({ dataDir: disk.path }).catch((error: unknown) => error);
    assert.equal(codeOf(refusal), 'unavailable');
    assert.match(String(refusal), /The store can only be read: its disk is mounted read-only/);
    const gateway = runMain(['serve', '--data-dir', disk.path, '--listen', '127.0.0.1:0'], '', {});
    assert.equal((await gateway.exited).status, 1);
    const last = gateway.logs().at(-1);
    assert.equal(last?.['level'], 'fatal');
    assert.match(String(last?.['msg']), /^The store can only be read: its disk is mounted read-only/);
    assert.doesNotMatch(gateway.stderr, /\bat .*\.ts:/);
  },

  async gateway(disk) {
    await using server = await startHttpFixture();
    await using store = await openStore({ dataDir: disk.path });
    const env = { MCP_GATEWAY_DATA_DIR: disk.path };
    const gateway = await startManaged({ store: { location: { dataDir: disk.path }, env } });
    try {
      const web = { name: 'web', url: server.url, visibility: 'public' };
      assert.equal((await gateway.call('POST', '/gateways', web)).status, 201);
      await disk.fill();
      assert.deepEqual(await untilFull(gateway), { status: 507, code: 'storage_full' });
      assert.match(JSON.stringify(await gateway.rpc('/mcp/web', 'tools/call', CALL)), /still here/);
      assert.equal((await gateway.call('GET', '/gateways')).status, 200);
      const { reachable, writable, lastError } = await statusOf(gateway);
      assert.deepEqual([reachable, writable, (lastError as { code: string }).code], [true, false, 'full']);
      await gateway.until(({ stderr }) =>
        stderr.includes('the store takes no changes; what is configured is served on') ? true : undefined,
      );
      await disk.free();
      assert.equal((await gateway.call('POST', '/teams', { name: 'after' })).status, 201);
      assert.equal((await statusOf(gateway))['writable'], true);
      assert.equal((await store.verifyAudit()).ok, true);
    } finally {
      await gateway.stop();
    }
  },
};

async function survivesFullDisk(store: Store, disk: SmallDisk): Promise<void> {
  const kept = await register(store, 'before');
  await disk.fill();
  const acknowledged: string[] = [];
  const refusal = await fillUp(store, acknowledged);
  assert.match(String(refusal), /StoreError: The disk of the store is full/);
  assert.equal(codeOf(await fillUp(store, [])), 'full');
  assert.deepEqual(stateOf(store), { reachable: true, writable: false, code: 'full' });
  // Denials come in any number, so some that still found room do not count.
  const denials = Array.from({ length: 2_000 }, async () => store.recordDenial({ ...DENIAL, reason: 'x'.repeat(900) }));
  const refused = (await Promise.allSettled(denials)).find((one) => one.status === 'rejected');
  assert.equal(codeOf(refused?.reason), 'full');
  assert.ok(store.measures().denialsLost > 0);

  assert.deepEqual(await store.gateway(kept.id), kept);
  assert.deepEqual(await namesIn(store), ['before', ...acknowledged]);
  assert.equal((await store.verifyAudit()).ok, true);

  await disk.free();
  assert.equal((await register(store, 'after')).version, 1);
  await store.recordDenial(DENIAL);
  assert.equal(stateOf(store).writable, true);
  assert.deepEqual(await namesIn(store), ['before', ...acknowledged, 'after']);
  assert.equal((await store.verifyAudit()).ok, true);
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

/** Small changes find room for a while in what the database has already. */
async function untilFull(
  gateway: ManagedGateway,
): Promise<{ readonly status: number; readonly code: unknown } | undefined> {
  for (let count = 0; count < 200; count += 1) {
    const team = { name: `team-${count}`, description: 'x'.repeat(2_000) };
    const { status, body } = await gateway.call('POST', '/teams', team);
    if (status !== 201) return { status, code: body['code'] };
  }
  return undefined;
}

async function statusOf(gateway: ManagedGateway): Promise<Readonly<Record<string, unknown>>> {
  return (await gateway.call('GET', '/v1/status')).body['store'] as Readonly<Record<string, unknown>>;
}

async function namesIn(store: Store): Promise<readonly string[]> {
  return (await store.gateways()).map(({ name }) => name);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : error;
}

function stateOf(store: Store): { reachable: boolean; writable: boolean; code: string | undefined } {
  const { reachable, writable, lastError } = store.status();
  return { reachable, writable, code: lastError?.code };
}

if (import.meta.main) {
  const [, , path = '', megabytes = '', name = ''] = process.argv;
  const scenario = SCENARIOS[name];
  assert.ok(scenario, `there is no scenario ${name}`);
  await scenario(new SmallDisk(path, Number(megabytes)));
  process.stdout.write('passed\n');
}
