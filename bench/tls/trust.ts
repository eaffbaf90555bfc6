import { readFileSync } from 'node:fs';
/** The authority of client certificates is replaced: what it issued is refused and closed, the rest is kept. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPki } from '../../test/rig/pki.ts';
import { put } from '../../test/tls/bad-material.ts';
import { openEventStreams, openWebSockets, type StreamTarget } from '../../test/tls/event-streams.ts';
import { reconnect, ticketFor } from '../../test/tls/session-ticket.ts';
import { startStrictServer } from '../../test/tls/strict-server.ts';
import { startTlsGateway } from '../../test/tls/tls-gateway.ts';
import { milliseconds } from './figures.ts';
import { keepProof } from '../report/proof-page.ts';
import { TLS_PROOFS } from './page.ts';

const OLD = Number(process.env['PROOF_OLD'] ?? 50);
const KEPT = Number(process.env['PROOF_KEPT'] ?? 950);
const LONGEST_MS = 10_000;

export async function proveTrust(): Promise<void> {
  using pki = createPki('Old CA');
  using fresh = createPki('New CA');
  const names = { san: 'DNS:localhost,IP:127.0.0.1' };
  const server = pki.issue('localhost', names);
  const gone = pki.issue('Old client');
  const stays = fresh.issue('New client');
  const trusted = pki.path('clients.crt');
  const texts = [readFileSync(pki.ca.cert, 'utf8'), readFileSync(fresh.ca.cert, 'utf8')];
  put(trusted, texts.join(''));
  await using upstream = await startStrictServer({ ...server, ca: pki.ca.cert });
  await using gateway = await startTlsGateway({
    ca: pki.ca.cert,
    client: stays,
    config: {
      mcpServers: {
        strict: {
          type: 'http',
          url: `${upstream.origin}/mcp`,
          tls: { ca: pki.ca.cert, cert: gone.cert, key: gone.key },
        },
      },
      gateway: { tls: { cert: server.cert, key: server.key, ca: trusted, clientAuth: 'required' } },
    },
  });
  const ca = await readFile(pki.ca.cert);
  const targetFor = (client: { cert: string; key: string }): StreamTarget => ({
    origin: gateway.origin,
    server: 'strict',
    authorization: gateway.authorization,
    ca,
    client: { cert: readFileSync(client.cert), key: readFileSync(client.key) },
  });
  const old = [...(await openEventStreams(targetFor(gone), OLD)), ...(await openWebSockets(targetFor(gone), 5))];
  const kept = [...(await openEventStreams(targetFor(stays), KEPT)), ...(await openWebSockets(targetFor(stays), 5))];
  const ticket = await ticketFor(gateway.port, { ca, cert: readFileSync(gone.cert), key: readFileSync(gone.key) });
  const before = await reconnect(gateway.port, { ca, session: ticket });

  put(trusted, texts[1] ?? '');
  const startedAt = performance.now();
  const { ok } = await gateway.hangup();
  while (old.some(({ dropped }) => !dropped) && performance.now() - startedAt < LONGEST_MS) await sleep(20);
  const closedAfter = performance.now() - startedAt;
  const alone = await reconnect(gateway.port, { ca, session: ticket });
  const withCertificate = await reconnect(gateway.port, {
    ca,
    session: ticket,
    cert: readFileSync(gone.cert),
    key: readFileSync(gone.key),
  });
  const good = await reconnect(gateway.port, { ca, cert: readFileSync(stays.cert), key: readFileSync(stays.key) });
  upstream.broadcast(1);
  await sleep(2_000);
  const open = old.filter(({ dropped }) => !dropped).length;
  const lost = kept.filter(({ dropped, last }) => dropped || last !== 1).length;
  for (const one of [...old, ...kept]) one.close();
  await keepProof(TLS_PROOFS, '6-trust', {
    title: 'The authority of client certificates is replaced',
    how: `Client certificates are required; two authorities are trusted. ${old.length} streams and WebSockets of clients of the one, ${kept.length} of the other. Then the file holds only the other, followed by SIGHUP.`,
    rows: [
      ['the reload', ok ? 'done' : 'FAILED'],
      ['a ticket of the old authority, before', before],
      ['the same ticket after, without a certificate', alone],
      ['the same ticket after, with the old certificate', withCertificate],
      ['a certificate of the new authority, after', good],
      [
        `live connections of the old authority still open, of ${old.length}`,
        `${open}; the last one closed after ${milliseconds(closedAfter)}`,
      ],
      [`live connections of the new authority lost or without the next event, of ${kept.length}`, String(lost)],
    ],
  });
  const refused = [alone, withCertificate].every((outcome) => outcome.startsWith('refused'));
  if (!ok || !refused || !good.startsWith('served') || open + lost > 0) process.exitCode = 1;
}
