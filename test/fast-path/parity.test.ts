/** The same bytes get the same answers, and cause the same requests, with the fast path on and off, and with several processes. */
import { connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AGENT_ID, startGateway, type RunningGateway } from '../rig/gateway.ts';
import { startScriptedServer, type ScriptedServer } from '../rig/scripted-server.ts';

const VERSION = '2026-07-28';
const META = `"_meta":{"io.modelcontextprotocol/protocolVersion":"${VERSION}","io.modelcontextprotocol/clientCapabilities":{}}`;
const CALL = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{${META},"name":"tool","arguments":{"a":"é"}}}`;
const GOOD: Readonly<Record<string, string>> = {
  Host: 'localhost',
  Authorization: `Bearer ${AGENT_ID}`,
  'Content-Type': 'application/json',
  Accept: 'application/json, text/event-stream',
  'MCP-Protocol-Version': VERSION,
  'Mcp-Method': 'tools/call',
  'Mcp-Name': 'tool',
};
/** A tool that is only called where nobody knows whether and when the call arrives. */
const LATE = 'late';
/** Ends the connection with an answer of its own. */
const LAST = 'GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

function post(
  change: Readonly<Record<string, string | undefined>> = {},
  body = CALL,
  line = 'POST /mcp/one HTTP/1.1',
): string {
  const headers = { ...GOOD, 'Content-Length': String(Buffer.byteLength(body)), ...change };
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}\r\n`],
  );
  return `${line}\r\n${lines.join('')}\r\n${body}`;
}

interface Side {
  readonly server: ScriptedServer;
  readonly gateway: RunningGateway;
}

/** One with the fast path, one without it, one of two processes. */
const each: Side[] = [];
/** The last several times: a connection reaches any of its processes. */
const sides: Side[] = [];
const CONNECTIONS_TO_TWO = 6;

beforeAll(async () => {
  for (const [mode, workers] of [
    ['on', '1'],
    ['off', '1'],
    ['on', '2'],
  ] as const) {
    const server = await startScriptedServer();
    const config = { mcpServers: { one: { type: 'http', url: server.url } } };
    const gateway = await startGateway({ config, args: ['--fast-path', mode, '--workers', workers] });
    const side = { server, gateway };
    each.push(side);
    if (workers === '1') sides.push(side);
    else sides.push(...Array.from({ length: CONNECTIONS_TO_TWO }, () => side));
    if (workers !== '1') await gateway.until(({ stderr }) => (stderr.includes('a worker serves') ? true : undefined));
  }
});

afterAll(async () => {
  for (const { server, gateway } of each) {
    await gateway.stop();
    await server[Symbol.asyncDispose]();
  }
});

/** Everything that comes back on one connection until it ends. `pieces` are sent one after the other. */
async function exchange({ gateway }: Side, pieces: readonly Buffer[], half: boolean): Promise<string> {
  const socket = connect(Number(new URL(gateway.origin).port), '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => {
    socket.once('close', resolve);
  });
  socket.setNoDelay(true);
  for (const [index, piece] of pieces.entries()) {
    // The end of the client's side comes with its last bytes: an answer may not get in between.
    if (half && index === pieces.length - 1) socket.end(piece);
    else
      await new Promise((resolve) => {
        socket.write(piece, resolve);
      });
    await turn();
  }
  await closed;
  return normal(Buffer.concat(chunks).toString('utf8'));
}

/** Without what differs from request to request. */
function normal(text: string): string {
  return text
    .replaceAll(/^Date: .*\r$/gm, 'Date: …')
    .replaceAll(/^x-request-id: [0-9a-f]{16}\r$/gm, 'x-request-id: …')
    .replaceAll(/"requestId":"[0-9a-f]{16}"/g, '"requestId":"…"')
    .replaceAll(/request id [0-9a-f]{16}/g, 'request id …');
}

/** What all sides answer and pass on; they must be the same. */
async function all(pieces: readonly Buffer[], half = false): Promise<string> {
  const seen: { readonly answer: string; readonly asked: readonly unknown[] }[] = [];
  for (const side of sides) {
    const before = side.server.received.length;
    const answer = await exchange(side, pieces, half);
    const asked = side.server.received.slice(before).map(({ verb, method, params, headers }) => {
      // Its length depends on how many calls there were before: they are counted in the ids.
      const { host: _port, 'content-length': _length, ...others } = headers;
      return { verb, method, params, others };
    });
    const calls = asked.filter(({ method, params }) => method === 'tools/call' && params['name'] !== LATE);
    seen.push({ answer, asked: calls });
  }
  const [on, ...others] = seen;
  for (const other of others) expect(other).toEqual(on);
  return on?.answer ?? '';
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const utf8 = (text: string): Buffer => Buffer.from(text, 'utf8');

describe('with the fast path on and off, and with several processes', () => {
  test('a call is answered the same, byte for byte', async () => {
    const answer = await all([utf8(post() + LAST)]);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*"called"[^]*HTTP\/1\.1 200 OK/);
  });

  test.each<[string, string]>([
    ['no credential', post({ Authorization: undefined })],
    ['a wrong credential', post({ Authorization: 'Bearer wrong-0123456789' })],
    ['a malformed credential', post({ Authorization: 'Bearer' })],
    ['another host', post({ Host: 'evil.example' })],
    ['an unknown server', post({}, CALL, 'POST /mcp/two HTTP/1.1')],
    ['an unknown virtual server', post({}, CALL, 'POST /servers/two/mcp HTTP/1.1')],
    [
      'the shared endpoint',
      post({ 'Mcp-Name': 'one___tool' }, CALL.replace('"tool"', '"one___tool"'), 'POST /mcp HTTP/1.1'),
    ],
    ['another media type', post({ 'Content-Type': 'text/plain' })],
    ['an Accept that allows nothing', post({ Accept: 'text/html' })],
    ['a header that contradicts the body', post({ 'Mcp-Name': 'other' })],
    ['another version', post({ 'MCP-Protocol-Version': '2031-01-01' })],
    [
      'no session',
      post({ 'Mcp-Session-Id': 'unknown', 'MCP-Protocol-Version': '2025-11-25' }, CALL.replace(`${META},`, '')),
    ],
    ['what is not JSON', post({}, '{"jsonrpc":')],
    ['a member twice', post({}, CALL.replace('"id":1', '"id":1,"id":2'))],
    ['a member twice, once escaped', post({}, CALL.replace('"id":1', '"id":1,"i\\u0064":2'))],
    ['two spellings of a member', post({}, CALL.replace('"id":1', '"id":1,"ID":2'))],
    ['a batch', post({}, `[${CALL}]`)],
    ['a notification', post({ 'Mcp-Method': 'notifications/x' }, '{"jsonrpc":"2.0","method":"notifications/x"}')],
    [
      'an unknown method',
      post({ 'Mcp-Method': 'nothing', 'Mcp-Name': undefined }, CALL.replace('tools/call', 'nothing')),
    ],
  ])('%s gets the same answer', async (_name, request) => {
    await all([utf8(request + LAST)]);
  });

  const stream = {
    'Content-Type': undefined,
    'Mcp-Method': undefined,
    'Mcp-Name': undefined,
    'Content-Length': undefined,
  };
  const legacy = { ...stream, 'MCP-Protocol-Version': '2025-11-25', Connection: 'close' };
  const get = (change: Readonly<Record<string, string | undefined>>, path = '/mcp/one'): string =>
    post({ ...legacy, ...change }, '', `GET ${path} HTTP/1.1`);

  test.each<[string, string]>([
    ['no credential', get({ Authorization: undefined })],
    ['a wrong credential', get({ Authorization: 'Bearer wrong-0123456789' })],
    ['another host', get({ Host: 'evil.example' })],
    ['a page of a browser', get({ Origin: 'http://evil.example' })],
    ['no session', get({})],
    ['an unknown session', get({ 'Mcp-Session-Id': 'unknown' })],
    ['an unknown server', get({}, '/mcp/two')],
    ['another version', get({ 'Mcp-Session-Id': 'unknown', 'MCP-Protocol-Version': '2020-01-01' })],
    ['a modern version', get({ 'MCP-Protocol-Version': VERSION })],
    ['a body', `${get({ 'Content-Length': '3' })}xxx`],
    ['a body of nothing', get({ 'Content-Length': '0' })],
  ])('a GET with %s gets the same answer', async (_name, request) => {
    expect(await all([utf8(request)])).toMatch(/^HTTP\/1\.1 4\d\d /);
  });

  test('the connection ends with the request that asks for it, and what stands behind it counts for nothing', async () => {
    const last = utf8(post({ Connection: 'close' }));
    const alone = await all([last]);
    expect(alone).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\nConnection: close\r\n[^]*"called"/);
    expect(await all([last, bytes('\r\n')])).toBe(alone);
    const late = post({ 'Mcp-Name': LATE, Connection: 'close' }, CALL.replace('"tool"', `"${LATE}"`));
    for (const behind of [LAST, 'nonsense']) {
      const piece = utf8(late + behind);
      const [on, off] = await Promise.all(each.map((side) => exchange(side, [piece], false)));
      expect(on).toBe(off);
    }
  });

  test.each<[string, string]>([
    ['length and chunks', post({ 'Transfer-Encoding': 'chunked' })],
    ['two lengths', post({ 'content-length': '3' })],
    ['a signed length', post({ 'Content-Length': '+5' })],
    ['a hexadecimal length', post({ 'Content-Length': '0x5' })],
    ['a list of lengths', post({ 'Content-Length': '5, 5' })],
    ['a space before the colon', post({ 'Content-Length ': '5' })],
    ['a folded line', post({ X: 'a\r\n b' })],
    ['NUL in a value', post({ X: 'a\0b' })],
    ['a line feed in a value', post({ X: 'a\nTransfer-Encoding: chunked' })],
    ['no Host', post({ Host: undefined })],
    ['two Hosts', post({ host: 'localhost' })],
    ['two credentials', post({ authorization: 'Bearer other' })],
    ['the absolute form', post({}, CALL, 'POST http://evil.example/mcp/one HTTP/1.1')],
    ['HTTP/2.0', post({}, CALL, 'POST /mcp/one HTTP/2.0')],
    ['HTTP/1.0', post({}, CALL, 'POST /mcp/one HTTP/1.0')],
    ['a bare request line', 'GET /\r\n\r\n'],
    ['nonsense', '\x16\x03\x01\x02\0\r\n\r\n'],
  ])('B2 %s gets the same answer', async (_name, request) => {
    await all([bytes(request)], true);
  });

  test('B2 chunks, pipelining and a change of form on one connection get the same answers', async () => {
    const chunked = `${post({ 'Content-Length': undefined, 'Transfer-Encoding': 'chunked' }, '')}${Buffer.byteLength(CALL).toString(16)}\r\n${CALL}\r\n0\r\n\r\n`;
    const wrong = post({ Authorization: 'Bearer wrong-0123456789' });
    const answer = await all([utf8(post() + post() + wrong + chunked + post() + LAST)]);
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(
      ['200', '200', '401', '200', '200', '200'].map((status) => `HTTP/1.1 ${status}`),
    );
  });

  test.each<[string, string]>([
    ['what is no HTTP', 'NOT HTTP AT ALL\r\n\r\n'],
    ['a byte', 'N'],
    ['an empty line', '\r\n'],
    ['a header line that is wrong', 'POST /mcp HTTP/1.1\r\nHost : x\r\n\r\n'],
    ['a length that is wrong', 'POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n'],
    ['a request that is not complete', 'POST /mcp HTTP/1.1\r\nHost: x\r\n'],
    ['another request', LAST],
  ])('B2 %s behind a request in one piece gets the same answer', async (_name, behind) => {
    const call = CALL.replace('é', 'e').replace('"tool"', `"${LATE}"`);
    const piece = bytes(post({ 'Mcp-Name': LATE }, call) + behind);
    // Whether the call had reached the server when its connection was cut is a matter of chance.
    // Between two processes the end of the client's side comes later than its bytes, so that the answer may come first.
    const [on, off] = await Promise.all(each.map((side) => exchange(side, [piece], true)));
    expect(on).toBe(off);
  });

  test('a request that the wire cuts anywhere gets the same answer', async () => {
    const whole = utf8(post() + LAST);
    const expected = await all([whole]);
    // Every place in the head and in the body, several at a time.
    const cuts = Array.from({ length: whole.length - 1 }, (_, index) => index + 1);
    await Promise.all(
      each.map(async (side) => {
        for (let from = 0; from < cuts.length; from += 32) {
          const answers = await Promise.all(
            cuts
              .slice(from, from + 32)
              .map((cut) => exchange(side, [whole.subarray(0, cut), whole.subarray(cut)], false)),
          );
          for (const answer of answers) expect(answer).toBe(expected);
        }
      }),
    );
  });

  test('a request that ends early gets the same answer', async () => {
    const whole = utf8(post());
    for (const end of [1, 10, 60, whole.length - CALL.length, whole.length - 1])
      await all([whole.subarray(0, end)], true);
  });
});
