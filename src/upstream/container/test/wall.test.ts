import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { dockerMissing } from '../../../../test/rig/docker.ts';
import { packetFilterMissing } from '../../../../test/rig/packet-filter.ts';
import { ContainerHost } from '../container-host.ts';
import { removeInstance } from '../orphans.ts';
import { callNft, findNft, type UsableNft } from '../wall/nft.ts';
import { docker, left, newHost, shellServer, Wire } from './containers.ts';
import { startOwner } from './start-owner.ts';
import { probeWhileNetworksChange } from './visits.ts';

function usableNft(): UsableNft {
  const nft = findNft(docker());
  if ('missing' in nft) throw new Error(nft.missing);
  return nft;
}

const tables = async (): Promise<string> => callNft(usableNft(), ['list', 'tables', 'inet']);

async function openServer(host: ContainerHost): Promise<Wire> {
  const wire = new Wire(host, await shellServer({ network: 'isolated' }));
  await wire.open();
  return wire;
}

describe.skipIf(dockerMissing() || packetFilterMissing())('the wall between servers', () => {
  it('T-ISO-004 lets nothing through while networks are made and removed', { timeout: 300_000 }, async () => {
    await using host = newHost();
    const { tried, arrived, ownArrived } = await probeWhileNetworksChange(host, 40);
    expect(host.wall.isUp).toBe(true);
    // What arrives is counted: the neighbour's own attempt was.
    expect(ownArrived).toBeGreaterThan(0);
    expect(tried).toBeGreaterThan(100);
    expect(arrived).toBe(0);
  });

  it('comes with the first network, comes again when the filter was flushed, and goes with the host', async () => {
    const host = newHost();
    const { table } = host.wall;
    try {
      await host.start();
      expect(await tables()).not.toContain(table);
      await using first = await openServer(host);
      expect(await first.ask('one')).toBe('one');
      expect(await tables()).toContain(table);
      await callNft(usableNft(), ['delete', 'table', 'inet', table]);
      await using second = await openServer(host);
      expect(await second.ask('two')).toBe('two');
      const text = await callNft(usableNft(), ['list', 'table', 'inet', table]);
      expect(text.match(/ drop/g)).toHaveLength(3);
    } finally {
      await host[Symbol.asyncDispose]();
    }
    expect(await tables()).not.toContain(table);
  });

  it('of a gateway that was killed is removed by the next; those of living ones and of others are not touched', async () => {
    await using living = newHost();
    await using wire = await openServer(living);
    expect(await wire.ask('{}')).toBe('{}');
    const dead = await startOwner();
    // Looks like ours, and says nothing of an owner.
    const foreign = `gatehouse_${randomBytes(6).toString('hex')}`;
    await callNft(usableNft(), [`add table inet ${foreign}`]);
    try {
      expect(await tables()).toContain(dead.instanceId);
      await dead.kill();
      await using next = newHost();
      await next.start();
      // Another gateway may have started at the same time and be the one that is at it.
      await expect.poll(tables).not.toContain(dead.instanceId);
      const present = await tables();
      expect(present).toContain(living.wall.table);
      expect(present).toContain(foreign);
    } finally {
      await removeInstance(docker(), dead.instanceId);
      await callNft(usableNft(), ['delete', 'table', 'inet', foreign]);
    }
  });

  it('is done without where it cannot be had, and what that means is told where it should have been there', async () => {
    const notices: string[] = [];
    const onNotice = (text: string): void => void notices.push(text);
    await using without = new ContainerHost(docker(), { nft: { missing: 'there is no nft' }, onNotice });
    await using one = await openServer(without);
    expect(await one.ask('here')).toBe('here');
    expect(without.wall.isUp).toBe(false);
    expect(notices).toEqual([]);

    await using failing = new ContainerHost(docker(), { nft: { command: '/bin/false' }, onNotice });
    await using two = await openServer(failing);
    expect(await two.ask('here')).toBe('here');
    expect(failing.wall.isUp).toBe(false);
    expect(notices.join()).toMatch(/rests on Docker's own rules alone/);
    await Promise.all([one.transport.close(), two.transport.close()]);
    expect([...(await left(without)), ...(await left(failing))]).toEqual([]);
  });
});
