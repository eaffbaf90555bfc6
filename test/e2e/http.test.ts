/** The edge: who may come in, and what happens to requests that are wrong. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type RunningGateway } from '../rig/gateway.ts';
import { startHttpFixture, type HttpFixture } from '../rig/servers.ts';
import { rawClient } from './raw-client.ts';

const SECOND_ID = 'second-agent-0123456789';
const PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}';

let web: HttpFixture;
let gateway: RunningGateway;

beforeAll(async () => {
  web = await startHttpFixture();
  gateway = await startGateway({
    config: {
      mcpServers: { web: { type: 'http', url: web.url } },
      gateway: {
        agentIds: ['first-agent-0123456789', SECOND_ID],
        allowedOrigins: ['https://app.example.com'],
        allowedHosts: ['gate.example.com'],
      },
    },
  });
});
afterAll(async () => {
  await gateway.stop();
  await web[Symbol.asyncDispose]();
});

async function post(
  headers: Record<string, string>,
  body: string | Uint8Array<ArrayBuffer> = PING,
  path = '/mcp/web',
): Promise<Response> {
  return fetch(`${gateway.origin}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
}

/** Sends bytes as they are and gives the first line of the answer. */
async function sendRaw(bytes: string): Promise<string> {
  const socket = connect(Number(new URL(gateway.origin).port), '127.0.0.1');
  await once(socket, 'connect');
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
  socket.on('error', () => undefined);
  socket.write(bytes);
  if (!bytes.includes('keep-alive')) socket.end();
  await once(socket, 'close');
  return received.split('\r\n')[0] ?? '';
}

describe('authentication', () => {
  it.each([SECOND_ID, `Bearer ${SECOND_ID}`, `bearer ${SECOND_ID}`, 'first-agent-0123456789'])(
    'T-AUTH-001 accepts %s',
    async (authorization) => {
      expect((await post({ authorization })).status).toBe(200);
    },
  );

  it.each(['wrong', `Bearer ${SECOND_ID}x`, `Basic ${SECOND_ID}`, SECOND_ID.toUpperCase()])(
    'T-AUTH-002 refuses %s',
    async (authorization) => {
      const response = await post({ authorization });
      expect(response.status).toBe(401);
      const text = await response.text();
      expect(JSON.parse(text)).toMatchObject({ error: { code: -32003 } });
      expect(text).not.toContain(authorization);
    },
  );

  it('T-AUTH-003 refuses a request without Authorization', async () => {
    const response = await post({});
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error: { message: 'The Authorization header is missing.' } });
  });

  it.each(['Bearer', 'a\tb'])('answers 400 to the malformed value %j', async (authorization) => {
    expect((await post({ authorization })).status).toBe(400);
  });

  it('refuses two Authorization headers', async () => {
    const line = await sendRaw(
      `POST /mcp/web HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${SECOND_ID}\r\nAuthorization: ${SECOND_ID}\r\nContent-Type: application/json\r\nContent-Length: ${PING.length}\r\nConnection: close\r\n\r\n${PING}`,
    );
    expect(line).toBe('HTTP/1.1 400 Bad Request');
  });

  it('T-AUTH-004 asks nobody for credentials at /health and /ready', async () => {
    expect((await fetch(`${gateway.origin}/health`)).status).toBe(200);
    expect((await fetch(`${gateway.origin}/ready`)).status).toBe(200);
    expect((await fetch(`${gateway.origin}/status`)).status).toBe(401);
  });

  it('MCP-SES-002 a session of one principal does not exist for another', async () => {
    const client = await rawClient(gateway.url('web'), SECOND_ID);
    expect((await client.request('tools/list')).status).toBe(200);
    const foreign = await client.post(PING, { authorization: 'first-agent-0123456789' });
    expect(foreign.status).toBe(404);
  });
});

describe('Host and Origin', () => {
  it.each(['localhost', '127.0.0.1:99', '[::1]:1', 'gate.example.com', 'LOCALHOST:8080'])(
    'accepts the Host %s',
    async (host) => {
      const line = await sendRaw(
        `POST /mcp/web HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${SECOND_ID}\r\nContent-Type: application/json\r\nContent-Length: ${PING.length}\r\nConnection: close\r\n\r\n${PING}`,
      );
      expect(line).toBe('HTTP/1.1 200 OK');
    },
  );

  it.each(['evil.example', 'localhost.evil.example', '[::1].evil', 'xlocalhost', '10.0.0.1'])(
    'refuses the Host %s',
    async (host) => {
      const line = await sendRaw(
        `POST /mcp/web HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${SECOND_ID}\r\nContent-Type: application/json\r\nContent-Length: ${PING.length}\r\nConnection: close\r\n\r\n${PING}`,
      );
      expect(line).toBe('HTTP/1.1 403 Forbidden');
    },
  );

  it('refuses two Hosts', async () => {
    const line = await sendRaw(
      `POST /mcp/web HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nAuthorization: ${SECOND_ID}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
    );
    expect(line).toBe('HTTP/1.1 400 Bad Request');
  });

  it.each([
    ['https://app.example.com', 200],
    ['http://localhost:5173', 200],
    ['https://evil.example', 403],
    ['null', 403],
    ['http://localhost.evil.example', 403],
  ])('answers the Origin %s with %i', async (origin, status) => {
    expect((await post({ authorization: SECOND_ID, origin })).status).toBe(status);
  });
});

describe('bodies and paths', () => {
  const authorization = SECOND_ID;

  it.each([
    ['not json', 400, -32700],
    ['', 400, -32700],
    ['[]', 400, -32600],
    ['{"jsonrpc":"2.0","id":1}', 400, -32600],
    ['{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', 400, -32600],
  ])('T-ERR-003 answers %j with a JSON-RPC error', async (body, status, code) => {
    const response = await post({ authorization }, body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ jsonrpc: '2.0', id: null, error: { code } });
  });

  it('refuses bytes that are not UTF-8', async () => {
    const response = await post({ authorization }, new Uint8Array([0x7b, 0xff, 0x7d]));
    expect(await response.json()).toMatchObject({ error: { code: -32700, message: 'The body is not valid UTF-8.' } });
  });

  it('answers 413 to a body over the limit, announced or not', async () => {
    const big = `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"${'x'.repeat(5 * 1024 * 1024)}"}}`;
    const announced = await post({ authorization }, big).catch((error: unknown) => error);
    // The rest of the body is not read, so that a client that is still writing may see the connection end instead.
    if (announced instanceof Response) expect(announced.status).toBe(413);
    const line = await sendRaw(
      `POST /mcp/web HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nContent-Length: 5000000\r\n\r\n`,
    );
    expect(line).toBe('HTTP/1.1 413 Payload Too Large');
    expect((await post({ authorization })).status).toBe(200);
  });

  it('answers 415 to another media type and 406 when nothing acceptable is accepted', async () => {
    expect(
      (
        await fetch(gateway.url('web'), {
          method: 'POST',
          headers: { authorization, 'content-type': 'text/plain' },
          body: PING,
        })
      ).status,
    ).toBe(415);
    expect((await post({ authorization, accept: 'text/html' })).status).toBe(406);
  });

  it('answers headers that are too large with 431', async () => {
    const line = await sendRaw(`POST /mcp/web HTTP/1.1\r\nHost: localhost\r\nX-Big: ${'x'.repeat(20_000)}\r\n\r\n`);
    expect(line).toBe('HTTP/1.1 431 Request Header Fields Too Large');
  });

  it.each([
    ['/mcp/nobody', 404],
    ['/mcp/web/extra', 404],
    ['/', 404],
    ['/.well-known/oauth-authorization-server', 404],
    ['/mcp/%zz', 404],
  ])('answers %s with %i', async (path, status) => {
    expect((await post({ authorization }, PING, path)).status).toBe(status);
  });

  it('MCP-SES-003 MCP-SES-004 answers unknown sessions with 404 and a missing one with 400 where it is needed', async () => {
    expect((await post({ authorization, 'mcp-session-id': 'no-such-session' })).status).toBe(404);
    expect((await fetch(gateway.url('web'), { headers: { authorization, accept: 'text/event-stream' } })).status).toBe(
      400,
    );
    expect((await fetch(gateway.url('web'), { method: 'DELETE', headers: { authorization } })).status).toBe(400);
  });

  it('MCP-SES-008 refuses a protocol version that it does not speak', async () => {
    expect((await post({ authorization, 'mcp-protocol-version': '1999-01-01' })).status).toBe(400);
    expect((await post({ authorization, 'mcp-protocol-version': '2025-03-26' })).status).toBe(200);
  });

  it('carries one correlation id in header, error and log', async () => {
    const response = await post({ authorization }, 'not json');
    const requestId = response.headers.get('x-request-id');
    expect(requestId).toMatch(/^[0-9a-f]{16}$/);
    expect(await response.json()).toMatchObject({ error: { data: { requestId } } });
    await gateway.until(({ stderr }) => (stderr.includes(requestId ?? '') ? true : undefined));
  });
});
