/** Large answers are passed on while they come: whole, under the client's id, no faster than it reads, and never as complete unless they are. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { modernClient, type ModernClient, type ModernOptions } from '../modern-raw-client.ts';
import { startByteServer, type ByteCall, type ByteServer } from './byte-server.ts';
import { openCall } from './open-call.ts';

const MIB = 1024 * 1024;
const SSE = { 'content-type': 'text/event-stream' };
const MESSAGE = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}';
const LISTENS = { meta: { 'io.modelcontextprotocol/logLevel': 'debug' } };
/** Structured, with escapes and characters of several bytes, and numbers that no parser keeps. */
const LARGE = `{"resultType":"complete","content":[{"type":"text","text":"${String.raw`é\n\"🏰\u00e9 `.repeat(20_000)}"}],"n":12345678901234567890, "list": [${'1.50, '.repeat(50_000)}0]}`;

describe.each([
  { path: 'the fast path', args: [] },
  { path: 'node:http', args: ['--fast-path', 'off'] },
])('over $path', ({ args }) => {
  const stack = new AsyncDisposableStack();
  let answer: (call: ByteCall) => void = () => undefined;
  let server: ByteServer;
  let gateway: RunningGateway;
  let client: ModernClient;
  let seen = 0;

  beforeAll(async () => {
    server = stack.use(await startByteServer((call) => answer(call)));
    const config = { mcpServers: { web: { type: 'http', url: server.url } } };
    gateway = stack.use(await startGateway({ config, args: [...args] }));
    client = modernClient(gateway.url('web'), gateway.authorization);
  });
  afterAll(() => stack.disposeAsync());

  /** Calls the tool of a server that answers like this. */
  const call = (given: typeof answer, options: ModernOptions = {}): ReturnType<ModernClient> => {
    answer = given;
    return client('tools/call', { name: 'tool' }, options);
  };
  /** What the access log says of the calls since the last look. */
  const outcome = async (): Promise<unknown> => {
    const lines = (): Record<string, unknown>[] =>
      gateway.logs().filter((line) => line['method'] === 'tools/call' && line['outcome'] !== undefined);
    await expect.poll(() => lines().length).toBeGreaterThan(seen);
    const news = lines().slice(seen);
    seen += news.length;
    return news.map((line) => line['outcome']).join(' ');
  };

  it.each([
    { order: 'the id first', text: (id: string) => `{"jsonrpc":"2.0","id":${id},"result":${LARGE}}` },
    { order: 'the id last', text: (id: string) => ` {"result": ${LARGE}, "jsonrpc": "2.0", "id" : ${id} } \n` },
    { order: 'no id', text: (_id: string) => `{"jsonrpc":"2.0","result":${LARGE}}` },
    { order: 'an escaped key', text: (id: string) => `{"result":${LARGE},"jsonrpc":"2.0","\\u0069d":${id}}` },
  ])('an answer with $order reaches the client under its own id, with every byte of its result', async ({ text }) => {
    const { status, headers, body } = await call(({ id, response }) => json(response, text(id)), { id: 'mine' });
    expect(status).toBe(200);
    expect(headers.get('transfer-encoding')).toBe('chunked');
    expect(body).toBe(`{"jsonrpc":"2.0","id":"mine","result":${LARGE}}`);
    expect(await outcome()).toBe('ok');
  });

  it('members that nobody knows stay, before and behind the result', async () => {
    const { body } = await call(
      ({ id, response }) => json(response, `{"a":{"b":[1]},"id":${id},"result":${LARGE},"z" : "é","jsonrpc":"2.0"}`),
      { id: 7 },
    );
    expect(body).toBe(`{"jsonrpc":"2.0","id":7,"a":{"b":[1]},"result":${LARGE},"z":"é"}`);
    expect(await outcome()).toBe('ok');
  });

  it('connections are used again after large answers, on both sides', async () => {
    for (let id = 1; id <= 20; id++) {
      const given = await call((each) => json(each.response, `{"jsonrpc":"2.0","id":${each.id},"result":${LARGE}}`), {
        id,
      });
      expect(given.answer.id).toBe(id);
      expect(await outcome()).toBe('ok');
    }
    expect(server.connections()).toBeLessThan(12);
  });

  it('a large event goes out as one event behind those before it, however its data is written', async () => {
    const { headers, messages, body } = await call(
      ({ id, response }) => {
        response.writeHead(200, SSE).write(`data: ${MESSAGE}\n\n`);
        response.end(`id: 1\ndata: {"jsonrpc":"2.0",\r\ndata: "result":\ndata: ${LARGE},\ndata:"id":${id}}\nid: 2\n\n`);
      },
      { id: 5, ...LISTENS },
    );
    expect(headers.get('content-type')).toBe('text/event-stream');
    expect(messages.map(({ method }) => method)).toEqual(['notifications/message', undefined]);
    expect(body).toContain(`data: {"jsonrpc":"2.0","id":5,"result":${LARGE}}\n\n`);
    expect(await outcome()).toBe('ok');
  });

  it('line breaks between the tokens of an answer do not break the event that it becomes', async () => {
    const result = { resultType: 'complete', list: Array.from({ length: 20_000 }, (_, index) => ({ index })) };
    const { answer: given, messages } = await call(({ id, response }) => {
      response.writeHead(200, SSE).write(`data: ${MESSAGE}\n\n`);
      const text = `{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(result, null, 1)}}`;
      response.end(`data: ${text.replaceAll('\n', '\ndata:')}\n\n`);
    }, LISTENS);
    expect(messages).toHaveLength(2);
    expect(given.result).toEqual(result);
    expect(await outcome()).toBe('ok');
  });

  it.each([
    { fault: 'the id of another request behind the result', end: ',"jsonrpc":"2.0","id":"other"}' },
    { fault: 'an error behind the result', end: ',"jsonrpc":"2.0","error":{"code":1,"message":""}}' },
    { fault: 'a second result', end: ',"jsonrpc":"2.0","result":{}}' },
    { fault: 'no version', end: '}' },
    { fault: 'another version', end: ',"jsonrpc":"1.0"}' },
    { fault: 'bytes that are not JSON', end: ',"jsonrpc":"2.0",nonsense}' },
    { fault: 'bytes behind its end', end: ',"jsonrpc":"2.0"}{}' },
    { fault: 'an early end', end: ',"jsonrpc":"2.0"' },
    { fault: 'too much behind the result', end: `,"jsonrpc":"2.0","x":"${'x'.repeat(MIB)}"}` },
  ])('an answer with $fault is cut off and never ends well', async ({ end }) => {
    await expect(call(({ response }) => json(response, `{"result":${LARGE}${end}`))).rejects.toThrow();
    expect(await outcome()).toBe('server_protocol_error');
    await expect(
      call(({ response }) => void response.writeHead(200, SSE).end(`data: {"result":${LARGE}${end}\n\n`)),
    ).rejects.toThrow();
    expect(await outcome()).toBe('server_protocol_error');
  });

  it('an event that names another type behind its data is cut off', async () => {
    const text = (id: string): string => `data: {"jsonrpc":"2.0","id":${id},"result":${LARGE}}\nevent: other\n\n`;
    await expect(call(({ id, response }) => void response.writeHead(200, SSE).end(text(id)))).rejects.toThrow();
    expect(await outcome()).toBe('server_protocol_error');
  });

  it.each([
    { form: 'JSON', type: { 'content-type': 'application/json' }, before: '' },
    { form: 'an event', type: SSE, before: 'id: 1\ndata: ' },
  ])('an answer as $form whose server dies in the middle is cut off', async ({ type, before }) => {
    const given = call(({ id, response }) => {
      response.writeHead(200, type);
      response.write(`${before}{"jsonrpc":"2.0","id":${id},"result":${LARGE.slice(0, -10)}`, () => response.destroy());
    });
    await expect(given).rejects.toThrow();
    expect(await outcome()).toBe('server_unavailable');
  });

  it('an answer above the limit is cut off there', async () => {
    const piece = 'x'.repeat(MIB);
    const given = call(({ id, response }) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(`{"jsonrpc":"2.0","id":${id},"result":{"text":"`);
      for (let sent = 0; sent < 33; sent++) response.write(piece);
      response.end('"}}');
    });
    await expect(given).rejects.toThrow();
    expect(await outcome()).toBe('server_protocol_error');
  });

  it.each([
    { form: 'JSON', type: { 'content-type': 'application/json' }, before: '', after: '' },
    { form: 'an event', type: SSE, before: 'data: ', after: '\n\n' },
  ])('an answer as $form of which something else than the result is large comes whole', async (wire) => {
    const result = { resultType: 'complete', content: [] };
    const { answer: given } = await call(({ id, response }) => {
      const text = `{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(result)},"x":"${'x'.repeat(200_000)}"}`;
      response.writeHead(200, wire.type).end(`${wire.before}${text}${wire.after}`);
    });
    expect(given.result).toEqual(result);
    expect(await outcome()).toBe('ok');
  });

  it('a large error, and what only looks like an answer, is read whole and told as what it is', async () => {
    const data = 'x'.repeat(200_000);
    const failed = (id: string): string =>
      `{"jsonrpc":"2.0","id":${id},"error":{"code":-32000,"message":"no","data":"${data}"}}`;
    const refused = await call(({ id, response }) => json(response, failed(id)));
    expect(refused.answer.error).toMatchObject({ code: -32_000, data });
    expect(await outcome()).toBe('ok');
    const foreign = await call(({ response }) => json(response, `{"jsonrpc":"2.0","id":"other","result":"${data}"}`));
    expect(foreign.answer.error).toMatchObject({ data: { error: 'server_protocol_error' } });
    expect(await outcome()).toBe('server_protocol_error');
  });

  it('a client that leaves in the middle ends the request to the server', async () => {
    const abort = new AbortController();
    const given = call(
      ({ id, response }) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.write(`{"jsonrpc":"2.0","id":${id},"result":${LARGE.slice(0, -10)}`);
      },
      { signal: abort.signal, onText: (text) => text.length > 100_000 && abort.abort() },
    );
    await expect(given).rejects.toThrow('abort');
    await expect.poll(() => server.open).toBe(0);
    expect(await outcome()).toBe('cancelled');
  });

  it('while the client does not read, the server is made to wait, and then everything comes', async () => {
    const size = 30 * MIB;
    let sent = 0;
    answer = ({ id, response }) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(`{"jsonrpc":"2.0","id":${id},"result":{"text":"`);
      const piece = Buffer.alloc(64 * 1024, 'x');
      const pump = (): void => {
        while (sent < size) {
          sent += piece.length;
          if (!response.write(piece)) return void response.once('drain', pump);
        }
        response.end('"}}');
      };
      pump();
    };
    const slow = openCall(gateway);
    await untilSteady(() => sent);
    // What was sent by then lies in the buffers of the kernel.
    expect(sent).toBeLessThan(size - 2 * MIB);
    const { received, tail } = await readAll(slow, size);
    expect(received).toBeGreaterThan(size);
    expect(tail).toMatch(/}\r\n0\r\n\r\n$/);
    expect(await outcome()).toBe('ok');
  });
});

function json(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(text);
}

/** Resolves when a number that grows has stopped growing. */
async function untilSteady(look: () => number): Promise<void> {
  for (let before = 0; look() === 0 || look() !== before;) {
    before = look();
    await pause(500);
  }
}

/** Reads until the answer has ended. */
function readAll(socket: Socket, size: number): Promise<{ received: number; tail: string }> {
  return new Promise((resolve) => {
    let received = 0;
    let tail = '';
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
      tail = (tail + chunk.toString('latin1')).slice(-20);
      if (received <= size || !tail.endsWith('0\r\n\r\n')) return;
      socket.destroy();
      resolve({ received, tail });
    });
  });
}
