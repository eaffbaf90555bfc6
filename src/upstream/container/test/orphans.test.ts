import { describe, expect, it } from 'vitest';
import { dockerMissing } from '../../../../test/rig/docker.ts';
import { callEngine } from '../engine-command.ts';
import { createNetwork, listOwned } from '../engine.ts';
import { removeInstance } from '../orphans.ts';
import { docker, ECHO, left, newHost, shellServer, Wire } from './containers.ts';
import { startOwner } from './start-owner.ts';

const kinds = async (instanceId: string): Promise<string[]> =>
  (await listOwned(docker(), instanceId)).map(({ kind }) => kind).sort();

describe.skipIf(dockerMissing())('orphans', () => {
  it('of a gateway that was killed are found and removed by the next, and those of living ones are not touched', async () => {
    await using living = newHost();
    await using wire = new Wire(living, await shellServer({ network: 'isolated', script: ECHO }));
    await wire.open();
    await wire.ask('{}');
    const [dead, other] = await Promise.all([startOwner(), startOwner()]);
    try {
      // Before its end: afterwards any gateway that starts on this machine may clear them away.
      expect(await kinds(dead.instanceId)).toEqual(['container', 'network']);
      await dead.kill();

      await using next = newHost();
      const found = await next.start();
      expect(found.version).toMatch(/^\d+\./);
      // Another gateway may have started at the same time and be the one that is at it: what counts is that they go.
      await expect.poll(() => kinds(dead.instanceId)).toEqual([]);
      expect(await kinds(other.instanceId)).toEqual(['container', 'network']);
      expect((await left(living)).length).toBe(2);
      expect(await wire.ask('still here')).toBe('still here');
    } finally {
      await other.kill();
      await removeInstance(docker(), other.instanceId);
      await removeInstance(docker(), dead.instanceId);
      // What they had in the packet filter goes as what any dead gateway has there.
      await using last = newHost();
      await last.start();
    }
    await expect.poll(() => kinds(other.instanceId)).toEqual([]);
  });

  it('are only what carries our labels, and what cannot be judged is left alone and told', async () => {
    await using host = newHost();
    const engine = docker();
    const name = host.nameFor('elsewhere');
    const foreign = `${name}-foreign`;
    const labels = { ...host.labelsFor('elsewhere'), 'gatehouse.process': 'another-machine/boot/1/1/1' };
    await createNetwork(engine, name, labels);
    await createNetwork(engine, foreign, { 'com.example.instance': host.instance.id });
    try {
      const found = await host.start();
      expect(found.undecided.map(({ id }) => id)).toContain(name);
      expect(found.removed.map(({ id }) => id)).not.toContain(foreign);
      const list = await callEngine(engine, ['network', 'ls', '--format', '{{.Name}}'], 60_000);
      expect(list.stdout.split('\n')).toEqual(expect.arrayContaining([name, foreign]));
    } finally {
      await callEngine(engine, ['network', 'rm', name, foreign], 30_000);
    }
  });
});
