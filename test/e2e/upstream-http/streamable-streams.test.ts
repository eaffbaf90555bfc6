import { getEventListeners } from 'node:events';
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { handshake, idOf, json, openWire, serveHttp, type Handler, type RecordedRequest } from './harness.ts';

const SSE = { 'content-type': 'text/event-stream' };
const result = (id: unknown): string => JSON.stringify({ jsonrpc: '2.0', id, result: {} });
const note = (n: number): string => JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { n } });

/** A server with a session; `call` answers requests other than initialize, `get` the GETs. */
function sessionServer(call: Handler, get: Handler = (_, response) => void response.writeHead(405).end()): Handler {
  return (request, response) => {
    if (request.method === 'GET') return get(request, response);
    if (request.method === 'DELETE') return void response.writeHead(200).end();
    if (request.body.includes('"initialize"'))
      return json(response, JSON.parse(result(idOf(request))), { 'mcp-session-id': 's-1' });
    if (request.body.includes('notifications/')) return void response.writeHead(202).end();
    return call(request, response);
  };
}

const gets = (requests: readonly RecordedRequest[]): RecordedRequest[] =>
  requests.filter(({ method }) => method === 'GET');

describe('a stream that breaks off before the response', () => {
  it('is resumed after the last event, as often as the server sends more, and delivers each message once', async () => {
    await using server = await serveHttp(
      sessionServer(
        (_request, response) =>
          void response.writeHead(200, SSE).end(`id: a1\nretry: 1\ndata: \n\nid: a2\ndata: ${note(1)}\n\n`),
        (request, response) => {
          response.writeHead(200, SSE);
          const after = request.headers['last-event-id'];
          if (after === 'a2')
            response.write(`id: a3\ndata: ${note(2)}\n\nid: a4\ndata: {"half`, () => response.destroy());
          // What broke off was never told: it comes again.
          else if (after === 'a3') response.end(`id: a4\ndata: ${result(1)}\n\n`);
          else response.end();
        },
      ),
    );
    await using wire = await openWire(server.url);
    await handshake(wire);
    await wire.call(1, 'tools/call');
    expect(wire.messages.slice(1)).toEqual([note(1), note(2), result(1)].map((text) => ({ text, requestId: '1' })));
    for (const { headers } of gets(server.requests)) {
      expect(headers).toMatchObject({
        'mcp-session-id': 's-1',
        'mcp-protocol-version': '2025-11-25',
        accept: 'text/event-stream',
      });
    }
    expect(gets(server.requests)).toHaveLength(2);
    // The call itself is never sent again.
    expect(server.requests.filter(({ body }) => body.includes('tools/call'))).toHaveLength(1);
  });

  it('is resumed with any id that a header can carry, as UTF-8, and never with another', async () => {
    let id = 'é€';
    await using server = await serveHttp(
      sessionServer(
        (_request, response) => void response.writeHead(200, SSE).end(`id: ${id}\nretry: 1\ndata: \n\n`),
        (_request, response) => void response.writeHead(200, SSE).end(`data: ${result(1)}\n\n`),
      ),
    );
    await using wire = await openWire(server.url);
    await handshake(wire);
    await wire.call(1, 'tools/call');
    const [sent] = gets(server.requests);
    expect(Buffer.from(String(sent?.headers['last-event-id']), 'latin1').toString()).toBe('é€');
    for (id of ['a\u0001b', 'x'.repeat(5_000)]) {
      const detail = expect.stringContaining('no event ids') as unknown;
      await expect(wire.call(2, 'tools/call')).rejects.toMatchObject({ code: 'server_unavailable', detail });
    }
    expect(gets(server.requests)).toHaveLength(1);
  });

  it('is given up after several tries that bring nothing', async () => {
    await using server = await serveHttp(
      sessionServer(
        (_request, response) => void response.writeHead(200, SSE).end('id: a1\nretry: 1\ndata: \n\n'),
        (_request, response) => void response.writeHead(503).end(),
      ),
    );
    await using wire = await openWire(server.url);
    await handshake(wire);
    await expect(wire.call(1, 'tools/call')).rejects.toMatchObject({
      code: 'server_unavailable',
      detail: 'the stream of the answer ended before the response, and 5 tries to resume it brought nothing',
    });
    expect(gets(server.requests)).toHaveLength(5);
    expect(wire.closed).toEqual([]);
  });

  it('is given up as well when every try is answered with an empty stream', async () => {
    await using server = await serveHttp(
      sessionServer(
        (_request, response) => void response.writeHead(200, SSE).end('id: a1\nretry: 1\ndata: \n\n'),
        (_request, response) => void response.writeHead(200, SSE).end(),
      ),
    );
    await using wire = await openWire(server.url);
    await handshake(wire);
    await expect(wire.call(1, 'tools/call')).rejects.toMatchObject({ code: 'server_unavailable' });
    expect(gets(server.requests)).toHaveLength(5);
  });

  it('fails at once when the server cannot resume, and ends the session when that is gone', async () => {
    let status = 405;
    await using server = await serveHttp(
      sessionServer(
        (_request, response) => void response.writeHead(200, SSE).end('id: a1\nretry: 1\ndata: \n\n'),
        (_request, response) => void response.writeHead(status).end(),
      ),
    );
    await using wire = await openWire(server.url);
    await handshake(wire);
    await expect(wire.call(1, 'tools/call')).rejects.toMatchObject({
      code: 'server_unavailable',
      detail: expect.stringContaining('HTTP 405') as unknown,
    });
    expect(gets(server.requests)).toHaveLength(1);
    status = 404;
    await expect(wire.call(2, 'tools/call')).rejects.toMatchObject({ code: 'server_session_lost' });
    expect(wire.closed.map(({ code }) => code)).toEqual(['server_session_lost']);
  });

  it('stops trying when the request is cancelled', async () => {
    const cancel = new AbortController();
    await using server = await serveHttp(
      sessionServer((_request, response) => {
        response.writeHead(200, SSE).end('id: a1\nretry: 60000\ndata: \n\n', () => setImmediate(() => cancel.abort()));
      }),
    );
    await using wire = await openWire(server.url);
    await handshake(wire);
    await expect(wire.call(1, 'tools/call', {}, cancel.signal)).rejects.toMatchObject({ code: 'cancelled' });
    expect(gets(server.requests)).toHaveLength(0);
  });
});

describe('cancelling and closing', () => {
  it('the signal of a request closes its stream and no other', async () => {
    const open = new Map<unknown, ServerResponse>();
    await using server = await serveHttp(
      sessionServer((request, response) => {
        open.set(idOf(request), response);
        response.once('close', () => open.delete(idOf(request)));
        response.writeHead(200, SSE).write(`data: ${note(1)}\n\n`);
      }),
    );
    await using wire = await openWire(server.url);
    await handshake(wire);
    const cancel = new AbortController();
    const first = wire.call(1, 'tools/call', {}, cancel.signal);
    const second = wire.call(2, 'tools/call');
    await expect.poll(() => open.size).toBe(2);
    cancel.abort();
    await expect(first).rejects.toMatchObject({ code: 'cancelled' });
    await expect.poll(() => [...open.keys()]).toEqual([2]);
    open.get(2)?.end(`data: ${result(2)}\n\n`);
    await expect(second).resolves.toMatchObject({ result: {} });
    expect(server.requests.some(({ body }) => body.includes('cancelled'))).toBe(false);
  });

  it('a silent server is ended by the signal, also before it has answered with a single byte', async () => {
    await using server = await serveHttp(() => undefined);
    await using wire = await openWire(server.url);
    const cancel = new AbortController();
    const call = wire.call(1, 'tools/call', {}, cancel.signal);
    await expect.poll(() => server.requests.length).toBe(1);
    cancel.abort();
    await expect(call).rejects.toMatchObject({ code: 'cancelled' });
    await expect.poll(server.open).toBe(0);
    await expect(wire.call(2, 'tools/call', {}, AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' });
    expect(server.requests).toHaveLength(1);
  });

  it('leaves nothing on the signal of a request that is over', async () => {
    await using server = await serveHttp(
      sessionServer((request, response) => json(response, JSON.parse(result(idOf(request))))),
    );
    await using wire = await openWire(server.url);
    const { signal } = new AbortController();
    for (let id = 1; id <= 3; id++) await wire.call(id, 'ping', {}, signal);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('close() ends what is in flight, says goodbye, and delivers nothing afterwards', async () => {
    let stream: ServerResponse | undefined;
    await using server = await serveHttp(
      sessionServer((_request, response) => {
        stream = response.writeHead(200, SSE);
        response.flushHeaders();
      }),
    );
    await using wire = await openWire(server.url);
    await handshake(wire);
    const call = wire.call(1, 'tools/call');
    await expect.poll(() => stream !== undefined).toBe(true);
    const closing = wire.transport.close();
    await expect(call).rejects.toMatchObject({ code: 'server_unavailable' });
    await closing;
    await wire.transport.close();
    expect(server.requests.filter(({ method }) => method === 'DELETE')).toHaveLength(1);
    await expect(wire.transport.send(note(1))).rejects.toMatchObject({ code: 'server_unavailable' });
    expect(wire.messages).toHaveLength(1);
    expect(wire.closed).toEqual([]);
  });

  it.each([405, 404, 500, 0])('close() does not mind how DELETE is answered (%i; 0 = not at all)', async (status) => {
    await using server = await serveHttp((request, response) => {
      if (request.method === 'DELETE') return void (status === 0 || response.writeHead(status).end());
      return json(response, JSON.parse(result(idOf(request) ?? null)), { 'mcp-session-id': 's-1' });
    });
    await using wire = await openWire(server.url);
    await handshake(wire);
    await expect(wire.transport.close()).resolves.toBeUndefined();
  });
});

describe('the stream for server messages', () => {
  it('is not asked for again when the server has none', async () => {
    await using server = await serveHttp(
      sessionServer((request, response) => json(response, JSON.parse(result(idOf(request))))),
    );
    await using wire = await openWire(server.url);
    await handshake(wire);
    void wire.transport.listen?.();
    void wire.transport.listen?.();
    await expect.poll(() => gets(server.requests).length).toBe(1);
    await wire.call(1, 'ping');
    expect(gets(server.requests)).toHaveLength(1);
  });

  it('is opened again after it ended, after its last event, and after an error of the server', async () => {
    let asked = 0;
    await using server = await serveHttp(
      sessionServer(
        (request, response) => json(response, JSON.parse(result(idOf(request)))),
        (_request, response) => {
          asked++;
          if (asked === 1) response.writeHead(200, SSE).end(`id: 7\nretry: 1\ndata: ${note(1)}\n\n`);
          else if (asked === 2) response.writeHead(200, SSE).end(`data: ${note(2)}\n\n`);
          else if (asked === 3) response.writeHead(503).end();
          else response.writeHead(200, SSE).write(`id: 8\ndata: ${note(asked)}\n\n`);
        },
      ),
    );
    await using wire = await openWire(server.url);
    await handshake(wire);
    void wire.transport.listen?.();
    await wire.received(4);
    expect(wire.messages.slice(1)).toEqual([note(1), note(2), note(4)].map((text) => ({ text, requestId: undefined })));
    expect(gets(server.requests).map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '7', '7', '7']);
    await wire.transport.close();
    // One idle connection for calls and one for streams may be kept.
    await expect.poll(server.open).toBeLessThanOrEqual(2);
  });

  it('finds out that the session is lost when it is opened again, and leaves calls under way to the server', async () => {
    let asked = 0;
    await using server = await serveHttp(
      sessionServer(
        (_request, response) => void response.writeHead(200, SSE).write(': waiting\n\n'),
        (_request, response) => {
          if (++asked === 1) response.writeHead(200, SSE).end('retry: 1\n\n');
          else response.writeHead(404).end();
        },
      ),
    );
    await using wire = await openWire(server.url);
    await handshake(wire);
    const call = wire.call(1, 'tools/call');
    void wire.transport.listen?.();
    await expect.poll(() => wire.closed.map(({ code }) => code)).toEqual(['server_session_lost']);
    await expect(wire.call(2, 'tools/call')).rejects.toMatchObject({ code: 'server_session_lost' });
    await wire.transport.close();
    await expect(call).rejects.toMatchObject({ code: 'server_session_lost' });
  });

  it.each([404, 400, 501])('a server without a route for GET (%i) simply has none', async (status) => {
    await using server = await serveHttp(
      sessionServer(
        (request, response) => json(response, JSON.parse(result(idOf(request)))),
        (_request, response) => void response.writeHead(status).end('Cannot GET /mcp'),
      ),
    );
    await using wire = await openWire(server.url);
    await handshake(wire);
    void wire.transport.listen?.();
    await expect.poll(() => gets(server.requests).length).toBe(1);
    await wire.call(1, 'ping');
    expect(wire.closed).toEqual([]);
  });

  it('ignores events of other types and keep-alive comments', async () => {
    await using server = await serveHttp(
      sessionServer(
        (request, response) => json(response, JSON.parse(result(idOf(request)))),
        (_request, response) =>
          void response
            .writeHead(200, SSE)
            .write(`: ping\n\nevent: ping\ndata: x\n\nevent: message\ndata: ${note(1)}\n\n`),
      ),
    );
    await using wire = await openWire(server.url);
    await handshake(wire);
    void wire.transport.listen?.();
    await wire.received(2);
    expect(wire.messages.slice(1)).toEqual([{ text: note(1), requestId: undefined }]);
  });
});
