import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { createWire, json, openWire, serveHttp, type Handler, type TestServer } from './harness.ts';

const SSE = { 'content-type': 'text/event-stream' };
const PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}';

interface OldServer extends TestServer {
  readonly streams: ServerResponse[];
}

/** Opens an event stream that begins with `head`; POST is for the handler. */
async function serveOld(
  head: string,
  post: Handler = (_, response) => void response.writeHead(202).end('Accepted'),
): Promise<OldServer> {
  const streams: ServerResponse[] = [];
  const server = await serveHttp((request, response) => {
    if (request.method === 'POST') return post(request, response);
    response.writeHead(200, SSE).write(head);
    streams.push(response);
  });
  return { ...server, streams };
}

const open = (server: TestServer): ReturnType<typeof openWire> =>
  openWire(server.url, { kind: 'sse', config: { headers: { 'x-key': 'k' } } });

describe('HTTP+SSE (2024-11-05)', () => {
  it('posts to the endpoint that the server names, relative or absolute, with the configured headers', async () => {
    await using relative = await serveOld('event: endpoint\ndata: /messages?session=1\n\n');
    await using first = await open(relative);
    await first.transport.send(PING, { requestId: '1' });
    expect(relative.requests).toMatchObject([
      { method: 'GET', path: '/mcp', headers: { accept: 'text/event-stream', 'x-key': 'k' } },
      {
        method: 'POST',
        path: '/messages?session=1',
        body: PING,
        headers: { 'x-key': 'k', 'content-type': 'application/json' },
      },
    ]);
    await using absolute = await serveHttp((request, response) => {
      if (request.method === 'GET')
        response.writeHead(200, SSE).write(`event: endpoint\ndata: http://127.0.0.1:${absolute.port}/m\n\n`);
      else response.writeHead(202).end();
    });
    await using second = await open(absolute);
    await second.transport.send(PING);
    expect(absolute.requests.at(-1)?.path).toBe('/m');
  });

  it('never posts to another origin', async () => {
    await using other = await serveHttp((_request, response) => void response.end());
    await using server = await serveOld(`event: endpoint\ndata: http://127.0.0.1:${other.port}/steal\n\n`);
    await expect(open(server)).rejects.toMatchObject({
      code: 'server_protocol_error',
      detail: `its "endpoint" event names another origin, http://127.0.0.1:${other.port}`,
    });
    expect(other.connections()).toBe(0);
    await expect.poll(server.open).toBe(0);
  });

  it('the end of the stream is the end of the wire, told once', async () => {
    await using server = await serveOld('event: endpoint\ndata: /m\n\n');
    await using wire = await open(server);
    server.streams[0]?.write('data: {"jsonrpc":"2.0","method":"a"}\n\nevent: other\ndata: x\n\ndata: {"half');
    await wire.received(1);
    server.streams[0]?.destroy();
    await wire.received(2);
    expect(wire.messages).toEqual([{ text: '{"jsonrpc":"2.0","method":"a"}', requestId: undefined }]);
    expect(wire.closed).toMatchObject([{ code: 'server_unavailable' }]);
    await expect(wire.transport.send(PING)).rejects.toBe(wire.closed[0]);
  });

  it('a stream that ends with the endpoint event still tells that the wire is gone', async () => {
    await using server = await serveHttp(
      (_request, response) => void response.writeHead(200, SSE).end('event: endpoint\ndata: /m\n\n'),
    );
    await using wire = await open(server);
    await wire.received(1);
    expect(wire.closed).toMatchObject([{ code: 'server_unavailable', detail: 'the server ended the event stream' }]);
  });

  it('close() closes the stream and is no loss of the wire', async () => {
    await using server = await serveOld('event: endpoint\ndata: /m\n\n');
    await using wire = await open(server);
    await wire.transport.close();
    await expect.poll(server.open).toBe(0);
    expect(wire.closed).toEqual([]);
    await expect(wire.transport.send(PING)).rejects.toMatchObject({ code: 'server_unavailable' });
  });

  it('a message above the limit ends the wire', async () => {
    await using server = await serveOld('event: endpoint\ndata: /m\n\n');
    await using wire = await openWire(server.url, { kind: 'sse', maxMessageBytes: 1_000 });
    server.streams[0]?.write(`data: ${'x'.repeat(2_000)}`);
    await wire.received(1);
    expect(wire.closed).toMatchObject([
      { code: 'server_protocol_error', detail: 'a server-sent event is larger than 1000 bytes' },
    ]);
  });

  it('a long event that names another type behind its data is nobody’s, and the wire lives on', async () => {
    await using server = await serveOld('event: endpoint\ndata: /m\n\n');
    await using wire = await open(server);
    const long = `data: {"jsonrpc":"2.0","id":1,"result":"${'x'.repeat(100_000)}"}`;
    server.streams[0]?.write(`${long}\nevent: other\n\ndata: ${PING}\n\n`);
    await wire.received(1);
    expect(wire.closed).toEqual([]);
    expect(wire.messages).toEqual([{ text: PING, requestId: undefined }]);
  });

  it('of a batch that cannot be read no message is believed', async () => {
    await using server = await serveOld('event: endpoint\ndata: /m\n\n');
    await using wire = await open(server);
    const batch = `[{"jsonrpc":"2.0","id":1,"result":{}},${'['.repeat(100_000)}`;
    server.streams[0]?.write(`data: ${batch}\n\ndata: ${PING}\n\n`);
    await wire.received(2);
    expect(wire.messages).toEqual([
      { text: expect.stringMatching(/^unreadable: \[.*…$/) as unknown, requestId: undefined },
      { text: PING, requestId: undefined },
    ]);
  });

  it.each([
    [404, 'server_unavailable', 1],
    [401, 'server_auth_required', 0],
    [500, 'server_protocol_error', 0],
    [503, 'server_unavailable', 0],
  ])('a message that is answered with HTTP %i fails with %s', async (status, code, closed) => {
    await using server = await serveOld(
      'event: endpoint\ndata: /m\n\n',
      (_request, response) => void response.writeHead(status).end(),
    );
    await using wire = await open(server);
    await expect(wire.transport.send(PING, { requestId: '1' })).rejects.toMatchObject({ code });
    expect(wire.closed).toHaveLength(closed);
  });

  it('the signal of a message ends its POST and leaves the stream', async () => {
    await using server = await serveOld('event: endpoint\ndata: /m\n\n', () => undefined);
    await using wire = await open(server);
    const cancel = new AbortController();
    const sending = wire.transport.send(PING, { requestId: '1', signal: cancel.signal });
    await expect.poll(() => server.requests.length).toBe(2);
    cancel.abort();
    await expect(sending).rejects.toMatchObject({ code: 'cancelled' });
    await expect.poll(server.open).toBe(1);
  });
});

describe('T-PTL-008 opening HTTP+SSE fails when', () => {
  it.each<[string, Handler, string, RegExp]>([
    [
      'there is nothing',
      (_, response) => void response.writeHead(404).end(),
      'server_protocol_error',
      /answered GET with HTTP 404/,
    ],
    [
      'it is not a stream',
      (_, response) => json(response, {}),
      'server_protocol_error',
      /content type "application\/json" and is no event stream/,
    ],
    [
      'credentials are refused',
      (_, response) => void response.writeHead(401).end(),
      'server_auth_required',
      /HTTP 401/,
    ],
    [
      'the endpoint is no URL',
      (_, response) => void response.writeHead(200, SSE).write('event: endpoint\ndata: http://[\n\n'),
      'server_protocol_error',
      /holds no URL/,
    ],
    [
      'the stream ends first',
      (_, response) => void response.writeHead(200, SSE).end(': nothing\n\n'),
      'server_unavailable',
      /ended the event stream/,
    ],
    [
      'the stream breaks first',
      (_, response) => {
        response.writeHead(200, SSE).write(': nothing\n\n', () => response.destroy());
      },
      'server_unavailable',
      /was closed/,
    ],
  ])('%s', async (_name, handler, code, detail) => {
    await using server = await serveHttp(handler);
    await expect(open(server)).rejects.toMatchObject({ code, detail: expect.stringMatching(detail) as unknown });
  });

  it('the owner stops waiting for an endpoint that never comes', async () => {
    await using server = await serveOld(': patience\n\n');
    await using wire = createWire(server.url, { kind: 'sse' });
    const stop = new AbortController();
    const opening = wire.open(stop.signal);
    await expect.poll(() => server.streams.length).toBe(1);
    stop.abort();
    await expect(opening).rejects.toMatchObject({ code: 'cancelled' });
    await expect.poll(server.open).toBe(0);
    expect(wire.closed).toEqual([]);
  });
});
