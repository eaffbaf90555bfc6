/** `start: lazy`: a server that starts with the first request that needs it. */
import { describe, expect, it } from 'vitest';
import { TINY_SERVER } from '../containment/tiny-server.ts';
import { dockerMissing } from '../rig/docker.ts';
import { startGateway } from '../rig/gateway.ts';
import { busyboxImage } from '../rig/images.ts';
import { NOTHING, trackLeftovers } from '../rig/leftovers.ts';
import { rawClient } from './raw-client.ts';

describe.skipIf(dockerMissing())('a lazy server', () => {
  it('is stopped in the health of the gateway, starts with the first call, and leaves nothing', async () => {
    const box = { container: await busyboxImage(), entrypoint: 'sh', entrypointArgs: ['-c', TINY_SERVER] };
    await using gateway = await startGateway({
      config: {
        mcpServers: { now: box, later: { ...box, start: 'lazy' }, never: { container: 'no/such:1', start: 'lazy' } },
      },
    });
    const health = async (): Promise<unknown> => (await fetch(`${gateway.origin}/health`)).json();
    expect(await health()).toMatchObject({
      status: 'healthy',
      servers: { now: { status: 'running' }, later: { status: 'stopped' }, never: { status: 'stopped' } },
    });
    const client = await rawClient(gateway.url('later'), gateway.authorization);
    const { answer } = await client.request('tools/call', { name: 'hi', arguments: {} });
    expect(answer.result).toMatchObject({ content: [{ text: 'hi' }] });
    expect(await health()).toMatchObject({ servers: { later: { status: 'running' }, never: { status: 'stopped' } } });
    const left = await trackLeftovers(gateway);
    await gateway.stop();
    expect(await left()).toEqual(NOTHING);
  });
});
