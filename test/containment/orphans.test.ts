/** `kill -9` of a gateway: the next one clears away what it left, and touches nothing of a gateway that lives. */
import { describe, expect, it } from 'vitest';
import { rawClient } from '../e2e/raw-client.ts';
import { dockerMissing } from '../rig/docker.ts';
import { type RunningGateway, startGateway } from '../rig/gateway.ts';
import { busyboxImage } from '../rig/images.ts';
import { NOTHING, trackLeftovers, trackThings } from '../rig/leftovers.ts';
import { TINY_SERVER } from './tiny-server.ts';

/** Heeds neither the end of its input nor SIGTERM: only the next gateway can end it. */
const STUBBORN = `trap '' TERM HUP\n${TINY_SERVER}\nwhile :; do sleep 1; done`;

async function start(script: string, network: unknown = 'isolated'): Promise<RunningGateway> {
  const box = { container: await busyboxImage(), entrypoint: 'sh', entrypointArgs: ['-c', script], network };
  return startGateway({ config: { mcpServers: { box } } });
}

describe.skipIf(dockerMissing())('a gateway that was killed', () => {
  it.each([
    ['a network of its own', 'isolated'],
    ['a proxy for listed hosts', { allow: ['api.example.com'] }],
  ] as const)(
    'T-LIFE-004 leaves nothing behind once another has started: %s',
    { timeout: 300_000 },
    async (_what, network) => {
      await using living = await start(TINY_SERVER);
      await using dead = await start(STUBBORN, network);
      const leftOfDead = await trackThings(dead);
      // Before its end: afterwards any gateway that starts on this machine may clear them away.
      expect((await leftOfDead()).containers.length).toBeGreaterThan(0);
      dead.kill('SIGKILL');
      await dead.exited;

      await using next = await start(TINY_SERVER);
      // Another gateway may have started at the same time and be the one that is at it.
      await expect.poll(leftOfDead).toEqual({ containers: [], networks: [] });
      for (const gateway of [living, next]) {
        const client = await rawClient(gateway.url('box'), gateway.authorization);
        expect((await client.request('tools/call', { name: 'hi', arguments: {} })).answer.result).toBeDefined();
      }
      const leftOfOthers = await Promise.all([trackLeftovers(living), trackLeftovers(next)]);
      await Promise.all([living.stop(), next.stop()]);
      for (const left of leftOfOthers) expect(await left()).toEqual(NOTHING);
    },
  );
});
