/** Requests of somebody of whom nobody knows who he is, or who comes with what is somebody else's: each is a line of the audit log. */
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { WebSocket } from 'ws';
import { expect, it } from 'vitest';
import { openStore } from '../../../src/store/open-store.ts';
import type { AuditRecord, Store } from '../../../src/store/store.ts';
import { startInProcess } from '../../rig/in-process.ts';
import { startHttpFixture } from '../../rig/servers.ts';
import { openTemporaryStore } from '../../rig/store.ts';
import { ask, person, rpc } from './people.ts';

/** To be polled: an answer waits for its line, but not for ever (src/proxy/admission.test.ts). */
async function newest(store: Store): Promise<AuditRecord | undefined> {
  return (await store.audit({ limit: 1 }))[0];
}

it('whoever cannot say who he is has a line before he has his answer, wherever he knocks', async () => {
  await using temporary = await openTemporaryStore();
  const { store } = temporary;
  await using gateway = await startInProcess({ mcpServers: {} }, store);
  const line = { outcome: 'denied', actor: { subject: 'anonymous', address: '127.0.0.1' } };

  expect((await rpc(gateway.url(), undefined, 'tools/list')).status).toBe(401);
  await expect
    .poll(() => newest(store))
    .toMatchObject({
      ...line,
      action: 'POST /mcp',
      reason: 'The Authorization header is missing.',
    });
  expect((await ask('GET', `${gateway.origin}/v1/servers?secret=x`, `gth_${'x'.repeat(43)}`)).status).toBe(401);
  await expect
    .poll(() => newest(store))
    .toMatchObject({
      ...line,
      action: 'GET /v1/servers',
      reason: 'The API token is unknown.',
    });

  const webSocket = new WebSocket(gateway.url().replace('http', 'ws'), 'mcp');
  await once(webSocket, 'error');
  await expect.poll(() => newest(store)).toMatchObject({ ...line, action: 'GET /mcp' });

  expect(await statusWithHost(`${gateway.origin}/status`, 'evil.example.com')).toBe(403);
  await expect.poll(() => newest(store)).toMatchObject({ ...line, action: 'GET /status' });
  expect(JSON.stringify(await store.audit({ limit: 100 }))).not.toMatch(/gth_x|secret=x/);
});

it('a flood of them costs a few lines, and is counted', async () => {
  await using temporary = await openTemporaryStore();
  {
    await using gateway = await startInProcess({ mcpServers: {} }, temporary.store);
    const statuses = await Promise.all(Array.from({ length: 100 }, () => rpc(gateway.url(), 'wrong', 'tools/list')));
    expect(new Set(statuses.map(({ status }) => status))).toEqual(new Set([401]));
    await expect.poll(() => temporary.store.audit({ limit: 200, subject: 'anonymous' })).toHaveLength(5);
  }
  await using again = await openStore(temporary.location);
  const lines = await again.audit({ limit: 200, subject: 'anonymous' });
  expect(lines).toHaveLength(6);
  expect(lines[0]?.reason).toMatch(/^95 more requests from 127\.0\.0\.1 within a minute\./);
  expect(await again.verifyAudit()).toMatchObject({ ok: true });
});

it('the session of somebody else does not exist for him, and the log knows better', async () => {
  await using fixture = await startHttpFixture();
  await using temporary = await openTemporaryStore();
  const { store } = temporary;
  await using gateway = await startInProcess({ mcpServers: { one: { type: 'http', url: fixture.url } } }, store);
  const [owner, thief] = [
    await person(store, 'owner@example.com', ['developer']),
    await person(store, 'thief@example.com', ['developer']),
  ];
  const accept = { accept: 'application/json, text/event-stream' };
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
  const handshake = await fetch(gateway.url('one'), {
    method: 'POST',
    headers: { authorization: `Bearer ${owner.token}`, 'content-type': 'application/json', ...accept },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }),
  });
  await handshake.text();
  const session = { 'mcp-session-id': handshake.headers.get('mcp-session-id') ?? '', ...accept };
  const foreign = {
    outcome: 'denied',
    actor: { user: 'thief@example.com' },
    reason: 'The session belongs to somebody else.',
  };
  const message = { jsonrpc: '2.0', id: 2, method: 'tools/list', params: {} };
  for (const [method, body] of [
    ['POST', message],
    ['GET', undefined],
    ['DELETE', undefined],
  ] as const) {
    const before = (await newest(store))?.sequence;
    // Whoever asks for a session that there is not is told the same, and is no thief.
    const missing = await ask(method, gateway.url('one'), thief.token, body, { ...session, 'mcp-session-id': 'none' });
    expect((await newest(store))?.sequence).toBe(before);
    const told = await ask(method, gateway.url('one'), thief.token, body, session);
    const words = ({ body: text }: typeof told): string => JSON.stringify(text).replace(/"requestId":"[^"]+"/, '');
    expect([method, told.status, words(told)]).toEqual([method, 404, words(missing)]);
    await expect
      .poll(() => newest(store))
      .toMatchObject({
        ...foreign,
        action: method === 'POST' ? 'tools/list' : `${method} /mcp/one`,
      });
  }
  expect((await ask('POST', gateway.url('one'), owner.token, message, session)).status).toBe(200);
});

it('a wrong signature is a line of the one who is known by his token, whatever the verb', async () => {
  await using temporary = await openTemporaryStore();
  const { store } = temporary;
  await using gateway = await startInProcess({ mcpServers: {}, gateway: { hmacSecret: 's'.repeat(40) } }, store);
  const { token } = await person(store, 'ann@example.com', ['developer']);
  for (const [method, body] of [
    ['POST', { jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} }],
    ['GET', undefined],
    ['DELETE', undefined],
  ] as const) {
    const before = (await newest(store))?.sequence ?? 0;
    expect((await ask(method, gateway.url(), token, body)).status).toBe(401);
    await expect
      .poll(() => newest(store))
      .toMatchObject({
        sequence: before + 1,
        outcome: 'denied',
        actor: { user: 'ann@example.com' },
      });
  }
});

/** `fetch` sends no Host of its own. */
async function statusWithHost(url: string, host: string): Promise<number | undefined> {
  const sent = httpRequest(url, { headers: { host } }).end();
  const [response] = (await once(sent, 'response')) as [{ statusCode?: number; resume(): void }];
  response.resume();
  return response.statusCode;
}
