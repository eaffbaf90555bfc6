import { describe, expect, it } from 'vitest';
import { dockerMissing } from '../../../../test/rig/docker.ts';
import type { Engine } from '../engine-command.ts';
import {
  createNetwork,
  hasImage,
  listOwned,
  pingEngine,
  removeContainers,
  removeNetwork,
  stopContainer,
} from '../engine.ts';
import { docker, left, newHost, shellServer, Wire } from './containers.ts';

describe.skipIf(dockerMissing())('an engine that answers', () => {
  it('takes what is gone already for gone', async () => {
    const name = `gatehouse-never-${Math.random().toString(36).slice(2)}`;
    expect(await pingEngine(docker())).toMatch(/^\d+\./);
    expect(await hasImage(docker(), `${name}:1`)).toBe(false);
    expect(await removeNetwork(docker(), name)).toBe(true);
    expect(await stopContainer(docker(), name, 1)).toBe(false);
    await removeContainers(docker(), [name]);
  });

  it('says why a network cannot be created', async () => {
    await expect(createNetwork(docker(), 'bridge', {})).rejects.toThrow(
      /^The network "bridge" cannot be created\. docker says: /,
    );
  });
});

describe.skipIf(dockerMissing())('an engine that does not answer', () => {
  const dead: Engine = {
    ...docker(),
    environment: { ...docker().environment, DOCKER_HOST: 'unix:///no/such/docker.sock' },
  };

  it('is not taken for one that has no image, no network and no container', async () => {
    await expect(pingEngine(dead)).rejects.toThrow(/docker does not answer\. Is its daemon running/);
    await expect(hasImage(dead, 'x')).rejects.toMatchObject({ code: 'server_unavailable' });
    await expect(listOwned(dead)).rejects.toMatchObject({ code: 'server_unavailable' });
    await expect(removeContainers(dead, ['x'])).rejects.toMatchObject({ code: 'server_unavailable' });
    expect(await removeNetwork(dead, 'x')).toBe(false);
    expect(await stopContainer(dead, 'x', 1)).toBe(true);
  });

  it('T-ERR-001 fails servers with its own words and does not keep the gateway from ending', async () => {
    const host = newHost(dead);
    await using isolated = new Wire(host, await shellServer({ network: 'isolated' }));
    await expect(isolated.open()).rejects.toThrow(/cannot be created\. docker says: .*daemon/i);
    await using alone = new Wire(host, await shellServer());
    await alone.open();
    expect((await alone.closed).message).toMatch(/cannot be started.*daemon/i);
    await Promise.all([isolated.transport.close(), alone.transport.close()]);
    await host[Symbol.asyncDispose]();
    await expect(left(host)).rejects.toThrow();
  });
});
