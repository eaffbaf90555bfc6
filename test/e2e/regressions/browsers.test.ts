/** Pages of allowed origins can use the gateway, and an address that is bound on all interfaces can be called by IP. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { startGateway } from '../../rig/gateway.ts';
import { startFakeServer } from './fake-server.ts';

const PAGE = 'https://app.example.com';

it('a page of an allowed origin may ask before it calls, and may read the answer with its session id', async () => {
  await using server = await startFakeServer();
  await using gateway = await startGateway({
    config: { mcpServers: { web: { type: 'http', url: server.url } }, gateway: { allowedOrigins: [PAGE] } },
  });
  const preflight = (origin: string): Promise<Response> =>
    fetch(gateway.url('web'), {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,mcp-session-id',
      },
    });
  const allowed = await preflight(PAGE);
  expect(allowed.status).toBe(204);
  expect(allowed.headers.get('access-control-allow-origin')).toBe(PAGE);
  expect(allowed.headers.get('access-control-allow-methods')).toContain('POST');
  expect(allowed.headers.get('access-control-allow-headers')).toMatch(/authorization.*content-type.*mcp-session-id/);
  const foreign = await preflight('https://evil.example.com');
  expect(foreign.status).toBe(403);
  expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
  const called = await fetch(gateway.url('web'), {
    method: 'POST',
    headers: { origin: PAGE, authorization: gateway.authorization, 'content-type': 'application/json' },
    body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
  });
  expect(called.headers.get('access-control-allow-origin')).toBe(PAGE);
  expect(called.headers.get('access-control-expose-headers')).toContain('mcp-session-id');
});

/** The status line of the answer to a request with this Host. */
async function statusFor(port: number, address: string, host: string, authorization: string): Promise<string> {
  const socket = connect(port, address);
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
  socket.write(`GET /status HTTP/1.1\r\nhost: ${host}\r\nauthorization: ${authorization}\r\nconnection: close\r\n\r\n`);
  await once(socket, 'close');
  return answer.split('\r\n')[0] ?? '';
}

it.each([
  ['0.0.0.0:0', '127.0.0.1'],
  ['[::]:0', '::1'],
])('bound to %s the gateway can be called by any of its addresses but by no strange name', async (listen, address) => {
  await using server = await startFakeServer();
  await using gateway = await startGateway({
    args: ['--listen', listen],
    config: { mcpServers: { web: { type: 'http', url: server.url } } },
  });
  const port = Number(new URL(gateway.origin).port);
  for (const host of ['192.0.2.5:8080', '[2001:db8::1]:8080']) {
    expect(await statusFor(port, address, host, gateway.authorization)).toBe('HTTP/1.1 200 OK');
  }
  expect(await statusFor(port, address, 'rebound.example.com', gateway.authorization)).toMatch(/ 403 /);
});
