/** The fast path over TLS: the same answers, the same care for who is trusted, and nothing left behind on a connection. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { FastPath } from '../../src/proxy/fast/fast-path.ts';
import { respondJson } from '../../src/proxy/respond.ts';
import { createPki, type Issued, type Pki } from '../rig/pki.ts';
import { startScriptedServer, type ScriptedServer } from '../rig/scripted-server.ts';
import { put } from '../tls/bad-material.ts';
import { startTlsGateway, AGENT_ID, type TlsGateway } from '../tls/tls-gateway.ts';

const VERSION = '2026-07-28';
const BODY = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"${VERSION}","io.modelcontextprotocol/clientCapabilities":{}},"name":"tool","arguments":{"a":"é"}}}`;
const CALL = [
  'POST /mcp/one HTTP/1.1',
  'Host: localhost',
  `Authorization: Bearer ${AGENT_ID}`,
  'Content-Type: application/json',
  'Accept: application/json, text/event-stream',
  `MCP-Protocol-Version: ${VERSION}`,
  'Mcp-Method: tools/call',
  'Mcp-Name: tool',
  `Content-Length: ${Buffer.byteLength(BODY)}`,
  '',
  BODY,
].join('\r\n');
const LAST = 'GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

let pki: Pki;
let server: ScriptedServer;
let identity: Pick<Issued, 'cert' | 'key'>;
let [trusted, revoked]: Issued[] = [];
beforeAll(async () => {
  pki = createPki();
  server = await startScriptedServer();
  const { cert, key } = pki.issue('localhost', { san: 'DNS:localhost,IP:127.0.0.1' });
  identity = { cert, key };
  [trusted, revoked] = [pki.issue('Trusted'), pki.issue('Revoked')];
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  pki[Symbol.dispose]();
});

interface Client {
  readonly socket: TLSSocket;
  text(): string;
  readonly closed: Promise<unknown>;
}

async function open(port: number, client?: Issued, session?: Buffer): Promise<Client> {
  const own = client === undefined ? {} : { cert: readFileSync(client.cert), key: readFileSync(client.key) };
  const ca = readFileSync(pki.ca.cert);
  const socket = connect({
    host: '127.0.0.1',
    port,
    servername: 'localhost',
    ca,
    ...own,
    ...(session === undefined ? {} : { session }),
  });
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => void socket.once('close', resolve));
  await Promise.race([once(socket, 'secureConnect'), closed]);
  return { socket, text: () => text, closed };
}

const answers = ({ text }: Client): number => text().split('HTTP/1.1 200 ').length - 1;

/** All that comes back, without what differs from answer to answer. */
async function exchange({ port }: TlsGateway, pieces: readonly Buffer[]): Promise<string> {
  const { socket, text, closed } = await open(port);
  for (const piece of pieces) {
    await new Promise((resolve) => {
      socket.write(piece, resolve);
    });
    await turn();
  }
  await closed;
  return text()
    .replaceAll(/^Date: .*\r$/gm, '')
    .replaceAll(/^x-request-id: [0-9a-f]{16}\r$/gm, '')
    .replaceAll(/"requestId":"[0-9a-f]{16}"/g, '');
}

test('the fast path and node:http give the same answers, however records cut the bytes', async () => {
  const gateways: TlsGateway[] = [];
  onTestFinished(async () => {
    for (const gateway of gateways) await gateway[Symbol.asyncDispose]();
  });
  for (const mode of ['on', 'off'])
    gateways.push(
      await startTlsGateway({
        ca: pki.ca.cert,
        config: { mcpServers: { one: { type: 'http', url: server.url } }, gateway: { tls: identity } },
        args: ['--fast-path', mode],
      }),
    );
  const whole = Buffer.from(CALL + LAST);
  const chunked = CALL.replace(/Content-Length: \d+/, 'Transfer-Encoding: chunked').replace(
    BODY,
    `${Buffer.byteLength(BODY).toString(16)}\r\n${BODY}\r\n0\r\n\r\n`,
  );
  const cases: (readonly Buffer[])[] = [
    [whole],
    [Buffer.from(CALL), Buffer.from(CALL), Buffer.from(LAST)],
    [Buffer.from(CALL + chunked), Buffer.from(CALL + LAST)],
    [Buffer.from(CALL), Buffer.from(chunked), Buffer.from(LAST)],
    [Buffer.from(CALL.replace(AGENT_ID, 'wrong')), Buffer.from(LAST)],
  ];
  for (let at = 1; at < whole.length; at += 13) cases.push([whole.subarray(0, at), whole.subarray(at)]);
  for (const pieces of cases) {
    const [on, off] = await Promise.all(gateways.map((gateway) => exchange(gateway, pieces)));
    expect(on).toBe(off);
    expect(on).toMatch(/^HTTP\/1\.1 (?:200|401) /);
  }
});

describe.each(['on', 'off'])('with the fast path %s', (mode) => {
  test('whoever is trusted no longer loses connections on which calls were made, and tickets; others keep theirs', async () => {
    const crl = pki.path(`clients-${mode}.crl`);
    put(crl, readFileSync(pki.crl(`empty-${mode}.crl`, [])));
    await using gateway = await startTlsGateway({
      ca: pki.ca.cert,
      config: {
        mcpServers: { one: { type: 'http', url: server.url } },
        gateway: { tls: { ...identity, clientAuth: 'required', ca: pki.ca.cert, crl } },
      },
      args: ['--fast-path', mode],
    });
    const [one, two] = [await open(gateway.port, trusted), await open(gateway.port, revoked)];
    let ticket: Buffer | undefined;
    two.socket.on('session', (session: Buffer) => (ticket = session));
    for (const { socket } of [one, two]) socket.write(CALL);
    await expect.poll(() => [one, two].map(answers)).toEqual([1, 1]);
    put(crl, readFileSync(pki.crl(`full-${mode}.crl`, revoked === undefined ? [] : [revoked])));
    expect((await gateway.hangup()).ok).toBe(true);
    await two.closed;
    one.socket.write(CALL);
    await expect.poll(() => answers(one)).toBe(2);
    one.socket.destroy();
    for (const session of [undefined, ticket]) {
      const again = await open(gateway.port, revoked, session);
      again.socket.write(CALL);
      await again.closed;
      expect(again.text()).toBe('');
    }
  });

  test('T-TLS-010 a renewed certificate leaves connections and tickets of clients as they are', async () => {
    const files = { cert: pki.path(`renewed-${mode}.crt`), key: pki.path(`renewed-${mode}.key`) };
    for (const kind of ['cert', 'key'] as const) put(files[kind], readFileSync(identity[kind]));
    await using gateway = await startTlsGateway({
      ca: pki.ca.cert,
      config: { mcpServers: { one: { type: 'http', url: server.url } }, gateway: { tls: files } },
      args: ['--fast-path', mode],
    });
    const client = await open(gateway.port);
    let ticket: Buffer | undefined;
    client.socket.on('session', (session: Buffer) => (ticket = session));
    client.socket.write(CALL);
    await expect.poll(() => answers(client)).toBe(1);
    const next = pki.issue('localhost', { san: 'DNS:localhost,IP:127.0.0.1', file: `next-${mode}` });
    for (const kind of ['cert', 'key'] as const) put(files[kind], readFileSync(next[kind]));
    expect((await gateway.hangup()).ok).toBe(true);
    client.socket.write(CALL);
    await expect.poll(() => answers(client)).toBe(2);
    const again = await open(gateway.port, undefined, ticket);
    expect(again.socket.isSessionReused()).toBe(true);
    again.socket.write(CALL);
    await expect.poll(() => answers(again)).toBe(1);
    for (const { socket } of [client, again]) socket.destroy();
  });
});

test('answers leave no listener and no timer behind on their connection', async () => {
  const https = createServer({ cert: readFileSync(identity.cert), key: readFileSync(identity.key) });
  const served = new Promise<TLSSocket>((resolve) => void https.once('secureConnection', resolve));
  const path = new FastPath(https, {
    event: 'secureConnection',
    headersTimeoutMs: 60_000,
    keepAliveTimeoutMs: 60_000,
    methods: ['POST', 'GET'],
    onRequest: (_request, response) => respondJson(response, 200, '{}'),
    onLate: (socket) => socket.destroy(),
  });
  https.listen(0, '127.0.0.1');
  await once(https, 'listening');
  const client = await open((https.address() as AddressInfo).port);
  onTestFinished(async () => {
    client.socket.destroy();
    path[Symbol.dispose]();
    await new Promise((resolve) => {
      https.close(resolve);
    });
  });
  const socket = await served;
  const listeners = (): readonly number[] => socket.eventNames().map((name) => socket.listenerCount(name));
  const sum = (each: readonly number[]): number => each.reduce((total, count) => total + count, 0);
  const counts: (readonly number[])[] = [];
  for (let count = 1; count <= 30; count++) {
    client.socket.write('POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}');
    await expect.poll(() => answers(client), { interval: 5 }).toBe(count);
    counts.push(listeners());
  }
  await expect.poll(() => sum(listeners())).toBeLessThanOrEqual(sum(counts[0] ?? []));
  expect(Math.max(...counts.flat())).toBeLessThan(5);
  expect(socket.timeout).toBe(0);
});
