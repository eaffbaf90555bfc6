/** One certificate, one set of ticket keys, one idea of who a client is, in all processes behind a port. */
import { copyFileSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPki, type Issued, type Pki } from '../../rig/pki.ts';
import { startScriptedServer, type ScriptedServer } from '../../rig/scripted-server.ts';
import { startHttpFixture, type HttpFixture } from '../../rig/servers.ts';
import { servedSerial } from '../../tls/served-certificate.ts';
import { reconnect, ticketFor } from '../../tls/session-ticket.ts';
import { startTlsGateway } from '../../tls/tls-gateway.ts';
import { openLines, TWO, untilAllServe } from './crew.ts';

const NAMES = { san: 'DNS:localhost,IP:127.0.0.1' };
/** So many handshakes reach both processes. */
const HANDSHAKES = 16;

let pki: Pki;
let modern: ScriptedServer;
let legacy: HttpFixture;
beforeAll(async () => {
  pki = createPki();
  modern = await startScriptedServer();
  legacy = await startHttpFixture();
});
afterAll(async () => {
  await modern[Symbol.asyncDispose]();
  await legacy[Symbol.asyncDispose]();
  pki[Symbol.dispose]();
});

function listenerPair(name: string, first: Issued): { readonly cert: string; readonly key: string } {
  const pair = { cert: pki.path(`${name}-live.crt`), key: pki.path(`${name}-live.key`) };
  use(pair, first);
  return pair;
}

function use(pair: { readonly cert: string; readonly key: string }, issued: Issued): void {
  copyFileSync(issued.cert, pair.cert);
  copyFileSync(issued.key, pair.key);
}

/** What this many connections, one after the other, are told. */
async function each<T>(look: () => Promise<T>): Promise<readonly T[]> {
  const seen: T[] = [];
  for (let count = 0; count < HANDSHAKES; count++) seen.push(await look());
  return seen;
}

describe('a renewed certificate', () => {
  it('is served by every process when the reload is over, and tickets go on being good in all of them', async () => {
    const [first, second] = [
      pki.issue('localhost', { ...NAMES, file: 'w1' }),
      pki.issue('localhost', { ...NAMES, file: 'w2' }),
    ];
    const listener = listenerPair('renewed', first);
    const mcpServers = { modern: { type: 'http', url: modern.url } };
    await using gateway = await startTlsGateway({
      ca: pki.ca.cert,
      config: { mcpServers, gateway: { tls: listener } },
      args: TWO,
    });
    const ca = readFileSync(pki.ca.cert);
    await using lines = openLines(gateway, { ca });
    await untilAllServe(lines.one);
    const session = await ticketFor(gateway.port, { ca });
    expect(new Set(await each(() => reconnect(gateway.port, { ca, session })))).toEqual(new Set(['served, resumed']));
    use(listener, second);
    expect(await gateway.hangup()).toMatchObject({ ok: true });
    expect(new Set(await each(() => servedSerial(gateway.port)))).toEqual(new Set([second.serial]));
    expect(new Set(await each(() => reconnect(gateway.port, { ca, session })))).toEqual(new Set(['served, resumed']));
    const answers = await Promise.all(
      lines.all.map((line) => line.modern('/mcp/modern', 'tools/call', { name: 'tool' })),
    );
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  });

  it('that is half written is served by no process', async () => {
    const [first, second] = [
      pki.issue('localhost', { ...NAMES, file: 'h1' }),
      pki.issue('localhost', { ...NAMES, file: 'h2' }),
    ];
    const listener = listenerPair('half', first);
    const mcpServers = { modern: { type: 'http', url: modern.url } };
    await using gateway = await startTlsGateway({
      ca: pki.ca.cert,
      config: { mcpServers, gateway: { tls: listener } },
      args: TWO,
    });
    await using lines = openLines(gateway, { ca: readFileSync(pki.ca.cert) });
    await untilAllServe(lines.one);
    copyFileSync(second.cert, listener.cert);
    expect(await gateway.hangup()).toMatchObject({ ok: false });
    expect(new Set(await each(() => servedSerial(gateway.port)))).toEqual(new Set([first.serial]));
  });
});

describe('clients with certificates', () => {
  it('are the same ones whichever process they reach, and are gone from all when their authority is', async () => {
    using strangers = createPki('Another CA');
    const authority = pki.path('clients-live.crt');
    copyFileSync(pki.ca.cert, authority);
    const server = pki.issue('localhost', { ...NAMES, file: 'm1' });
    const client = pki.issue('Agent Seven', { file: 'agent7' });
    const tls = { cert: server.cert, key: server.key, ca: authority, clientAuth: 'required', certificateLogin: true };
    const mcpServers = { modern: { type: 'http', url: modern.url }, legacy: { type: 'http', url: legacy.url } };
    const options = { ca: pki.ca.cert, config: { mcpServers, gateway: { tls } }, client, args: TWO };
    await using gateway = await startTlsGateway(options);
    const ca = readFileSync(pki.ca.cert);
    const shown = { ca, cert: readFileSync(client.cert), key: readFileSync(client.key) };
    await using lines = openLines(gateway, shown);
    await untilAllServe(lines.one);
    // Its certificate is all that these clients show.
    await using bare = openLines({ origin: gateway.origin, authorization: '' }, shown);
    const answers = await Promise.all(
      bare.all.flatMap((line) => [
        line.modern('/mcp/modern', 'tools/call', { name: 'tool' }),
        line.modern('/mcp/legacy', 'tools/call', { name: 'echo', arguments: {} }),
        line.legacy('/mcp/legacy', { id: 1, method: 'tools/list' }),
      ]),
    );
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    const callers = async (): Promise<readonly unknown[]> => [
      ...new Set((await gateway.logs()).filter(({ msg }) => msg === 'request').map(({ principal }) => principal)),
    ];
    await expect.poll(callers).toEqual([expect.stringContaining('Agent Seven')]);
    const session = await ticketFor(gateway.port, shown);
    copyFileSync(strangers.ca.cert, authority);
    expect(await gateway.hangup()).toMatchObject({ ok: true });
    const refused = await each(() => reconnect(gateway.port, { ...shown, session }));
    expect(refused.filter((told) => !told.startsWith('refused'))).toEqual([]);
    const cut = await Promise.all(
      bare.all.map((line) => line.modern('/mcp/modern', 'tools/call', { name: 'tool' }).catch(() => 'cut')),
    );
    expect(new Set(cut)).toEqual(new Set(['cut']));
  });
});
