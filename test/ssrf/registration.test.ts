/** What somebody registers over the API of a real gateway leads nowhere inside, and the operator's list is what opens it. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { startManaged } from '../rig/managed-gateway.ts';
import { startHttpFixture } from '../rig/servers.ts';
import { openTemporaryStore, type TemporaryStore } from '../rig/store.ts';
import { type ForbiddenPlace, startForbiddenPlace } from './places.ts';

let store: TemporaryStore;
let forbidden: ForbiddenPlace;
beforeAll(async () => {
  store = await openTemporaryStore();
  forbidden = await startForbiddenPlace();
});
afterEach(() => expect(forbidden.connections).toBe(0));
afterAll(async () => {
  await forbidden[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
});

const INSIDE = ['127.0.0.1', 'localhost', '[::1]', '2130706433', '0.0.0.0', '[::ffff:127.0.0.1]', '[64:ff9b::7f00:1]'];

it('D with an empty list nothing inside can be registered or tested, and nothing is connected to', async () => {
  await using gateway = await startManaged({ store, env: { MCP_GATEWAY_ALLOWED_NETWORKS: '' } });
  for (const host of [...INSIDE, '169.254.169.254', '10.0.0.1', '100.64.0.1', '[fd00:ec2::254]']) {
    const url = `http://${host}:${forbidden.port}/mcp`;
    const registered = await gateway.call('POST', '/gateways', { name: 'inside', url });
    expect(registered.status, host).toBe(422);
    expect(JSON.stringify(registered.body), host).toMatch(/gateway\.allowedNetworks/);
    const tested = await gateway.call('POST', '/gateways/test', { name: 'inside', url });
    expect(JSON.stringify(tested.body), host).toMatch(/gateway\.allowedNetworks/);
  }
  const { body } = await gateway.call('GET', '/gateways');
  expect(body['items']).toEqual([]);
});

it('D a gateway that others can reach allows nothing inside unless it is told to', async () => {
  await using web = await startHttpFixture();
  const { port } = new URL(web.url);
  const args = ['--listen', '0.0.0.0:0'];
  {
    await using gateway = await startManaged({ store, args });
    const refused = await gateway.call('POST', '/gateways', { name: 'web', url: web.url });
    expect(refused.status).toBe(422);
    expect(JSON.stringify(refused.body)).toMatch(/127\.0\.0\.1 is a loopback address/);
  }
  await using gateway = await startManaged({ store, args, env: { MCP_GATEWAY_ALLOWED_NETWORKS: `127.0.0.1:${port}` } });
  expect((await gateway.call('POST', '/gateways', { name: 'web', url: web.url })).status).toBe(201);
  const other = await gateway.call('POST', '/gateways', {
    name: 'inside',
    url: `http://127.0.0.1:${forbidden.port}/mcp`,
  });
  expect(JSON.stringify(other.body)).toMatch(/gateway\.allowedNetworks/);
});
