import { chmod, chown, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStore, type StoreLocation } from '../../src/store/open-store.ts';
import { newKeyText, parseKeyRing } from '../../src/store/secrets/key-ring.ts';
import { rekey } from '../../src/store/secrets/rekey.ts';
import { runMain } from '../rig/gateway-process.ts';
import { describeOnBothStores, openTemporaryStore, type TemporaryStore, TEST_ACTOR } from '../rig/store.ts';
import { changed, register, sampleGateway } from './samples.ts';
import { querySql } from './sql.ts';

const SECRET = 'Bearer secret-of-weather';
const INTENT = { actor: TEST_ACTOR, action: 'secrets.rekey' };

describeOnBothStores('secrets', (open) => {
  it('are nowhere in the database as they are', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const gateway = await register(store, 'weather');
    await changed(store, async (tx) => tx.updateGateway(gateway.id, 1, { secrets: { '/headers/X': 'other-secret' } }));
    expect((await store.gateway(gateway.id))?.secrets).toEqual({ '/headers/X': 'other-secret' });
    const everything = await dump(temporary);
    expect(everything).toContain('https://weather.example.com/mcp');
    for (const secret of [SECRET, 'other-secret', Buffer.from(SECRET).toString('base64').slice(0, 30)])
      expect(everything).not.toContain(secret);
  });

  it('are sealed anew each time, so that equal ones cannot be told', async () => {
    await using temporary = await open();
    const secrets = { '/headers/Authorization': 'the same' };
    await changed(temporary.store, async (tx) => tx.insertGateway(sampleGateway('one', { secrets })));
    await changed(temporary.store, async (tx) => tx.insertGateway(sampleGateway('two', { secrets })));
    const [one, two] = await sealedOf(temporary);
    expect(one).toMatch(/^v1\.[0-9a-f]{16}\./);
    expect(one).not.toBe(two);
  });

  it('open for their own row only, and not once they were touched', async () => {
    await using temporary = await open();
    const { store } = temporary;
    await register(store, 'one');
    await register(store, 'two');
    await sql(temporary, "update TABLE set sealed = (select sealed from TABLE where name = 'one') where name = 'two'");
    await expect(store.gatewayByName('two')).rejects.toMatchObject({ code: 'unavailable' });
    await expect(store.gatewayByName('two')).rejects.toThrow(/somebody has changed them/);
    expect(await store.gatewayByName('one')).toMatchObject({
      secrets: { '/headers/Authorization': 'Bearer secret-of-one' },
    });
    await sql(temporary, "update TABLE set sealed = 'v1.0.AAAA' where name = 'one'");
    await expect(store.gatewayByName('one')).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('need the key that they were made with, and an error names only its id', async () => {
    await using temporary = await open();
    await register(temporary.store, 'weather');
    const key = newKeyText();
    const refused = openStore({ ...temporary.location, key: { text: key, name: 'MCP_GATEWAY_SECRET_KEY' } });
    await expect(refused).rejects.toMatchObject({ code: 'unavailable' });
    const message = String(await refused.catch((error: unknown) => error));
    expect(message).toContain('MCP_GATEWAY_SECRET_KEY');
    expect(message).toContain(parseKeyRing(key, '')[0].id);
    expect(message).not.toContain(key);
  });

  it('go over to a new key while a gateway has the store open, and its next change uses the new one', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const { id } = await register(store, 'weather');
    const before = await store.keyInUse();
    const location = await withNewKey(temporary);
    const result = await rekey(location, INTENT);
    expect(result).toMatchObject({ done: true, from: before, gateways: 1 });
    await using next = await openStore(location);
    expect(await next.keyInUse()).toBe(result.done && result.to);
    expect((await next.gateway(id))?.secrets).toEqual({ '/headers/Authorization': SECRET });
    expect((await sealedOf(temporary)).join()).not.toContain(before);
    expect(await next.audit({ limit: 1 })).toMatchObject([
      { action: 'secrets.rekey', before: { keyId: before }, after: { gateways: 1 } },
    ]);
    await register(next, 'other');
    expect((await sealedOf(temporary)).join()).not.toContain(before);
    expect(await next.verifyAudit()).toMatchObject({ ok: true, lines: 3 });
  });
});

describe('the key of the embedded store', () => {
  it('is made at the first start, for its owner only, like everything beside it', async () => {
    await using temporary = await openTemporaryStore();
    const { dataDir } = temporary;
    for (const name of await readdir(dataDir))
      expect([name, (await stat(join(dataDir, name))).mode & 0o077]).toEqual([name, 0]);
    const text = await readFile(join(dataDir, 'secret.key'), 'utf8');
    expect(Buffer.from(text, 'base64')).toHaveLength(32);
    await using again = await openStore({ dataDir });
    expect(await readFile(join(dataDir, 'secret.key'), 'utf8')).toBe(text);
    expect(await again.keyInUse()).toBe(await temporary.store.keyInUse());
  });

  it('is the same for processes that start a new store at once', async () => {
    await using temporary = await openTemporaryStore();
    const { dataDir } = temporary;
    const folder = join(dataDir, 'new');
    const stores = await Promise.all([1, 2, 3, 4].map(async () => openStore({ dataDir: folder })));
    for (const [at, store] of stores.entries()) await register(store, `server-${at}`);
    for (const store of stores) {
      expect(await store.gateways()).toHaveLength(4);
      await store[Symbol.asyncDispose]();
    }
    expect((await readdir(folder)).sort()).toEqual(['gatehouse.db', 'secret.key']);
  });

  it('is never replaced by another one when it is missing, and not used when others may read it', async () => {
    await using temporary = await openTemporaryStore();
    const { dataDir } = temporary;
    const file = join(dataDir, 'secret.key');
    const text = await readFile(file, 'utf8');
    await rm(file);
    await expect(openStore({ dataDir })).rejects.toThrow(/secret.key: the key of the store cannot be read \(ENOENT\)/);
    await writeFile(file, text, { mode: 0o644 });
    await chmod(file, 0o644);
    await expect(openStore({ dataDir })).rejects.toThrow(/chmod 600/);
    await writeFile(file, 'too short');
    await chmod(file, 0o600);
    await expect(openStore({ dataDir })).rejects.toThrow(/not 32 bytes in base64 or hexadecimal/);
    await writeFile(file, ` # \n`);
    await expect(openStore({ dataDir })).rejects.toThrow(/secret.key/);
  });

  it.skipIf(process.getuid?.() !== 0)('stays with the account of the gateway when root changes it', async () => {
    await using temporary = await openTemporaryStore();
    const file = join(temporary.dataDir, 'secret.key');
    await chown(file, 65_534, 65_534);
    await rekey({ dataDir: temporary.dataDir }, INTENT);
    const { uid, gid, mode } = await stat(file);
    expect({ uid, gid, mode: mode & 0o777 }).toEqual({ uid: 65_534, gid: 65_534, mode: 0o600 });
  });

  it('survives several changes of keys at once', async () => {
    await using temporary = await openTemporaryStore();
    const { store, dataDir } = temporary;
    await register(store, 'weather');
    await Promise.all([1, 2, 3, 4].map(async () => rekey({ dataDir }, INTENT)));
    await using next = await openStore({ dataDir });
    expect((await next.gatewayByName('weather'))?.secrets).toEqual({ '/headers/Authorization': SECRET });
    const keys = parseKeyRing(await readFile(join(dataDir, 'secret.key'), 'utf8'), '');
    expect(keys.map(({ id }) => id)).toEqual([await next.keyInUse()]);
    expect(await next.verifyAudit()).toMatchObject({ ok: true, lines: 5 });
  });

  it('goes on with a change of keys that was cut off, whichever step it had reached', async () => {
    await using temporary = await openTemporaryStore();
    const { store, dataDir } = temporary;
    const { id } = await register(store, 'weather');
    const file = join(dataDir, 'secret.key');
    const old = await readFile(file, 'utf8');
    // Cut off after the new key was written down.
    const planned = newKeyText();
    await writeFile(file, `${planned}\n${old}`);
    await using between = await openStore({ dataDir });
    expect((await between.gateway(id))?.secrets).toEqual({ '/headers/Authorization': SECRET });
    const result = await rekey({ dataDir }, INTENT);
    expect(result).toMatchObject({ to: parseKeyRing(planned, '')[0].id });
    // Cut off before the old key was taken away.
    await writeFile(file, `${planned}\n${old}`);
    const next = await rekey({ dataDir }, INTENT);
    expect(next).toMatchObject({ done: true, from: parseKeyRing(planned, '')[0].id });
    expect(await readFile(file, 'utf8')).not.toContain(planned);
    // A gateway that has been running all the time finds the key by itself.
    expect((await store.gateway(id))?.secrets).toEqual({ '/headers/Authorization': SECRET });
    await register(store, 'other');
    expect((await between.gatewayByName('other'))?.secrets).toEqual({
      '/headers/Authorization': 'Bearer secret-of-other',
    });
  });
});

describe('gatehouse secrets rekey', () => {
  it('says which key is used now, and shows none', async () => {
    await using temporary = await openTemporaryStore();
    const { store, dataDir } = temporary;
    await register(store, 'weather');
    const before = await store.keyInUse();
    const program = runMain(['secrets', 'rekey', '--data-dir', dataDir], '');
    expect((await program.exited).status).toBe(0);
    const after = await store.keyInUse();
    expect(program.stdout).toBe(
      `The secrets of 1 gateway(s) are encrypted with key ${after} now; key ${before} is needed only for backups made before.\n`,
    );
    expect((await store.gatewayByName('weather'))?.secrets).toEqual({ '/headers/Authorization': SECRET });
    const [line] = await store.audit({ limit: 1 });
    expect(line?.actor.subject).toMatch(/^system:/);
  });

  it('asks for a new key where keys are given', async () => {
    await using temporary = await openTemporaryStore();
    const key = await readFile(join(temporary.dataDir, 'secret.key'), 'utf8');
    const env = { MCP_GATEWAY_SECRET_KEY: key };
    const program = runMain(['secrets', 'rekey', '--data-dir', temporary.dataDir], '', env);
    expect((await program.exited).status).toBe(1);
    expect(program.stderr).toContain('put a new one in front of it');
    expect(program.stderr).not.toContain(key.trim());
  });
});

/** Where a rekey finds a new key in front of the old one; the embedded store makes it by itself. */
async function withNewKey({ location }: TemporaryStore): Promise<StoreLocation> {
  if ('dataDir' in location) return location;
  if (!('text' in location.key)) throw new Error('the key of this store is in a file');
  const text = `${newKeyText()},${location.key.text}`;
  return { ...location, key: { text, name: 'MCP_GATEWAY_SECRET_KEY' } };
}

async function sealedOf(temporary: TemporaryStore): Promise<readonly string[]> {
  const rows = await sql(temporary, 'select sealed from TABLE order by name');
  return rows.map((row) => String(row['sealed']));
}

async function sql({ location }: TemporaryStore, text: string): Promise<readonly Record<string, unknown>[]> {
  if ('databaseUrl' in location) return querySql(location.databaseUrl, text.replaceAll('TABLE', 'gatehouse.gateways'));
  using database = new DatabaseSync(join(location.dataDir, 'gatehouse.db'));
  return database.prepare(text.replaceAll('TABLE', 'gateways')).all();
}

/** Every row of every table as text; of the embedded store the bytes of its files. */
async function dump({ location }: TemporaryStore): Promise<string> {
  if ('dataDir' in location) {
    const names = (await readdir(location.dataDir)).filter((name) => name.startsWith('gatehouse.db'));
    return (await Promise.all(names.map(async (name) => readFile(join(location.dataDir, name), 'latin1')))).join('\n');
  }
  const { databaseUrl } = location;
  const tables = await querySql(databaseUrl, "select tablename from pg_tables where schemaname = 'gatehouse'");
  const texts = tables.map(async ({ tablename }) =>
    JSON.stringify(await querySql(databaseUrl, `select * from gatehouse.${String(tablename)}`)),
  );
  return (await Promise.all(texts)).join('\n');
}
