import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { idOf, json, openWire, serveHttp, serveTcp, type Handler } from './harness.ts';
import { freePort } from '../../../scripts/setup/free-port.ts';

const echo: Handler = (request, response) => json(response, { jsonrpc: '2.0', id: idOf(request), result: {} });

describe('T-PTL-007 a server that cannot be reached', () => {
  it('refused connection', async () => {
    const port = await freePort();
    await using wire = await openWire(`http://127.0.0.1:${port}/mcp`);
    await expect(wire.call(1, 'ping')).rejects.toMatchObject({
      code: 'server_unavailable',
      server: 'remote',
      detail: `connection refused by 127.0.0.1:${port}: nothing listens there`,
      message: `The MCP server cannot be reached: connection refused by 127.0.0.1:${port}: nothing listens there.`,
    });
  });

  it('refused on every address of the name', async () => {
    const port = await freePort();
    await using wire = await openWire(`http://localhost:${port}/mcp`);
    await expect(wire.call(1, 'ping')).rejects.toMatchObject({
      code: 'server_unavailable',
      detail: expect.stringContaining('connection refused') as unknown,
    });
  });

  it('name that does not exist, without the rest of the URL in the message', async () => {
    await using wire = await openWire('http://user:secret@no-such-host.invalid/mcp?key=secret');
    const failure: unknown = await wire.call(1, 'ping').catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'server_unavailable',
      detail: expect.stringMatching(/^the host name no-such-host\.invalid /) as unknown,
    });
    expect(String(failure)).not.toContain('secret');
  });

  it('server that takes the connection and never finishes the TLS handshake: connect timeout', async () => {
    const sockets: Socket[] = [];
    await using server = await serveTcp((socket) => sockets.push(socket));
    await using wire = await openWire(`https://127.0.0.1:${server.port}/mcp`, { config: { connectTimeoutMs: 200 } });
    await expect(wire.call(1, 'ping')).rejects.toMatchObject({
      code: 'server_unavailable',
      detail: `no connection to 127.0.0.1:${server.port} within the connect timeout`,
    });
    await expect.poll(() => sockets.length).toBe(1);
  });

  it('something that is not HTTP', async () => {
    await using server = await serveTcp((socket) => socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.2\r\n')));
    await using wire = await openWire(server.url);
    await expect(wire.call(1, 'ping')).rejects.toMatchObject({
      code: 'server_protocol_error',
      detail: expect.stringContaining('is not HTTP') as unknown,
    });
  });

  it('headers without end', async () => {
    await using server = await serveTcp((socket) =>
      socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\n${'x-filler: 0123456789\r\n'.repeat(2_000)}`)),
    );
    await using wire = await openWire(server.url);
    await expect(wire.call(1, 'ping')).rejects.toMatchObject({
      code: 'server_protocol_error',
      detail: expect.stringContaining('headers that are too large') as unknown,
    });
  });
});

describe('connections', () => {
  it('are used again', async () => {
    await using server = await serveHttp(echo);
    await using wire = await openWire(server.url);
    for (let id = 1; id <= 20; id++) await wire.call(id, 'ping');
    expect(server.connections()).toBeLessThan(10);
  });

  it('a kept connection that the server has closed meanwhile is replaced without an error', async () => {
    const sockets = new Set<Socket>();
    await using server = await serveTcp((socket) => {
      sockets.add(socket);
      socket.on('data', (bytes) => {
        const { id } = JSON.parse(bytes.toString().split('\r\n\r\n')[1] ?? '{}') as { id: number };
        const body = JSON.stringify({ jsonrpc: '2.0', id, result: {} });
        socket.write(
          `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
        );
      });
    });
    await using wire = await openWire(server.url);
    for (let id = 1; id <= 5; id++) {
      await wire.call(id, 'ping');
      for (const socket of sockets) socket.end();
      sockets.clear();
      await expect.poll(server.open).toBe(0);
    }
    expect(server.connections()).toBe(5);
  });

  it('MCP-CAN-006 a call is never sent twice, however the connection ends', async () => {
    let seen = 0;
    await using server = await serveTcp((socket) => {
      socket.on('data', () => {
        seen++;
        if (seen === 1) {
          const body = '{"jsonrpc":"2.0","id":1,"result":{}}';
          socket.write(
            `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
          );
        } else socket.resetAndDestroy();
      });
    });
    await using wire = await openWire(server.url);
    await wire.call(1, 'ping');
    await expect(wire.call(2, 'tools/call')).rejects.toMatchObject({ code: 'server_unavailable' });
    await expect(wire.call(3, 'tools/call')).rejects.toMatchObject({ code: 'server_unavailable' });
    expect(seen).toBe(3);
  });

  it('T-PTL-004 many calls at once do not wait for each other', async () => {
    const waiting: (() => void)[] = [];
    await using server = await serveHttp((request, response) => {
      waiting.push(() => void echo(request, response));
      // Nobody is answered before everybody has asked.
      if (waiting.length === 100) for (const answer of waiting) answer();
    });
    await using wire = await openWire(server.url);
    const answers = await Promise.all(Array.from({ length: 100 }, (_, id) => wire.call(id, 'tools/call')));
    expect(answers.map(({ id }) => id)).toEqual(Array.from({ length: 100 }, (_, id) => id));
  });
});

describe('redirects', () => {
  it.each([307, 308])('%i within the origin is followed with method, body and headers', async (status) => {
    await using server = await serveHttp((request, response) => {
      if (request.path === '/mcp') return void response.writeHead(status, { location: '/mcp/' }).end('moved');
      return echo(request, response);
    });
    await using wire = await openWire(server.url, { config: { headers: { authorization: 'Bearer secret' } } });
    await expect(wire.call(1, 'ping')).resolves.toMatchObject({ result: {} });
    expect(server.requests.map(({ method, path, headers }) => [method, path, headers.authorization])).toEqual([
      ['POST', '/mcp', 'Bearer secret'],
      ['POST', '/mcp/', 'Bearer secret'],
    ]);
  });

  it('to another origin is refused, and that origin gets no request', async () => {
    await using other = await serveHttp(echo);
    await using server = await serveHttp(
      (_request, response) => void response.writeHead(308, { location: other.url }).end(),
    );
    await using wire = await openWire(server.url, { config: { headers: { authorization: 'Bearer secret' } } });
    await expect(wire.call(1, 'ping')).rejects.toMatchObject({
      code: 'server_protocol_error',
      detail: `the server redirects to another origin, http://127.0.0.1:${other.port}, which is not followed; put the final URL into the configuration`,
    });
    expect(other.connections()).toBe(0);
  });
});

describe('configured headers', () => {
  it('go with POST, GET and DELETE, and cannot replace those of the protocol', async () => {
    await using server = await serveHttp((request, response) => {
      if (request.method === 'POST')
        return json(response, { jsonrpc: '2.0', id: idOf(request), result: {} }, { 'mcp-session-id': 's-1' });
      return void response.writeHead(405).end();
    });
    const headers = {
      Authorization: 'token abc',
      'X-Tenant': ' t1 ',
      Host: 'virtual.example:8443',
      Accept: 'text/plain',
      'Content-Type': 'text/plain',
      'Content-Length': '3',
      'Transfer-Encoding': 'chunked',
      Connection: 'close',
      'Mcp-Session-Id': 'forged',
      'mcp-protocol-version': '1999-01-01',
      'Last-Event-ID': '9',
    };
    await using wire = await openWire(server.url, { config: { headers } });
    await wire.call(1, 'ping');
    void wire.transport.listen?.();
    await expect.poll(() => server.requests.length).toBe(2);
    await wire.transport.close();
    expect(server.requests.map(({ method }) => method)).toEqual(['POST', 'GET', 'DELETE']);
    for (const request of server.requests) {
      expect(request.headers).toMatchObject({
        authorization: 'token abc',
        'x-tenant': 't1',
        host: 'virtual.example:8443',
        'user-agent': 'gatehouse',
      });
      expect(request.headers).not.toHaveProperty('mcp-protocol-version');
      expect(request.headers).not.toHaveProperty('last-event-id');
    }
    expect(server.requests[0]?.headers).toMatchObject({
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
    });
    expect(server.requests.map((request) => request.headers['mcp-session-id'])).toEqual([undefined, 's-1', 's-1']);
    expect(JSON.parse(wire.warnings[0] ?? '{}')).toMatchObject({
      headers: [
        'Accept',
        'Content-Type',
        'Content-Length',
        'Transfer-Encoding',
        'Connection',
        'Mcp-Session-Id',
        'mcp-protocol-version',
        'Last-Event-ID',
      ],
    });
  });

  it.each([
    [
      'a line break',
      { 'X-Key': 'secret\r\nX-Forged: 1' },
      'the configured header "X-Key" has a value with characters that HTTP does not allow',
    ],
    ['a bad name', { 'X Key': 'secret' }, 'the configured header "X Key" has a name that HTTP does not allow'],
    [
      'a bad host',
      { host: 'a/b' },
      'the configured header "host" must be a host name or address, with an optional port',
    ],
  ])('with %s keep every request from being sent, and the value out of the message', async (_name, headers, detail) => {
    await using server = await serveHttp(echo);
    await using wire = await openWire(server.url, { config: { headers } });
    const failure: unknown = await wire.call(1, 'ping').catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'server_unavailable', detail });
    expect(String(failure)).not.toContain('secret');
    expect(server.connections()).toBe(0);
  });

  it('user and password of the URL are sent as basic authorization', async () => {
    await using server = await serveHttp(echo);
    await using wire = await openWire(`http://us%40er:pa%3Ass@127.0.0.1:${server.port}/mcp?x=1`);
    await wire.call(1, 'ping');
    expect(server.requests[0]).toMatchObject({
      path: '/mcp?x=1',
      headers: { authorization: `Basic ${Buffer.from('us@er:pa:ss').toString('base64')}` },
    });
  });
});
