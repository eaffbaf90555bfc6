import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { openStore } from '../../src/store/open-store.ts';
import type { StoreWriter } from '../../src/store/store.ts';
import { describeOnBothStores, openTemporaryStore, TEST_ACTOR } from '../rig/store.ts';
import { changed, register, sampleGateway } from './samples.ts';

describeOnBothStores('changes', (open) => {
  it('let one of a hundred parallel registrations of a name win and tell the others of the conflict', async () => {
    await using temporary = await open();
    await using second = await openStore(temporary.location);
    await using third = await openStore(temporary.location);
    const stores = [temporary.store, second, third];
    const tries = Array.from({ length: 100 }, async (_, at) => register(stores[at % 3] ?? second, 'same'));
    const results = await Promise.allSettled(tries);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const reasons = results.flatMap((one): unknown[] => (one.status === 'rejected' ? [one.reason] : []));
    expect(reasons).toHaveLength(99);
    for (const reason of reasons)
      expect(reason).toMatchObject({ code: 'conflict', message: "A gateway 'same' is already there." });
    expect(await temporary.store.gateways()).toHaveLength(1);
    expect(await temporary.store.verifyAudit()).toMatchObject({ ok: true, lines: 1 });
    expect(await temporary.store.revision()).toBe(1);
  });

  it('of many processes lose nothing: every acknowledged one is there, in an unbroken chain', async () => {
    await using temporary = await open();
    await using second = await openStore(temporary.location);
    const stores = [temporary.store, second];
    const names = Array.from({ length: 60 }, (_, at) => `server-${at}`);
    await Promise.all(names.map(async (name, at) => register(stores[at % 2] ?? second, name)));
    expect((await second.gateways()).map(({ name }) => name).sort()).toEqual(names.sort());
    expect(await second.verifyAudit()).toMatchObject({ ok: true, lines: 60 });
    expect(await second.revision()).toBe(60);
  });

  it('that fail leave nothing behind, neither record nor line nor revision', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const refusal = new Error('only so');
    const failing = changed(store, async (tx) => {
      await tx.insertGateway(sampleGateway('one'));
      throw refusal;
    });
    await expect(failing).rejects.toBe(refusal);
    expect([await store.gateways(), await store.audit({ limit: 9 }), await store.revision()]).toEqual([[], [], 0]);
    expect(await register(store, 'one')).toMatchObject({ version: 1 });
  });

  it('fail as a whole when a step of them has failed, also when that was caught', async () => {
    await using temporary = await open();
    const { store } = temporary;
    await register(store, 'one');
    const caught = changed(store, async (tx) => {
      await tx.insertTeam({ name: 'kept?', description: undefined });
      await tx.insertGateway(sampleGateway('one')).catch(() => undefined);
    });
    await expect(caught).rejects.toMatchObject({ code: 'conflict' });
    expect(await store.teams()).toEqual([]);
    const translated = changed(store, async (tx) => {
      await tx.insertGateway(sampleGateway('one')).catch(() => {
        throw new RangeError('in words of its own');
      });
    });
    await expect(translated).rejects.toThrow(RangeError);
  });

  it('cannot be gone on with after their end', async () => {
    await using temporary = await open();
    const { store } = temporary;
    let kept: StoreWriter | undefined;
    await changed(store, async (tx) => {
      kept = tx;
    });
    const late = kept?.insertGateway(sampleGateway('late'));
    await expect(late).rejects.toMatchObject({ code: 'unavailable' });
    await expect(kept?.gateways()).rejects.toMatchObject({ code: 'unavailable' });
    expect(await store.gateways()).toEqual([]);
  });

  it('read what they have written, while others still see what was before', async () => {
    await using temporary = await open();
    const { store } = temporary;
    await changed(store, async (tx) => {
      await tx.insertGateway(sampleGateway('one'));
      expect(await tx.gatewayByName('one')).toMatchObject({ name: 'one' });
      expect(await store.gatewayByName('one')).toBeUndefined();
    });
    expect(await store.gatewayByName('one')).toMatchObject({ name: 'one' });
  });

  it('are heard of once each, also those of another process', async () => {
    await using temporary = await open();
    await using other = await openStore(temporary.location);
    const { store } = temporary;
    const [here, there] = [vi.fn<(revision: number) => void>(), vi.fn<(revision: number) => void>()];
    const stop = store.onChange(here);
    other.onChange(there);
    await register(store, 'one');
    expect(here.mock.calls).toEqual([[1]]);
    await vi.waitFor(() => expect(there.mock.calls).toEqual([[1]]), { timeout: 20_000 });
    await register(other, 'two');
    await vi.waitFor(() => expect(here.mock.calls).toEqual([[1], [2]]), { timeout: 20_000 });
    stop();
    await store.recordDenial({ actor: TEST_ACTOR, action: 'tools.call', object: undefined, reason: 'no' });
    await store.syncItems('one', [{ kind: 'tool', key: 'echo', text: '{}' }]);
    await register(store, 'three');
    await vi.waitFor(() => expect(there.mock.calls.at(-1)).toEqual([3]), { timeout: 20_000 });
    expect(there.mock.calls).toEqual([[1], [2], [3]]);
    expect(here).toHaveBeenCalledTimes(2);
  });

  it('take the place of a registration that has died, and only of one that has', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const pending = (name: string, leaseUntil: number | undefined) =>
      changed(store, async (tx) => tx.insertGateway(sampleGateway(name, { state: 'pending', leaseUntil })));
    await pending('dead', Date.now() - 1);
    await pending('alive', Date.now() + 60_000);
    await pending('waiting', undefined);
    await register(store, 'dead');
    await expect(register(store, 'alive')).rejects.toMatchObject({ code: 'conflict' });
    await expect(register(store, 'waiting')).rejects.toMatchObject({ code: 'conflict' });
    const states = (await store.gateways()).map(({ name, state }) => `${name} ${state}`);
    expect(states.sort()).toEqual(['alive pending', 'dead active', 'waiting pending']);
  });

  it('that a crash has left pending are cleared at the next start, and the log says so', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const crashed = sampleGateway('crashed', { state: 'pending', leaseUntil: Date.now() - 1 });
    const { id } = await changed(store, async (tx) => tx.insertGateway(crashed));
    await using next = await openStore(temporary.location);
    expect(await next.gateways()).toEqual([]);
    const [line] = await next.audit({ limit: 1 });
    expect(line).toMatchObject({ action: 'gateway.expire', object: { kind: 'gateway', id, name: 'crashed' } });
  });

  it('are refused once the store is closed, and those that were begun end first', async () => {
    await using temporary = await open();
    const { store } = temporary;
    const begun = register(store, 'begun');
    const denied = store.recordDenial({ actor: TEST_ACTOR, action: 'tools.call', object: undefined, reason: 'no' });
    await store[Symbol.asyncDispose]();
    await expect(begun).resolves.toMatchObject({ name: 'begun' });
    await denied;
    await expect(register(store, 'late')).rejects.toMatchObject({ code: 'unavailable' });
    await using again = await openStore(temporary.location);
    expect(await again.verifyAudit()).toMatchObject({ ok: true, lines: 2 });
  });
});

it('a change of the embedded store waits for another process that writes, while reads go on', async () => {
  await using temporary = await openTemporaryStore();
  const { store, dataDir } = temporary;
  await register(store, 'before');
  using other = new DatabaseSync(join(dataDir, 'gatehouse.db'));
  other.exec('begin immediate');
  const waiting = register(store, 'waiting');
  for (let count = 0; count < 20; count += 1) {
    await sleep(5);
    expect(await store.gateways()).toHaveLength(1);
  }
  other.exec('rollback');
  expect(await waiting).toMatchObject({ name: 'waiting' });
});
