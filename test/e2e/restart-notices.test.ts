/** A container that dies comes back, and clients are told that its lists may have changed. */
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, it } from 'vitest';
import { connectV1 } from '../rig/clients.ts';
import { dockerMissing } from '../rig/docker.ts';
import { startGateway } from '../rig/gateway.ts';
import { fixtureImage } from '../rig/images.ts';

describe.skipIf(dockerMissing())('a container that has crashed', () => {
  it('T-ISO-005 fails its call with a reason, comes back, and its clients are told to list again', async () => {
    await using gateway = await startGateway({
      config: { mcpServers: { box: { container: await fixtureImage() } } },
    });
    const told = Promise.withResolvers<void>();
    await using one = await connectV1(gateway.url('box'), {
      authorization: gateway.authorization,
      prepare: (client) => client.setNotificationHandler(ToolListChangedNotificationSchema, () => told.resolve()),
    });
    const before = await one.client.listTools();
    await expect(one.client.callTool({ name: 'crash', arguments: { code: 3 } })).rejects.toThrow(
      /exited with status 3/,
    );
    await told.promise;
    expect((await one.client.listTools()).tools).toEqual(before.tools);
    expect(await one.client.callTool({ name: 'echo', arguments: { text: 'back' } })).toMatchObject({
      structuredContent: { arguments: { text: 'back' } },
    });
  });
});
