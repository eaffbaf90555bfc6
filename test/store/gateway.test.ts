/** What a gateway does when its store cannot be written or reached. */
import { describe, expect, it, vi } from 'vitest';
import { startPostgres } from '../../scripts/setup/postgres.ts';
import { openStore } from '../../src/store/open-store.ts';
import { runMain } from '../rig/gateway-process.ts';
import { type ManagedGateway, startManaged } from '../rig/managed-gateway.ts';
import { startHttpFixture } from '../rig/servers.ts';
import { openPostgresStore, openTemporaryStore, postgresMissing } from '../rig/store.ts';
import { mountSmallDisk, smallDiskMissing } from './small-disk.ts';

const CALL = { name: 'echo', arguments: { text: 'still here' } };

describe('a gateway', () => {
  it.skipIf(smallDiskMissing())('goes on with calls on a full disk, and says what is refused and why', async () => {
    await using disk = await mountSmallDisk(8);
    await using server = await startHttpFixture();
    await using store = await openStore({ dataDir: disk.path });
    const location = { location: { dataDir: disk.path }, env: { MCP_GATEWAY_DATA_DIR: disk.path } };
    const gateway = await startManaged({ store: location });
    try {
      const registered = await gateway.call('POST', '/gateways', {
        name: 'web',
        url: server.url,
        visibility: 'public',
      });
      expect(registered.status).toBe(201);
      await disk.fill();
      const refused = await untilFull(gateway);
      expect(refused).toMatchObject({ status: 507, body: { code: 'storage_full' } });
      expect(JSON.stringify(await gateway.rpc('/mcp/web', 'tools/call', CALL))).toContain('still here');
      expect((await gateway.call('GET', '/gateways')).status).toBe(200);
      await disk.free();
      expect((await gateway.call('POST', '/teams', { name: 'after' })).status).toBe(201);
      expect(await store.verifyAudit()).toMatchObject({ ok: true });
    } finally {
      await gateway.stop();
    }
  });

  it.skipIf(postgresMissing())('goes on with calls while PostgreSQL is away (PostgreSQL)', async () => {
    const database = await startPostgres();
    await using server = await startHttpFixture();
    const store = await openPostgresStore(database);
    const gateway = await startManaged({ store });
    try {
      const registered = await gateway.call('POST', '/gateways', {
        name: 'web',
        url: server.url,
        visibility: 'public',
      });
      expect(registered.status).toBe(201);
      expect(JSON.stringify(await gateway.rpc('/mcp/web', 'tools/call', CALL))).toContain('still here');
      await store[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      expect(JSON.stringify(await gateway.rpc('/mcp/web', 'tools/call', CALL))).toContain('still here');
      const refused = await gateway.call('POST', '/teams', { name: 'lost' });
      expect(refused).toMatchObject({ status: 503, body: { code: 'storage_unavailable' } });
      expect(JSON.stringify(refused.body)).not.toContain(database.password);
      expect(gateway.stderr).not.toContain(database.password);
      // Whoever watches the log hears of it, also when nobody wants to change anything.
      await vi.waitFor(
        () =>
          expect(gateway.stderr).toMatch(
            /"level":"error".*"reason":"The store cannot be used: .*"msg":"the store does not answer; what is configured/,
          ),
        { timeout: 30_000, interval: 200 },
      );
    } finally {
      await gateway.stop();
    }
  });

  it('does not start with a store that it cannot open, and says in one line what to do', async () => {
    const env = { DATABASE_URL: 'postgres://me:hunter2@127.0.0.1:1/none' };
    const keyless = runMain(['serve'], '', env);
    expect([(await keyless.exited).status, keyless.stderr]).toEqual([
      1,
      expect.stringContaining('with DATABASE_URL the key for secrets must be given'),
    ]);
    const key = Buffer.alloc(32, 1).toString('base64');
    const gateway = runMain(['serve'], '', { ...env, MCP_GATEWAY_SECRET_KEY: key });
    expect((await gateway.exited).status).toBe(1);
    const last = gateway.logs().at(-1);
    expect(last).toMatchObject({ level: 'fatal', msg: 'The store cannot be used: connect ECONNREFUSED 127.0.0.1:1' });
    expect(gateway.stderr).not.toContain('hunter2');
    expect(gateway.stderr).not.toContain(key);
  });

  it('hears of what another one has registered in the same store', async () => {
    await using temporary = await openTemporaryStore();
    await using server = await startHttpFixture();
    const [one, other] = await Promise.all([startManaged({ store: temporary }), startManaged({ store: temporary })]);
    try {
      const registered = await one.call('POST', '/gateways', { name: 'web', url: server.url, visibility: 'public' });
      expect(registered.status).toBe(201);
      await vi.waitFor(
        async () => expect(JSON.stringify(await other.rpc('/mcp/web', 'tools/call', CALL))).toContain('still here'),
        { timeout: 30_000, interval: 200 },
      );
    } finally {
      await Promise.all([one.stop(), other.stop()]);
    }
  });
});

/** Small changes find room for a while in what the database has already. */
async function untilFull(gateway: ManagedGateway): Promise<unknown> {
  for (let count = 0; count < 200; count += 1) {
    const team = { name: `team-${count}`, description: 'x'.repeat(2_000) };
    const { status, body } = await gateway.call('POST', '/teams', team);
    if (status !== 201) return { status, body };
  }
  return undefined;
}
