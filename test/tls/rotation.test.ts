/** Certificates that change under streams, load and half-written files: small versions of the proofs in bench/tls. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createPki, type Issued, type Pki } from '../rig/pki.ts';
import { badMaterials, put } from './bad-material.ts';
import { openEventStreams, openWebSockets, type StreamTarget } from './event-streams.ts';
import { servedSerial } from './served-certificate.ts';
import { reconnect, ticketFor } from './session-ticket.ts';
import { startStrictServer, type StrictServer } from './strict-server.ts';
import { startTlsGateway, type TlsGateway } from './tls-gateway.ts';

const NAMES = { san: 'DNS:localhost,IP:127.0.0.1' };

let pki: Pki;
let upstream: StrictServer;
/** Pairs for the listener, and client pairs for the server. */
let pairs: readonly [Issued, Issued];
let clients: readonly [Issued, Issued];
beforeAll(async () => {
  pki = createPki();
  const server = pki.issue('localhost', { ...NAMES, file: 'upstream' });
  pairs = [pki.issue('localhost', { ...NAMES, file: 'one' }), pki.issue('localhost', { ...NAMES, file: 'two' })];
  clients = [pki.issue('Gateway', { file: 'c1' }), pki.issue('Gateway', { file: 'c2' })];
  upstream = await startStrictServer({ ...server, ca: pki.ca.cert });
});
afterAll(async () => {
  await upstream[Symbol.asyncDispose]();
  pki[Symbol.dispose]();
});

interface Live {
  readonly gateway: TlsGateway;
  readonly listener: Pick<Issued, 'cert' | 'key'>;
  /** Puts the pairs of this number in place, for listener and server; gives that of the listener. */
  use(round: number): Issued;
}

async function liveGateway(name: string, args: readonly string[] = []): Promise<Live & AsyncDisposable> {
  const listener = { cert: pki.path(`${name}.crt`), key: pki.path(`${name}.key`) };
  const client = { cert: pki.path(`${name}-client.crt`), key: pki.path(`${name}-client.key`) };
  const copy = (from: Issued, to: Pick<Issued, 'cert' | 'key'>): void => {
    put(to.cert, readFileSync(from.cert));
    put(to.key, readFileSync(from.key));
  };
  const use = (round: number): Issued => {
    const index = round % 2 === 0 ? 0 : 1;
    copy(pairs[index], listener);
    copy(clients[index], client);
    return pairs[index];
  };
  use(0);
  const gateway = await startTlsGateway({
    ca: pki.ca.cert,
    config: {
      mcpServers: { strict: { type: 'http', url: `${upstream.origin}/mcp`, tls: { ca: pki.ca.cert, ...client } } },
      gateway: { tls: listener },
    },
    args,
  });
  return { gateway, listener, use, [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose]() };
}

function targetOf(gateway: TlsGateway, client?: Issued): StreamTarget {
  return {
    origin: gateway.origin,
    server: 'strict',
    authorization: gateway.authorization,
    ca: readFileSync(pki.ca.cert),
    ...(client === undefined ? {} : { client: { cert: readFileSync(client.cert), key: readFileSync(client.key) } }),
  };
}

describe('a renewed certificate', () => {
  it('T-TLS-010 is served to new connections, while streams and WebSockets live on and miss nothing', async () => {
    await using live = await liveGateway('streams');
    const { gateway } = live;
    const target = targetOf(gateway);
    const listening = [...(await openWebSockets(target, 5)), ...(await openEventStreams(target, 40))];
    let seq = 0;
    const beat = setInterval(() => upstream.broadcast(seq++), 20);
    try {
      for (let round = 1; round <= 10; round++) {
        const { serial } = live.use(round);
        expect(await gateway.hangup()).toMatchObject({ ok: true });
        expect(await servedSerial(gateway.port)).toBe(serial);
      }
    } finally {
      clearInterval(beat);
    }
    upstream.broadcast(seq);
    await vi.waitFor(() => expect(listening.every(({ last }) => last === seq)).toBe(true), 20_000);
    expect(listening.filter(({ missed, dropped }) => dropped || missed > 0)).toEqual([]);
    for (const one of listening) one.close();
  });

  it('T-TLS-008 costs no request, on the side of the clients or of the servers, and the server sees the new one', async () => {
    await using live = await liveGateway('load');
    const { gateway } = live;
    const rotating = new AbortController();
    const rotations = (async (): Promise<void> => {
      for (let round = 1; !rotating.signal.aborted; round++) {
        live.use(round);
        expect(await gateway.hangup()).toMatchObject({ ok: true });
      }
    })();
    const worker = async (): Promise<number> => {
      let good = 0;
      for (let index = 0; index < 100; index++) {
        const answer = await gateway.rpc('strict', 'tools/call', { name: 'echo', arguments: { index } });
        if ('result' in answer) good++;
      }
      return good;
    };
    const good = await Promise.all(Array.from({ length: 16 }, worker));
    // Also when the machine was so quick that the load is over.
    await vi.waitFor(() => expect(gateway.rpc('strict', 'tools/list')).resolves.toHaveProperty('result'), 20_000);
    rotating.abort();
    await rotations;
    expect(good.reduce((sum, one) => sum + one, 0)).toBe(1_600);
    const peers = upstream.seen.get('POST /mcp');
    for (const { serial } of clients) expect(peers?.has(`Gateway ${serial}`)).toBe(true);
  });
});

describe('bad material', () => {
  it('T-TLS-009 of every kind leaves the old pair serving and is named with its reason; the good one after it is served', async () => {
    await using live = await liveGateway('bad');
    const { gateway, listener } = live;
    const serial = pairs[0].serial;
    for (const material of badMaterials(pki)) {
      material.place(listener);
      const { ok, errors } = await gateway.hangup();
      expect.soft(ok, material.kind).toBe(false);
      expect.soft(errors.join(), material.kind).toMatch(/bad\.(crt|key)/);
      expect.soft(await servedSerial(gateway.port), material.kind).toBe(serial);
    }
    const status = (await (await gateway.request('/status')).json()) as { reloads: { last: { ok: boolean } } };
    expect(status.reloads.last.ok).toBe(false);
    const next = live.use(1);
    expect(await gateway.hangup()).toMatchObject({ ok: true });
    expect(await servedSerial(gateway.port)).toBe(next.serial);
  });

  it('T-TLS-009 a pair that is seen half replaced never costs a handshake, and ends up served without a signal', async () => {
    await using live = await liveGateway('half', ['--watch', 'on']);
    const { gateway, listener } = live;
    const serials = new Set(pairs.map(({ serial }) => serial));
    const probing = new AbortController();
    const probes = (async (): Promise<string[]> => {
      const strange: string[] = [];
      while (!probing.signal.aborted) {
        const serial = await servedSerial(gateway.port).catch((error: unknown) => String(error));
        if (!serials.has(serial)) strange.push(serial);
      }
      return strange;
    })();
    for (let round = 1; round <= 6; round++) {
      const next = pairs[round % 2 === 0 ? 0 : 1];
      put(listener.cert, readFileSync(next.cert));
      if (round % 2 === 0) process.kill(gateway.pid, 'SIGHUP');
      await sleep(50);
      put(listener.key, readFileSync(next.key));
      await vi.waitFor(async () => expect(await servedSerial(gateway.port)).toBe(next.serial), 20_000);
    }
    probing.abort();
    expect(await probes).toEqual([]);
  });
});

it('a replaced authority ends tickets and connections of its clients, and of no others', async () => {
  using fresh = createPki('New CA');
  const gone = pki.issue('Old client');
  const stays = fresh.issue('New client');
  const server = pki.issue('localhost', { ...NAMES, file: 'trusting' });
  const trusted = pki.path('clients.crt');
  put(trusted, readFileSync(pki.ca.cert, 'utf8') + readFileSync(fresh.ca.cert, 'utf8'));
  await using gateway = await startTlsGateway({
    ca: pki.ca.cert,
    client: stays,
    config: {
      mcpServers: {
        strict: {
          type: 'http',
          url: `${upstream.origin}/mcp`,
          tls: { ca: pki.ca.cert, cert: clients[0].cert, key: clients[0].key },
        },
      },
      gateway: { tls: { cert: server.cert, key: server.key, ca: trusted, clientAuth: 'required' } },
    },
  });
  const ca = await readFile(pki.ca.cert);
  const old = [
    ...(await openEventStreams(targetOf(gateway, gone), 5)),
    ...(await openWebSockets(targetOf(gateway, gone), 2)),
  ];
  const kept = [
    ...(await openEventStreams(targetOf(gateway, stays), 5)),
    ...(await openWebSockets(targetOf(gateway, stays), 2)),
  ];
  const session = await ticketFor(gateway.port, { ca, cert: readFileSync(gone.cert), key: readFileSync(gone.key) });
  expect(await reconnect(gateway.port, { ca, session })).toBe('served, resumed');

  put(trusted, readFileSync(fresh.ca.cert));
  expect(await gateway.hangup()).toMatchObject({ ok: true });
  await vi.waitFor(() => expect(old.every(({ dropped }) => dropped)).toBe(true), 20_000);
  expect(await reconnect(gateway.port, { ca, session })).toMatch(/^refused/);
  expect(await reconnect(gateway.port, { ca, cert: readFileSync(gone.cert), key: readFileSync(gone.key) })).toMatch(
    /^refused/,
  );
  upstream.broadcast(1);
  await vi.waitFor(() => expect(kept.every(({ last, dropped }) => last === 1 && !dropped)).toBe(true), 20_000);
  for (const one of kept) one.close();
});
