/** What operators see of requests is the same with the fast path on and off: answers, access log, metrics and audit, for callers with different rights. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sign } from '../../src/auth/hmac-signature.ts';
import { AGENT_ID, startGateway } from '../rig/gateway.ts';
import { startManaged, type ManagedGateway } from '../rig/managed-gateway.ts';
import { startScriptedServer, type ScriptedServer } from '../rig/scripted-server.ts';
import { startHttpFixture, type HttpFixture } from '../rig/servers.ts';
import { openTemporaryStore, type EmbeddedStore } from '../rig/store.ts';

const VERSION = '2026-07-28';
const META = `"_meta":{"io.modelcontextprotocol/protocolVersion":"${VERSION}","io.modelcontextprotocol/clientCapabilities":{}}`;

interface Asked {
  readonly path?: string;
  readonly method: string;
  readonly params?: string;
  readonly name?: string;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A request in the strict form; without `name` and with headers of its own it may be one of the older versions. */
function post({ path = '/mcp/one', method, params = META, name, token = '', headers, body }: Asked): string {
  const text = body ?? `{"jsonrpc":"2.0","id":1,"method":"${method}","params":{${params}}}`;
  const all = {
    Host: 'localhost',
    Authorization: `Bearer ${token}`,
    'Content-Type': 'application/json',
    Accept: 'application/json, text/event-stream',
    ...(headers ?? { 'MCP-Protocol-Version': VERSION, 'Mcp-Method': method, ...(name && { 'Mcp-Name': name }) }),
    'Content-Length': String(Buffer.byteLength(text)),
  };
  const lines = Object.entries(all).map(([key, value]) => `${key}: ${value}\r\n`);
  return `POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n${text}`;
}

/** Sends each request when the answer to the one before is there, all on one connection. `next` sees all answers so far. */
async function converse(
  origin: string,
  requests: readonly ((answers: readonly string[]) => string)[],
): Promise<string[]> {
  const socket = connect(Number(new URL(origin).port), '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const answers: string[] = [];
  for (const request of requests) {
    text = '';
    socket.write(request(answers));
    await expect.poll(() => isWhole(text), { interval: 5 }).toBe(true);
    answers.push(text);
  }
  socket.destroy();
  return answers;
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return false;
  if (/^transfer-encoding: chunked\r$/im.test(text.slice(0, end + 2))) return text.endsWith('\r\n0\r\n\r\n');
  const length = Number(/^content-length: (\d+)\r$/im.exec(text.slice(0, end + 2))?.[1]);
  return Buffer.byteLength(text.slice(end + 4)) >= length;
}

/** Without what differs from run to run; where a body in chunks is cut is a matter of time. */
function normal(text: string): string {
  return withoutChunks(text)
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
    .replaceAll(/\b(?:[0-9a-f]{16}|[0-9a-f]{32})\b/g, '<id>')
    .replaceAll(/^Date: .*\r$/gm, 'Date: …')
    .replaceAll(/^mcp-session-id: .*\r$/gim, 'mcp-session-id: …')
    .replaceAll(/127\.0\.0\.1:\d+/g, '<address>');
}

function withoutChunks(text: string): string {
  const end = text.indexOf('\r\n\r\n') + 4;
  if (!/^transfer-encoding: chunked\r$/im.test(text.slice(0, end))) return text;
  const bytes = Buffer.from(text.slice(end));
  let body = '';
  for (let at = 0; at < bytes.length;) {
    const line = bytes.indexOf('\r\n', at);
    const length = Number.parseInt(bytes.toString('latin1', at, line), 16);
    body += bytes.toString('utf8', line + 2, line + 2 + length);
    at = line + 4 + length;
  }
  return text.slice(0, end) + body;
}

interface Side {
  readonly store: EmbeddedStore;
  readonly gateway: ManagedGateway;
  readonly viewer: string;
}

describe('with the fast path on and off', () => {
  let scripted: ScriptedServer;
  let fixture: HttpFixture;
  const sides: Side[] = [];

  beforeAll(async () => {
    scripted = await startScriptedServer();
    fixture = await startHttpFixture();
    for (const mode of ['on', 'off']) {
      const store = await openTemporaryStore();
      const config = {
        mcpServers: { one: { type: 'http', url: scripted.url }, old: { type: 'http', url: fixture.url } },
        gateway: { port: 3000, domain: 'localhost', mode: 'both' },
      };
      const gateway = await startManaged({ store, config, args: ['--fast-path', mode] });
      sides.push({ store, gateway, viewer: await gateway.tokenFor('viewer@example.com', 'viewer') });
    }
  });
  afterAll(async () => {
    for (const { store } of sides) await store[Symbol.asyncDispose]();
    await scripted[Symbol.asyncDispose]();
    await fixture[Symbol.asyncDispose]();
  });

  test('the same requests are answered, logged, counted and audited the same', async () => {
    const seen = await Promise.all(
      sides.map(async ({ store, gateway, viewer }) => {
        const { origin, token } = gateway;
        const call = { method: 'tools/call', params: `${META},"name":"tool","arguments":{}`, name: 'tool', token };
        const legacy = { path: '/mcp/old', token, headers: {} };
        const session = (answers: readonly string[]): Record<string, string> => ({
          'Mcp-Session-Id': answers.map((each) => /^mcp-session-id: (.*)\r$/im.exec(each)?.[1]).find(Boolean) ?? '',
          'MCP-Protocol-Version': '2025-06-18',
          // An answer that is long in coming would be a stream, and which of them is one a matter of luck.
          Accept: 'application/json',
        });
        const answers = await converse(origin, [
          () => post(call),
          () => post(call),
          () => post({ ...call, path: '/mcp', name: 'one___tool', params: call.params.replace('tool', 'one___tool') }),
          () => post({ ...call, token: viewer }),
          () => post({ ...call, token: 'ght_unknown' }),
          () => post({ ...call, path: '/mcp/nowhere' }),
          () => post({ ...call, name: 'other' }),
          () => post({ ...call, name: 'missing', params: `${META},"name":"missing","arguments":{}` }),
          () => post({ ...call, body: '{"jsonrpc":"2.0","id":1,' }),
          () => post({ method: 'tools/list', token }),
          () => post({ method: 'tools/list', token: viewer, path: '/mcp' }),
          () =>
            post({ method: 'resources/read', name: 'scripted://one', params: `${META},"uri":"scripted://one"`, token }),
          () => post({ method: 'nothing/known', token }),
          () =>
            post({
              method: 'notifications/x',
              token,
              body: '{"jsonrpc":"2.0","method":"notifications/x"}',
              headers: {},
            }),
          () =>
            post({
              ...legacy,
              method: 'initialize',
              params: '"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}',
            }),
          (before) =>
            post({
              ...legacy,
              method: '',
              headers: session(before),
              body: '{"jsonrpc":"2.0","method":"notifications/initialized"}',
            }),
          (before) => post({ ...legacy, method: 'tools/list', params: '', headers: session(before) }),
          (before) =>
            post({
              ...legacy,
              method: 'tools/call',
              params: '"name":"echo","arguments":{"text":"hé"}',
              headers: session(before),
            }),
          // Progress comes ahead of the answer: a stream.
          (before) =>
            post({
              ...legacy,
              method: 'tools/call',
              params: '"name":"progress","arguments":{"steps":3},"_meta":{"progressToken":7}',
              headers: { ...session(before), Accept: 'application/json, text/event-stream' },
            }),
          (before) => post({ ...legacy, method: 'tools/call', params: '"name":"fail"', headers: session(before) }),
          (before) => post({ ...legacy, method: 'tools/list', params: '', headers: session(before), token: viewer }),
          (before) => post({ ...legacy, path: '/mcp/one', method: 'tools/list', params: '', headers: session(before) }),
          () => post(call),
        ]);
        const read = async (): Promise<string> =>
          (await fetch(`${origin}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text();
        // A request is counted when it is over, which may be a moment after its answer.
        await expect.poll(read).toMatch(/^gatehouse_requests_in_flight 0$/m);
        const metrics = await read();
        await gateway.stop();
        const log = gateway.logs().map(({ time: _time, ms: _ms, ...line }) => normal(JSON.stringify(line)));
        const audit = (await store.store.audit({ limit: 1_000 }))
          .filter(({ outcome }) => outcome === 'denied')
          .map(({ action, object, reason, actor }) =>
            normal(JSON.stringify({ action, object, reason, subject: actor.subject, user: actor.user })),
          );
        const counts = metrics.split('\n').filter((line) => /^gatehouse_(?:requests|denied)_total|_count\{/.test(line));
        return {
          answers: answers.map(normal),
          requests: log.filter((line) => /"outcome"|"verb"/.test(line)),
          counts: counts.sort(),
          audit,
        };
      }),
    );
    const [on, off] = seen;
    expect(on).toEqual(off);
    expect(on?.answers.map((each) => each.split(' ', 2)[1]).join(' ')).toBe(
      '200 200 200 403 401 404 400 200 400 200 200 200 404 202 200 202 200 200 200 200 404 404 200',
    );
    expect(on?.requests.length).toBeGreaterThan(15);
    expect(on?.counts.length).toBeGreaterThan(5);
    // What may not be done, what comes without a credential, and what comes with the session of somebody else.
    expect(on?.audit).toHaveLength(3);
  });
});

test('signed requests are checked the same with the fast path on and off', async () => {
  await using server = await startScriptedServer();
  const hmacSecret = 'a-secret-for-signatures-0123456789';
  const statuses = await Promise.all(
    ['on', 'off'].map(async (mode) => {
      const config = { mcpServers: { one: { type: 'http', url: server.url } }, gateway: { hmacSecret } };
      await using gateway = await startGateway({ config, args: ['--fast-path', mode] });
      const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{${META},"name":"tool","arguments":{"a":"é"}}}`;
      const signed = (nonce: string, change: { readonly path?: string; readonly sent?: string } = {}): string => {
        const timestamp = String(Math.floor(Date.now() / 1_000));
        return post({
          method: 'tools/call',
          token: AGENT_ID,
          body: change.sent ?? body,
          headers: {
            'MCP-Protocol-Version': VERSION,
            'Mcp-Method': 'tools/call',
            'Mcp-Name': 'tool',
            'X-MCP-Timestamp': timestamp,
            'X-MCP-Nonce': nonce,
            'X-MCP-Signature': sign(hmacSecret, { timestamp, nonce, path: change.path ?? '/mcp/one', body }),
          },
        });
      };
      const replayed = signed('nonce-1');
      const answers = await converse(gateway.origin, [
        () => replayed,
        () => replayed,
        () => signed('nonce-2'),
        () => signed('nonce-3', { path: '/mcp' }),
        () => signed('nonce-4', { sent: body.replace('é', 'e') }),
        () => post({ method: 'tools/call', name: 'tool', token: AGENT_ID, body }),
      ]);
      return answers.map(normal);
    }),
  );
  expect(statuses[0]).toEqual(statuses[1]);
  expect(statuses[0]?.map((each) => each.split(' ', 2)[1])).toEqual(['200', '401', '200', '401', '401', '401']);
});
