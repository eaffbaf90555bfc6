/** Servers in containers that are registered over the API, in real Docker. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dockerMissing } from '../rig/docker.ts';
import { fixtureImage } from '../rig/images.ts';
import { NOTHING, trackLeftovers } from '../rig/leftovers.ts';
import { type ManagedGateway, startManaged } from '../rig/managed-gateway.ts';
import { type EmbeddedStore, openTemporaryStore } from '../rig/store.ts';

describe.skipIf(dockerMissing())('registered containers', () => {
  let store: EmbeddedStore;
  let gateway: ManagedGateway;
  beforeAll(async () => {
    store = await openTemporaryStore();
    gateway = await startManaged({ store });
  });
  afterAll(async () => {
    await gateway.stop();
    await store[Symbol.asyncDispose]();
  });

  it('run hardened as those of a file, with variables that are never shown, and are gone with their row', async () => {
    const image = await fixtureImage();
    const created = await gateway.call('POST', '/gateways', {
      name: 'box',
      container: image,
      network: 'none',
      env: { FIXTURE_SECRET: 'of the container' },
    });
    expect(created).toMatchObject({
      status: 201,
      body: { type: 'stdio', env: { FIXTURE_SECRET: '*****' }, status: { health: 'healthy', transport: 'container' } },
    });
    const params = { name: 'env', arguments: { name: 'FIXTURE_SECRET' } };
    expect(JSON.stringify(await gateway.rpc('/mcp/box', 'tools/call', params))).toContain('of the container');
    // Whoever may say what runs there would read the variables, or send them away.
    const env = { FIXTURE_SECRET: '*****' };
    for (const change of [
      { container: 'registry.example.com/elsewhere:1' },
      { entrypoint: '/bin/sh', entrypointArgs: ['-c', 'env'] },
      { env: { ...env, NODE_OPTIONS: '--require /tmp/own.js' } },
      { network: 'isolated', env },
    ]) {
      expect(await gateway.call('PUT', '/gateways/box', { ...change, enabled: false })).toMatchObject({
        status: 422,
        body: { errors: [{ pointer: '/env/FIXTURE_SECRET' }] },
      });
    }
    expect((await gateway.call('PUT', '/gateways/box', { env, toolTimeout: 30 })).status).toBe(200);
    const leftovers = await trackLeftovers(gateway);
    expect((await gateway.call('DELETE', '/gateways/box')).status).toBe(204);
    await expect.poll(leftovers).toEqual(NOTHING);
  });

  it('obey the mount roots of the gateway', async () => {
    const image = await fixtureImage();
    const answer = await gateway.call('POST', '/gateways', {
      name: 'host',
      container: image,
      mounts: ['/etc:/etc:ro'],
    });
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ pointer: '/mounts/0' }] } });
    expect((await gateway.call('GET', '/gateways/host')).status).toBe(404);
  });
});
