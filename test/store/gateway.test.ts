/** What a gateway does when its store cannot be written or reached. */
import { describe, expect, it, vi } from 'vitest';
import { startPostgres } from '../../scripts/setup/postgres.ts';
import { SCHEMA_VERSION } from '../../src/store/migrations/migrate.ts';
import { openStore } from '../../src/store/open-store.ts';
import { runMain } from '../rig/gateway-process.ts';
import { type ManagedGateway, startManaged } from '../rig/managed-gateway.ts';
import { startHttpFixture } from '../rig/servers.ts';
import { openPostgresStore, openTemporaryStore, postgresMissing } from '../rig/store.ts';
import { changed } from './samples.ts';

const CALL = { name: 'echo', arguments: { text: 'still here' } };

describe('a gateway', () => {
  it.skipIf(postgresMissing()).each(['tidily', 'by a crash'])(
    'goes on with calls while PostgreSQL is away, stopped %s, and works again when it is back (PostgreSQL)',
    async (how) => {
      await using database = await startPostgres();
      await using server = await startHttpFixture();
      await using store = await openPostgresStore(database);
      const gateway = await startManaged({ store });
      const web = { name: 'web', url: server.url, visibility: 'public' };
      const call = async (token?: string): Promise<string> =>
        JSON.stringify(await gateway.rpc('/mcp/web', 'tools/call', CALL, token));
      try {
        const fresh = await gateway.tokenFor('fresh@example.com', 'admin');
        expect((await gateway.call('POST', '/gateways', web)).status).toBe(201);
        expect(await call()).toContain('still here');

        await database.halt(how === 'by a crash' ? 'hard' : undefined);
        const refused = await gateway.call('POST', '/teams', { name: 'lost' });
        expect(refused).toMatchObject({ status: 503, body: { code: 'storage_unavailable', retryable: true } });
        for (let count = 0; count < 3; count += 1) expect(await call()).toContain('still here');
        // Nobody can say whether this one counts.
        expect(await call(fresh)).toContain('"error":"unauthorized"');
        const away = { engine: 'postgres', reachable: false, writable: false, lastError: { code: 'unavailable' } };
        const status = await gateway.call('GET', '/v1/status');
        expect(status).toMatchObject({
          status: 200,
          body: { store: { ...away, schema: SCHEMA_VERSION, revision: expect.any(Number) } },
        });
        expect((await gateway.call('GET', '/status')).body).toMatchObject({ store: away });
        await expect.poll(() => metricsOf(gateway)).toContain('gatehouse_store_connections{state="listening"} 0\n');
        const metrics = await metricsOf(gateway);
        expect(metrics).toContain('gatehouse_store_up{engine="postgres"} 0\n');
        expect(metrics).toMatch(/gatehouse_store_errors_total\{code="unavailable"\} [1-9]/);
        await expect
          .poll(() => gateway.logs())
          .toContainEqual(
            expect.objectContaining({
              level: 'error',
              reason: expect.stringMatching(/^The store cannot be used: /),
              msg: 'the store does not answer; what is configured is served on',
            }),
          );

        await database.resume();
        await vi.waitFor(
          async () => expect((await gateway.call('POST', '/teams', { name: 'found' })).status).toBe(201),
          { timeout: 30_000, interval: 100 },
        );
        expect(await call(fresh)).toContain('still here');
        expect((await gateway.call('GET', '/v1/status')).body).toMatchObject({
          store: { reachable: true, writable: true },
        });
        expect(await metricsOf(gateway)).toContain('gatehouse_store_up{engine="postgres"} 1\n');
        // What another process changes is heard of again as well.
        await using other = await openStore(store.location);
        await changed(other, async (tx) => {
          const { id } = (await tx.gatewayByName('web')) ?? { id: '' };
          await tx.deleteGateway(id);
        });
        await vi.waitFor(async () => expect(await call()).not.toContain('still here'), {
          timeout: 40_000,
          interval: 200,
        });
        expect(await other.verifyAudit()).toMatchObject({ ok: true });
        expect(JSON.stringify(refused.body)).not.toContain(database.password);
        expect(gateway.stderr).not.toContain(database.password);
      } finally {
        await gateway.stop();
      }
    },
  );

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

async function metricsOf({ origin, token }: ManagedGateway): Promise<string> {
  const response = await fetch(`${origin}/metrics`, { headers: { authorization: `Bearer ${token}` } });
  return response.text();
}
