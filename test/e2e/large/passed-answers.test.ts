/** Large answers are passed on while they come: whole, under the client's id, no faster than it reads, and never as complete unless they are. */
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { startFakeServer } from '../regressions/fake-server.ts';
import { modernClient } from '../modern-raw-client.ts';
import { rawClient } from '../raw-client.ts';
import { startByteServer } from './byte-server.ts';

const MIB = 1024 * 1024;
const JSON_TYPE = { 'content-type': 'application/json' };
const SSE = { 'content-type': 'text/event-stream' };
/** Structured, with escapes and characters of several bytes, and numbers that no parser keeps. */
const LARGE = `{"resultType":"complete","content":[{"type":"text","text":"${String.raw`é\n\"🏰\u00e9 `.repeat(20_000)}"}],"n":12345678901234567890, "list": [${'1.50, '.repeat(50_000)}0]}`;

function gatewayOf(url: string, args: readonly string[] = []): Promise<RunningGateway> {
  return startGateway({ config: { mcpServers: { web: { type: 'http', url } } }, args: [...args] });
}

function clientOf(gateway: RunningGateway) {
  return modernClient(gateway.url('web'), gateway.authorization);
}

/** The outcome of the newest call in the access log. */
async function outcomeOf(gateway: RunningGateway): Promise<unknown> {
  const lines = (): Record<string, unknown>[] =>
    gateway.logs().filter(({ method, outcome }) => method === 'tools/call' && outcome !== undefined);
  const known = seen.get(gateway) ?? 0;
  await expect.poll(() => lines().length).toBeGreaterThan(known);
  seen.set(gateway, known + 1);
  return lines().at(-1)?.['outcome'];
}

const seen = new WeakMap<RunningGateway, number>();

describe.each([
  { path: 'the fast path', args: [] },
  { path: 'node:http', args: ['--fast-path', 'off'] },
])('over $path', ({ args }) => {
  it.each([
    { order: 'the id first', text: (id: string) => `{"jsonrpc":"2.0","id":${id},"result":${LARGE}}` },
    { order: 'the id last', text: (id: string) => ` {"result": ${LARGE}, "jsonrpc": "2.0", "id" : ${id} } \n` },
    { order: 'no id', text: (_id: string) => `{"jsonrpc":"2.0","result":${LARGE}}` },
    { order: 'an escaped key', text: (id: string) => `{"result":${LARGE},"jsonrpc":"2.0","\\u0069d":${id}}` },
  ])('an answer with $order reaches the client under its own id, with every byte of its result', async ({ text }) => {
    await using server = await startByteServer(({ id, response }) => void response.writeHead(200, JSON_TYPE).end(text(id)));
    await using gateway = await gatewayOf(server.url, args);
    const { status, headers, body } = await clientOf(gateway)('tools/call', { name: 'tool' }, { id: 'mine' });
    expect(status).toBe(200);
    expect(headers.get('transfer-encoding')).toBe('chunked');
    expect(body).toBe(`{"jsonrpc":"2.0","id":"mine","result":${LARGE}}`);
    expect(await outcomeOf(gateway)).toBe('ok');
  });

  it('members that nobody knows stay, before and behind the result', async () => {
    await using server = await startByteServer(
      ({ id, response }) =>
        void response
          .writeHead(200, JSON_TYPE)
          .end(`{"a":{"b":[1]},"id":${id},"result":${LARGE},"z" : "é","jsonrpc":"2.0"}`),
    );
    await using gateway = await gatewayOf(server.url, args);
    const { body } = await clientOf(gateway)('tools/call', { name: 'tool' }, { id: 7 });
    expect(body).toBe(`{"jsonrpc":"2.0","id":7,"a":{"b":[1]},"result":${LARGE},"z":"é"}`);
  });

  it('connections are used again after large answers, on both sides', async () => {
    await using server = await startByteServer(
      ({ id, response }) =>
        void response.writeHead(200, JSON_TYPE).end(`{"jsonrpc":"2.0","id":${id},"result":${LARGE}}`),
    );
    await using gateway = await gatewayOf(server.url, args);
    const client = clientOf(gateway);
    for (let id = 1; id <= 20; id++) {
      const { answer } = await client('tools/call', { name: 'tool' }, { id });
      expect(answer.id).toBe(id);
    }
    expect(gateway.logs().filter(({ outcome }) => outcome !== undefined && outcome !== 'ok')).toEqual([]);
  });

  it('a large event goes out as one event behind those before it, however its data is written', async () => {
    const pretty = (id: string): string =>
      `id: 1\ndata: {"jsonrpc":"2.0",\r\ndata: "result":\ndata: ${LARGE},\ndata:"id":${id}}\nid: 2\n\n`;
    await using server = await startByteServer(({ id, response }) => {
      response.writeHead(200, SSE);
      response.write('data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}\n\n');
      response.end(pretty(id));
    });
    await using gateway = await gatewayOf(server.url, args);
    const meta = { 'io.modelcontextprotocol/logLevel': 'debug' };
    const { headers, messages, body } = await clientOf(gateway)('tools/call', { name: 'tool' }, { id: 5, meta });
    expect(headers.get('content-type')).toBe('text/event-stream');
    expect(messages.map(({ method }) => method)).toEqual(['notifications/message', undefined]);
    expect(body).toContain(`data: {"jsonrpc":"2.0","id":5,"result":${LARGE}}\n\n`);
    expect(await outcomeOf(gateway)).toBe('ok');
  });

  it('line breaks between the tokens of a JSON answer do not break the event that it becomes', async () => {
    const result = { list: Array.from({ length: 20_000 }, (_, index) => ({ index })) };
    const text = (id: string): string => `{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(result, null, 1)}}`;
    await using server = await startFakeServer({
      on: ({ tool, message, response, event }) => {
        if (tool !== 'big') return false;
        event({ method: 'notifications/message', params: { level: 'info', data: 'x' } });
        response.end(`data: ${text(JSON.stringify(message.id)).replaceAll(/[\r\n]+/g, '\ndata:')}\n\n`);
        return true;
      },
    });
    await using gateway = await gatewayOf(server.url, args);
    const client = await rawClient(gateway.url('web'), gateway.authorization);
    const { answer, messages } = await client.request('tools/call', { name: 'big' });
    expect(messages).toHaveLength(2);
    expect(answer.result).toEqual(result);
  });

  it.each([
    { fault: 'the id of another request behind the result', end: ',"jsonrpc":"2.0","id":"other"}', code: 'server_protocol_error' },
    { fault: 'an error behind the result', end: ',"jsonrpc":"2.0","error":{"code":1,"message":""}}', code: 'server_protocol_error' },
    { fault: 'a second result', end: ',"jsonrpc":"2.0","result":{}}', code: 'server_protocol_error' },
    { fault: 'no version', end: '}', code: 'server_protocol_error' },
    { fault: 'another version', end: ',"jsonrpc":"1.0"}', code: 'server_protocol_error' },
    { fault: 'bytes that are not JSON', end: ',"jsonrpc":"2.0",nonsense}', code: 'server_protocol_error' },
    { fault: 'bytes behind its end', end: ',"jsonrpc":"2.0"}{}', code: 'server_protocol_error' },
    { fault: 'an early end', end: ',"jsonrpc":"2.0"', code: 'server_protocol_error' },
    { fault: 'too much behind the result', end: `,"jsonrpc":"2.0","x":"${'x'.repeat(MIB)}"}`, code: 'server_protocol_error' },
  ])('an answer with $fault is cut off and never ends well', async ({ end, code }) => {
    await using server = await startByteServer(
      ({ response }) => void response.writeHead(200, JSON_TYPE).end(`{"result":${LARGE}${end}`),
    );
    await using gateway = await gatewayOf(server.url, args);
    await expect(clientOf(gateway)('tools/call', { name: 'tool' })).rejects.toThrow();
    expect(await outcomeOf(gateway)).toBe(code);
  });

  it('an answer whose server dies in the middle is cut off, as JSON and as an event', async () => {
    let type: Record<string, string> = JSON_TYPE;
    await using server = await startByteServer(({ id, response }) => {
      response.writeHead(200, type);
      const before = type === SSE ? 'id: 1\ndata: ' : '';
      response.write(`${before}{"jsonrpc":"2.0","id":${id},"result":${LARGE.slice(0, -10)}`, () => response.destroy());
    });
    await using gateway = await gatewayOf(server.url, args);
    const client = clientOf(gateway);
    await expect(client('tools/call', { name: 'tool' })).rejects.toThrow();
    expect(await outcomeOf(gateway)).toBe('server_unavailable');
    type = SSE;
    await expect(client('tools/call', { name: 'tool' })).rejects.toThrow();
  });

  it('an answer above the limit is cut off there', async () => {
    const piece = 'x'.repeat(MIB);
    await using server = await startByteServer(({ id, response }) => {
      response.writeHead(200, JSON_TYPE).write(`{"jsonrpc":"2.0","id":${id},"result":{"text":"`);
      for (let sent = 0; sent < 33; sent++) response.write(piece);
      response.end('"}}');
    });
    await using gateway = await gatewayOf(server.url, args);
    await expect(clientOf(gateway)('tools/call', { name: 'tool' })).rejects.toThrow();
    expect(await outcomeOf(gateway)).toBe('server_protocol_error');
  });

  it('a large error, and what only looks like an answer, is read whole and told as what it is', async () => {
    const data = 'x'.repeat(200_000);
    let body = (id: string): string => `{"jsonrpc":"2.0","id":${id},"error":{"code":-32000,"message":"no","data":"${data}"}}`;
    await using server = await startByteServer(({ id, response }) => void response.writeHead(200, JSON_TYPE).end(body(id)));
    await using gateway = await gatewayOf(server.url, args);
    const client = clientOf(gateway);
    expect((await client('tools/call', { name: 'tool' })).answer.error).toMatchObject({ code: -32_000, data });
    body = () => `{"jsonrpc":"2.0","id":"other","result":"${data}"}`;
    expect((await client('tools/call', { name: 'tool' })).answer.error).toMatchObject({
      data: { error: 'server_protocol_error' },
    });
  });

  it('a client that leaves in the middle ends the request to the server', async () => {
    await using server = await startByteServer(({ id, response }) => {
      response.writeHead(200, JSON_TYPE).write(`{"jsonrpc":"2.0","id":${id},"result":${LARGE.slice(0, -10)}`);
    });
    await using gateway = await gatewayOf(server.url, args);
    const abort = new AbortController();
    const call = clientOf(gateway)(
      'tools/call',
      { name: 'tool' },
      { signal: abort.signal, onText: (text) => text.length > 100_000 && abort.abort() },
    );
    await expect(call).rejects.toThrow('abort');
    await expect.poll(() => server.open).toBe(0);
    expect(await outcomeOf(gateway)).toBe('cancelled');
  });

  it('while the client does not read, the server is made to wait, and then everything comes', async () => {
    const size = 30 * MIB;
    let sent = 0;
    await using server = await startByteServer(({ id, response }) => {
      response.writeHead(200, JSON_TYPE).write(`{"jsonrpc":"2.0","id":${id},"result":{"text":"`);
      const piece = Buffer.alloc(64 * 1024, 'x');
      const pump = (): void => {
        while (sent < size) {
          sent += piece.length;
          if (!response.write(piece)) return void response.once('drain', pump);
        }
        response.end('"}}');
      };
      pump();
    });
    await using gateway = await gatewayOf(server.url, args);
    const slow = await openCall(gateway);
    await expect.poll(() => sent).toBeGreaterThan(0);
    let before = -1;
    while (sent !== before) {
      before = sent;
      await pause(300);
    }
    // What is left lies in the buffers of the kernel.
    expect(sent).toBeLessThan(size - 2 * MIB);
    let received = 0;
    let tail = '';
    slow.on('data', (chunk: Buffer) => {
      received += chunk.length;
      tail = (tail + chunk.toString('latin1')).slice(-20);
    });
    await expect.poll(() => received, { timeout: 20_000 }).toBeGreaterThan(size);
    await expect.poll(() => tail).toMatch(/}\r\n0\r\n\r\n$/);
    slow.destroy();
  });
});

/** A call on a bare connection whose answer is not read yet. */
async function openCall(gateway: RunningGateway) {
  const { hostname, port, pathname } = new URL(gateway.url('web'));
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: {
      name: 'tool',
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    },
  });
  const socket = connect({ host: hostname, port: Number(port) });
  socket.write(
    `POST ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: ${gateway.authorization}\r\n` +
      'Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n' +
      'MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: tool\r\n' +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
  return socket;
}
