/** The keys of a token issuer that are found by its metadata: what an issuer names must not lead inside either. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { keySetLocation } from '../../src/auth/jwt/discovery.ts';
import { AddressPolicy } from '../../src/shared/address-policy.ts';
import { Connector } from '../../src/upstream/http/connector.ts';
import { jsonFetcher } from '../../src/upstream/http/json-fetcher.ts';
import { type ForbiddenPlace, startForbiddenPlace } from './places.ts';

let forbidden: ForbiddenPlace;
let issuer: Server;
let keys: (port: number) => string;
beforeAll(async () => {
  forbidden = await startForbiddenPlace();
  // The issuer itself is inside, too: that is for the operator who names it to say.
  issuer = createServer((request, response) => {
    const { port } = issuer.address() as AddressInfo;
    const document = request.url?.startsWith('/.well-known/')
      ? { issuer: `http://127.0.0.1:${port}`, jwks_uri: keys(port) }
      : { keys: [] };
    response.end(JSON.stringify(document));
  });
  issuer.listen(0, '127.0.0.1');
  await once(issuer, 'listening');
});
afterEach(() => expect(forbidden.connections).toBe(0));
afterAll(async () => {
  issuer.closeAllConnections();
  await new Promise((resolve) => issuer.close(resolve));
  await forbidden[Symbol.asyncDispose]();
});

async function fetchKeys(): Promise<unknown> {
  const way = { connectTimeoutMs: 30_000, identity: undefined };
  await using trusted = new Connector(way);
  await using guarded = new Connector({ ...way, guard: { policy: new AddressPolicy([]) } });
  const fetchJson = jsonFetcher({ trusted, guarded });
  const origin = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
  return await fetchJson(await keySetLocation(origin, fetchJson), new URL(origin));
}

it('D jwks_uri within the origin of the issuer is asked', async () => {
  keys = (port) => `http://127.0.0.1:${port}/keys`;
  expect(await fetchKeys()).toEqual({ keys: [] });
});

it.each(['127.0.0.1', 'localhost', '[::1]', '2130706433', '[::ffff:127.0.0.1]', '0.0.0.0'])(
  'D jwks_uri does not lead to %s',
  async (host) => {
    keys = () => `http://${host}:${forbidden.port}/keys`;
    await expect(fetchKeys()).rejects.toThrow(/gateway\.allowedNetworks/);
  },
);
