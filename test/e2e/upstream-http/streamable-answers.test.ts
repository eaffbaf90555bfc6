import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { isTransportMismatch } from '../../../src/upstream/http/http-status.ts';
import { handshake, idOf, INITIALIZE, json, openWire, serveHttp, type Handler } from './harness.ts';

const SSE = { 'content-type': 'text/event-stream' };
const result = (id: unknown, value: unknown = {}): string => JSON.stringify({ jsonrpc: '2.0', id, result: value });
const PROGRESS = '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}';

/** Answers initialize (with a session) and notifications; everything else is for the handler. */
function withSession(handler: Handler): Handler {
  return (request, response) => {
    if (request.body.includes('"initialize"'))
      return json(response, JSON.parse(result(idOf(request))), { 'mcp-session-id': 's-1' });
    if (request.body.includes('notifications/')) return void response.writeHead(202).end();
    return handler(request, response);
  };
}

describe('answers of streamable HTTP', () => {
  it('T-PTL-005 delivers a large JSON answer whole and unchanged', async () => {
    const large = 'x€'.repeat(3_000_000);
    await using server = await serveHttp((request, response) =>
      json(response, JSON.parse(result(idOf(request), { large }))),
    );
    await using wire = await openWire(server.url);
    expect((await wire.call(1, 'tools/call'))['result']).toEqual({ large });
  });

  it('T-PTL-005 T-PTL-006 delivers an event stream that comes in tiny pieces, cut inside characters', async () => {
    const text = result(1, { text: '😀€é'.repeat(200) });
    await using server = await serveHttp(async (_request, response) => {
      response.writeHead(200, SSE);
      const bytes = Buffer.from(`: hello\r\n\r\ndata: ${PROGRESS}\r\n\r\nevent: message\r\ndata: ${text}\r\n\r\n`);
      for (let at = 0; at < bytes.length; at += 7) {
        response.write(bytes.subarray(at, at + 7));
        await new Promise(setImmediate);
      }
      response.end();
    });
    await using wire = await openWire(server.url);
    await wire.call(1, 'tools/call');
    expect(wire.messages).toEqual([
      { text: PROGRESS, requestId: '1' },
      { text, requestId: '1' },
    ]);
  });

  it.each(['json', 'event stream'])('refuses a %s answer above the limit and cuts the connection', async (form) => {
    await using server = await serveHttp((request, response) => {
      const text = result(idOf(request), 'x'.repeat(100_000));
      if (form === 'json') json(response, JSON.parse(text));
      else response.writeHead(200, SSE).write(`data: ${text}`);
    });
    await using wire = await openWire(server.url, { maxMessageBytes: 50_000 });
    await expect(wire.call(1, 'tools/call')).rejects.toMatchObject({
      code: 'server_protocol_error',
      detail: expect.stringContaining('larger than 50000 bytes') as unknown,
    });
    await expect.poll(server.open).toBe(0);
    expect(wire.messages).toEqual([]);
  });

  it('cuts a stream that stays open after the response, and uses the connection of a stream that ends again', async () => {
    let stayOpen = false;
    await using server = await serveHttp((request, response) => {
      response.writeHead(200, SSE).write(`data: ${result(idOf(request))}\n\n`);
      if (!stayOpen) response.end();
    });
    await using wire = await openWire(server.url);
    for (let id = 1; id <= 20; id++) await wire.call(id, 'tools/call');
    expect(server.connections()).toBeLessThan(10);
    stayOpen = true;
    await wire.call(21, 'tools/call');
    await expect.poll(server.open).toBe(0);
  });

  it('takes an array of messages apart without touching them (2025-03-26)', async () => {
    const first = '{"jsonrpc": "2.0", "method": "notifications/message", "params": {"n": 12345678901234567890}}';
    await using server = await serveHttp((request, response) => {
      response
        .writeHead(200, { 'content-type': 'application/json; charset=utf-8' })
        .end(`[${first}, ${result(idOf(request))}]`);
    });
    await using wire = await openWire(server.url);
    await wire.call(1, 'tools/call');
    expect(wire.messages.map(({ text }) => text)).toEqual([first, result(1)]);
  });

  it('serves a server that knows only JSON-RPC over POST: no session, 200 with JSON for notifications', async () => {
    await using server = await serveHttp((request, response) =>
      json(response, JSON.parse(result(idOf(request) ?? null, { ok: true }))),
    );
    await using wire = await openWire(server.url);
    await handshake(wire);
    expect((await wire.call(1, 'tools/list'))['result']).toEqual({ ok: true });
    expect(wire.messages).toHaveLength(2);
    await wire.transport.close();
    expect(server.requests.map(({ method }) => method)).toEqual(['POST', 'POST', 'POST']);
  });

  it('repeats session and protocol version with every request after the handshake', async () => {
    await using server = await serveHttp(
      withSession((request, response) => {
        if (request.method === 'GET') return void response.writeHead(405).end();
        return json(response, JSON.parse(result(request.method === 'POST' ? idOf(request) : null)));
      }),
    );
    await using wire = await openWire(server.url);
    await handshake(wire);
    await wire.call(1, 'ping');
    void wire.transport.listen?.();
    await expect.poll(() => server.requests.at(-1)?.method).toBe('GET');
    await wire.transport.close();
    const seen = server.requests.map(({ method, headers }) => [
      method,
      headers['mcp-session-id'],
      headers['mcp-protocol-version'],
      headers.accept,
    ]);
    const post = 'application/json, text/event-stream';
    expect(seen).toEqual([
      ['POST', undefined, undefined, post],
      ['POST', 's-1', '2025-11-25', post],
      ['POST', 's-1', '2025-11-25', post],
      ['GET', 's-1', '2025-11-25', 'text/event-stream'],
      ['DELETE', 's-1', '2025-11-25', undefined],
    ]);
  });

  it('refuses a session id with characters that a header must not carry on', async () => {
    await using server = await serveHttp((request, response) =>
      json(response, JSON.parse(result(idOf(request))), { 'mcp-session-id': 'a b' }),
    );
    await using wire = await openWire(server.url);
    await expect(wire.call(0, 'initialize', INITIALIZE)).rejects.toMatchObject({ code: 'server_protocol_error' });
  });
});

describe('T-PTL-008 every wrong answer fails the request that it answers', () => {
  const cases: [string, Handler, { code: string; detail: RegExp; mismatch?: boolean }][] = [
    [
      '500 with HTML',
      (_, response) => void response.writeHead(500, { 'content-type': 'text/html' }).end('<h1>Oops</h1>'),
      { code: 'server_protocol_error', detail: /HTTP 500/ },
    ],
    [
      '503 of a load balancer',
      (_, response) => void response.writeHead(503).end('no healthy upstream'),
      { code: 'server_unavailable', detail: /HTTP 503/ },
    ],
    ['429', (_, response) => void response.writeHead(429).end(), { code: 'server_unavailable', detail: /HTTP 429/ }],
    [
      '404 on the first request',
      (_, response) => void response.writeHead(404).end('Cannot POST /mcp'),
      { code: 'server_protocol_error', detail: /HTTP 404/, mismatch: true },
    ],
    [
      '405 on the first request',
      (_, response) => json(response, { detail: 'Method Not Allowed' }, {}, 405),
      { code: 'server_protocol_error', detail: /HTTP 405/, mismatch: true },
    ],
    [
      '400 on the first request',
      (_, response) => void response.writeHead(400).end(),
      { code: 'server_protocol_error', detail: /HTTP 400/, mismatch: true },
    ],
    [
      '401',
      (_, response) => void response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end(),
      { code: 'server_auth_required', detail: /HTTP 401, asking for Bearer error="invalid_token"$/ },
    ],
    [
      '403',
      (_, response) => json(response, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'no' } }, {}, 403),
      { code: 'server_auth_required', detail: /HTTP 403/ },
    ],
    [
      'a web page',
      (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      { code: 'server_protocol_error', detail: /content type "text\/html"/ },
    ],
    [
      'no content type',
      (_, response) => void response.writeHead(200).end('hello'),
      { code: 'server_protocol_error', detail: /content type ""/ },
    ],
    [
      '202 and nothing more',
      (_, response) => void response.writeHead(202).end(),
      { code: 'server_protocol_error', detail: /HTTP 202/ },
    ],
    [
      'an empty JSON body',
      (_, response) => void response.writeHead(200, { 'content-type': 'application/json' }).end(),
      { code: 'server_protocol_error', detail: /empty/ },
    ],
    [
      'the response to another request',
      (_, response) => json(response, JSON.parse(result(99))),
      { code: 'server_protocol_error', detail: /no response to the request/ },
    ],
    [
      'text that is not JSON',
      (_, response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('{"result":'),
      { code: 'server_protocol_error', detail: /no response to the request/ },
    ],
    [
      'a compressed body',
      (_, response) =>
        void response
          .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
          .end(gzipSync(result(1))),
      { code: 'server_protocol_error', detail: /compressed/ },
    ],
    [
      'an event stream without the response',
      (_, response) => void response.writeHead(200, SSE).end(`data: ${PROGRESS}\n\n`),
      { code: 'server_unavailable', detail: /ended before the response/ },
    ],
    [
      'an event stream that breaks off',
      (_, response) => {
        response.writeHead(200, SSE).write(`data: ${PROGRESS}\n\ndata: {"jsonr`, () => response.destroy());
      },
      { code: 'server_unavailable', detail: /ended before the response/ },
    ],
    [
      'a JSON body that breaks off',
      (_, response) => {
        response
          .writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
          .write('{"jsonrpc":', () => response.destroy());
      },
      { code: 'server_unavailable', detail: /closed before the answer was complete/ },
    ],
    [
      'a connection closed without an answer',
      (_, response) => void response.destroy(),
      { code: 'server_unavailable', detail: /closed before any answer/ },
    ],
    [
      'a redirect with 302',
      (_, response) => void response.writeHead(302, { location: '/other' }).end(),
      { code: 'server_protocol_error', detail: /redirects with HTTP 302 to \/other/ },
    ],
    [
      'a redirect loop',
      (_, response) => void response.writeHead(307, { location: '/mcp' }).end(),
      { code: 'server_protocol_error', detail: /more than 5 times/ },
    ],
  ];
  it.each(cases)('%s', async (_name, handler, { code, detail, mismatch }) => {
    await using server = await serveHttp(handler);
    await using wire = await openWire(server.url);
    const failure: unknown = await wire.call(1, 'initialize', INITIALIZE).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      name: 'GatewayError',
      code,
      detail: expect.stringMatching(detail) as unknown,
      server: 'remote',
    });
    expect(isTransportMismatch(failure)).toBe(mismatch === true);
    expect(wire.closed).toEqual([]);
  });

  it('400, 404 and 405 are no sign of another transport once the server has answered', async () => {
    let answering = true;
    await using server = await serveHttp((request, response) => {
      if (answering) json(response, JSON.parse(result(idOf(request))));
      else response.writeHead(404).end();
    });
    await using wire = await openWire(server.url);
    await wire.call(1, 'ping');
    answering = false;
    const failure: unknown = await wire.call(2, 'ping').catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'server_protocol_error' });
    expect(isTransportMismatch(failure)).toBe(false);
  });
});

describe('JSON-RPC errors with an HTTP error status are answers', () => {
  it.each([
    ['null', null],
    ['made up', 'server-error'],
    ['its own', 1],
  ])('with the id %s', async (_name, id) => {
    await using server = await serveHttp((_request, response) => {
      json(response, { jsonrpc: '2.0', id, error: { code: -32600, message: 'bad', data: { why: 1 } } }, {}, 400);
    });
    await using wire = await openWire(server.url);
    expect(await wire.call(1, 'tools/list')).toEqual({
      jsonrpc: '2.0',
      id: 1,
      error: { code: -32600, message: 'bad', data: { why: 1 } },
    });
    expect(wire.messages[0]?.requestId).toBe('1');
  });

  it('404 with "method not found" for this request does not end the session; any other 404 does', async () => {
    await using server = await serveHttp(
      withSession((request, response) => {
        const code = request.body.includes('unknown') ? -32601 : -32001;
        json(response, { jsonrpc: '2.0', id: idOf(request), error: { code, message: 'x' } }, {}, 404);
      }),
    );
    await using wire = await openWire(server.url);
    await handshake(wire);
    expect(await wire.call(1, 'unknown')).toMatchObject({ error: { code: -32601 } });
    expect(wire.closed).toEqual([]);
    await expect(wire.call(2, 'ping')).rejects.toMatchObject({ code: 'server_session_lost' });
    expect(wire.closed).toHaveLength(1);
  });

  it.each([
    [
      'JSON-RPC',
      '{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}',
    ],
    ['text', 'Invalid or missing session ID'],
  ])(
    '400 that complains of the session, as %s, is the loss of the session; any other 400 is not',
    async (_name, body) => {
      await using server = await serveHttp(
        withSession((request, response) => {
          if (request.body.includes('bad'))
            json(response, { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'bad' } }, {}, 400);
          else response.writeHead(400).end(body);
        }),
      );
      await using wire = await openWire(server.url);
      await handshake(wire);
      expect(await wire.call(1, 'bad')).toMatchObject({ error: { code: -32600 } });
      await expect(wire.call(2, 'ping')).rejects.toMatchObject({ code: 'server_session_lost' });
      expect(wire.closed).toHaveLength(1);
    },
  );

  it('a notification that is refused rejects', async () => {
    await using server = await serveHttp((_request, response) => json(response, { error: 'x' }, {}, 500));
    await using wire = await openWire(server.url);
    await expect(wire.transport.send(PROGRESS)).rejects.toMatchObject({
      code: 'server_protocol_error',
      detail: 'the server answered POST with HTTP 500',
    });
  });
});
