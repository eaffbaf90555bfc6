/** An issuer changes its keys while a gateway runs: new ones count, and those that it takes back open nothing any more. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT } from 'jose';
import { expect, it } from 'vitest';
import { AGENT_ID } from '../../rig/gateway.ts';
import { startManaged } from '../../rig/managed-gateway.ts';
import { startHttpFixture } from '../../rig/servers.ts';
import { openTemporaryStore } from '../../rig/store.ts';

interface Key {
  readonly kid: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

function newKey(kid: string): Key {
  return { kid, ...generateKeyPairSync('ed25519') };
}

/** Publishes its keys as an identity provider does. */
async function startIssuer(
  keys: readonly Key[],
): Promise<AsyncDisposable & { readonly url: string; keys: readonly Key[] }> {
  const server = createServer((request, response) => {
    const published = issuer.keys.map(({ kid, publicKey }) => ({ ...publicKey.export({ format: 'jwk' }), kid }));
    const isMetadata = request.url?.startsWith('/.well-known/') === true;
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify(isMetadata ? { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` } : { keys: published }),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    keys,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return issuer;
}

it('a rotation at the issuer is followed without a restart', { timeout: 180_000 }, async () => {
  const [one, two] = [newKey('one'), newKey('two')];
  await using issuer = await startIssuer([one]);
  await using web = await startHttpFixture();
  await using store = await openTemporaryStore();
  const resource = 'https://gateway.example.com';
  await using gateway = await startManaged({
    store,
    config: {
      mcpServers: { web: { type: 'http', url: web.url } },
      gateway: {
        port: 3000,
        domain: 'localhost',
        agentId: AGENT_ID,
        auth: { resource, issuers: [{ issuer: issuer.url, roles: ['developer'] }] },
      },
    },
  });
  const signed = async ({ kid, privateKey }: Key): Promise<string> =>
    new SignJWT({ nonce: Math.random() })
      .setProtectedHeader({ alg: 'EdDSA', kid })
      .setIssuer(issuer.url)
      .setAudience(resource)
      .setSubject('ann')
      .setIssuedAt()
      .setExpirationTime('10m')
      .sign(privateKey);
  const outcome = async (token: string): Promise<string> => {
    const answer = await gateway.rpc('/mcp/web', 'tools/call', { name: 'echo', arguments: { text: 'let in' } }, token);
    return 'result' in answer ? 'let in' : 'refused';
  };
  const early = await signed(one);
  expect(await outcome(early)).toBe('let in');
  expect(await outcome(await signed(two))).toBe('refused');

  // Both count for a while, as an issuer does it that rotates with care.
  issuer.keys = [one, two];
  await expect.poll(async () => outcome(await signed(two)), { timeout: 90_000, interval: 1_000 }).toBe('let in');
  expect(await outcome(early)).toBe('let in');

  // The old one is taken back: with a token that names a key nobody knows the gateway looks again.
  issuer.keys = [two];
  await expect
    .poll(
      async () => {
        await outcome(await signed(newKey('three')));
        return outcome(early);
      },
      { timeout: 90_000, interval: 1_000 },
    )
    .toBe('refused');
  expect(await outcome(await signed(two))).toBe('let in');
  expect(await outcome(await signed(one))).toBe('refused');
});
