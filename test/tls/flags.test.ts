/** The flags of gh-aw-mcpg for TLS and signed requests, as a caller of that program uses them. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, fetch, type RequestInit, type Response } from 'undici';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sign } from '../../src/auth/hmac-signature.ts';
import { startGateway } from '../rig/gateway.ts';
import { runMain } from '../rig/gateway-process.ts';
import { createPki, type Issued, type Pki } from '../rig/pki.ts';
import { startHttpFixture } from '../rig/servers.ts';

let pki: Pki;
let server: Issued;
beforeAll(() => {
  pki = createPki();
  server = pki.issue('localhost', { san: 'DNS:localhost,IP:127.0.0.1' });
});
afterAll(() => pki[Symbol.dispose]());

it('--tls-cert, --tls-key and --tls-ca make an HTTPS listener that wants client certificates', async () => {
  await using web = await startHttpFixture();
  await using gateway = await startGateway({
    config: { mcpServers: { web: { type: 'http', url: web.url } } },
    args: ['--tls-cert', server.cert, '--tls-key', server.key, '--tls-ca', pki.ca.cert],
  });
  const url = gateway.document.mcpServers['web']?.url ?? '';
  expect(url).toMatch(/^https:\/\/localhost:\d+\/mcp\/web$/);
  const client = pki.issue('Client');
  const ca = readFileSync(pki.ca.cert);
  const certified = new Agent({ connect: { ca, cert: readFileSync(client.cert), key: readFileSync(client.key) } });
  const bare = new Agent({ connect: { ca } });
  const ping = (dispatcher: Agent): Promise<Response> => fetch(url, { ...rpc(gateway.authorization), dispatcher });
  expect((await ping(certified)).status).toBe(200);
  await expect(ping(bare)).rejects.toThrow('fetch failed');
  await Promise.all([certified.destroy(), bare.destroy()]);
});

it('the variables MCP_GATEWAY_TLS_CERT, _TLS_KEY and _CA_CERT stand in for them', async () => {
  await using gateway = await startGateway({
    config: {
      mcpServers: { away: { type: 'http', url: 'http://127.0.0.1:9/mcp' } },
      gateway: { startup: 'resilient' },
    },
    env: { MCP_GATEWAY_TLS_CERT: server.cert, MCP_GATEWAY_TLS_KEY: server.key, MCP_GATEWAY_CA_CERT: pki.ca.cert },
  });
  expect(Object.values(gateway.document.mcpServers)[0]?.url).toMatch(/^https:/);
});

it.each([
  [['--tls-cert', 'x.crt'], /--tls-cert and --tls-key must be given together/],
  [['--tls-key', 'x.key'], /--tls-cert and --tls-key must be given together/],
  [['--tls-ca', 'x.crt'], /--tls-ca needs --tls-cert and --tls-key/],
])('half of them is a mistake: %s', async (args, message) => {
  const program = runMain(['serve', '--config-stdin', ...args], '{}');
  expect((await program.exited).status).toBe(1);
  expect(program.stderr).toMatch(message);
});

it('--hmac-secret: requests to /mcp must be signed, once each, over time, path and body', async () => {
  await using web = await startHttpFixture();
  await using gateway = await startGateway({
    config: { mcpServers: { web: { type: 'http', url: web.url } } },
    args: ['--hmac-secret', 'a shared secret'],
  });
  const url = gateway.url('web');
  const request = rpc(gateway.authorization);
  const send = async (headers: Readonly<Record<string, string>>, body = request.body, to = url): Promise<string> => {
    const response = await fetch(to, { ...request, body, headers: { ...request.headers, ...headers } });
    const { error } = (await response.json()) as { error?: { message: string } };
    return `${response.status} ${error?.message ?? 'ok'}`;
  };
  const signed = (
    change: Partial<Parameters<typeof sign>[1]> = {},
    secret = 'a shared secret',
  ): Record<string, string> => {
    const timestamp = change.timestamp ?? String(Math.floor(Date.now() / 1000));
    const parts = { timestamp, nonce: randomUUID(), path: '/mcp/web', body: request.body, ...change };
    return {
      'x-mcp-timestamp': timestamp,
      'x-mcp-nonce': parts.nonce,
      'x-mcp-signature': sign(secret, parts),
    };
  };
  expect(await send(signed())).toBe('200 ok');
  expect(await send({})).toBe('401 missing HMAC signature headers');
  const once = signed();
  expect(await send(once)).toBe('200 ok');
  expect(await send(once)).toBe('401 HMAC nonce already used (replay detected)');
  expect(await send(signed(), request.body.replace('ping', 'tools/list'))).toBe('401 invalid HMAC signature');
  expect(await send(signed({ path: '/mcp/other' }))).toBe('401 invalid HMAC signature');
  expect(await send(signed({}, 'another secret'))).toBe('401 invalid HMAC signature');
  const old = String(Math.floor(Date.now() / 1000) - 60);
  expect(await send(signed({ timestamp: old }))).toBe('401 HMAC timestamp out of acceptable window');
  expect(await send(signed({ timestamp: 'soon' }))).toBe('401 invalid HMAC timestamp');
  // Without an agent id the best signature opens nothing, and operators need none.
  expect(await send({ ...signed(), authorization: 'Bearer wrong-0123456789abcdef' })).toMatch(/^401 /);
  const status = await fetch(`${gateway.origin}/status`, { headers: { authorization: gateway.authorization } });
  expect(status.status).toBe(200);
  await status.body?.cancel();
});

interface SignedRequest extends RequestInit {
  readonly body: string;
  readonly headers: Record<string, string>;
}

function rpc(authorization: string): SignedRequest {
  return {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
  };
}
