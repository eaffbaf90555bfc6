/** Several JWTs of one client: each allows what it says and no more, and ends when it is revoked, whatever becomes of the others. */
import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startInProcess, type InProcessGateway } from '../../rig/in-process.ts';
import { startHttpFixture, type HttpFixture } from '../../rig/servers.ts';
import { describeOnBothStores, TEST_ACTOR, type TemporaryStore } from '../../rig/store.ts';
import { followEvents } from '../admin/event-client.ts';
import { ask, person } from './people.ts';

const SECRET = 'a shared secret of more than 32 bytes';
const USER = 'ann@example.com';

interface Made {
  readonly token: string;
  readonly jti: string;
}

/** All have the same `sub`; so they are one caller with the sessions of one caller. */
async function jwt(claims: Readonly<Record<string, unknown>> = {}): Promise<Made> {
  const jti = randomUUID();
  const token = await new SignJWT({ email: USER, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer('shared')
    .setAudience('gatehouse')
    .setSubject('ann')
    .setJti(jti)
    .setExpirationTime('1h')
    .sign(Buffer.from(SECRET));
  return { token, jti };
}

describeOnBothStores('JWTs with one subject', (open) => {
  let store: TemporaryStore;
  let fixture: HttpFixture;
  let gateway: InProcessGateway;

  beforeAll(async () => {
    store = await open();
    fixture = await startHttpFixture();
    gateway = await startInProcess(
      {
        mcpServers: { one: { type: 'http', url: fixture.url } },
        gateway: { auth: { issuers: [{ issuer: 'shared', secret: SECRET, audience: ['gatehouse'] }] } },
      },
      store.store,
    );
    await person(store.store, USER, ['admin']);
  });

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await fixture[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  });

  const revoke = (jti: string): Promise<unknown> =>
    store.store.change({ actor: TEST_ACTOR, action: 'revocation.create' }, async (tx) => {
      await tx.revoke(jti, undefined);
      const object = { kind: 'jwt', id: jti, name: undefined };
      return { result: undefined, object, before: undefined, after: undefined };
    });

  /** The stream of a new session. */
  async function openStream(token: string): Promise<{ readonly session: string; readonly stream: Response }> {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    };
    const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params });
    const handshake = await fetch(gateway.url('one'), { method: 'POST', headers, body });
    await handshake.text();
    const session = handshake.headers.get('mcp-session-id') ?? '';
    const stream = await fetch(gateway.url('one'), { headers: { ...headers, 'mcp-session-id': session } });
    expect(stream.status).toBe(200);
    return { session, stream };
  }

  it('events that a narrow one follows do not become more when a wide one comes', async () => {
    const narrow = await jwt({ scope: 'events.read servers.read' });
    const wide = await jwt();
    const url = `${gateway.origin}/v1/events`;
    await using few = await followEvents(url, narrow.token);
    expect(few.status).toBe(200);
    await using all = await followEvents(url, wide.token);
    const create = (path: string, body: object) => ask('POST', `${gateway.origin}/v1${path}`, wide.token, body);
    expect((await create('/users', { email: `${randomUUID()}@example.com` })).status).toBe(201);
    expect((await create('/servers', { name: randomUUID(), visibility: 'public' })).status).toBe(201);
    await vi.waitFor(() => {
      expect(all.events.map(({ event }) => event)).toEqual(['hello', 'user.create', 'server.create']);
      expect(few.events.map(({ event }) => event)).toEqual(['hello', 'server.create']);
    }, 20_000);
  });

  it('a revoked one takes its streams along while another is still good', async () => {
    const stolen = await jwt();
    const good = await jwt();
    const [lost, kept] = [await openStream(stolen.token), await openStream(good.token)];
    await using lostEvents = await followEvents(`${gateway.origin}/v1/events`, stolen.token);
    // Whichever was seen last must not matter.
    expect((await ask('GET', `${gateway.origin}/v1/me`, good.token)).status).toBe(200);
    await revoke(stolen.jti);
    // The stream ends by itself; without that this would wait for ever.
    await lost.stream.text();
    await vi.waitFor(() => expect(lostEvents.ended).toBe(true), 10_000);
    expect((await ask('GET', `${gateway.origin}/v1/me`, stolen.token)).status).toBe(401);
    const headers = { accept: 'application/json', 'mcp-session-id': kept.session };
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    expect((await ask('POST', gateway.url('one'), good.token, ping, headers)).status).toBe(200);
    await kept.stream.body?.cancel();
  });

  it('no user of an issuer can be named so as to be taken for another with a client', async () => {
    const subjectOf = async (claims: Readonly<Record<string, unknown>>): Promise<unknown> =>
      (await ask('GET', `${gateway.origin}/v1/me`, (await jwt(claims)).token)).body['subject'];
    expect(await subjectOf({ client_id: 'app' })).toBe('jwt:shared#ann#app');
    const forged = await new SignJWT({ email: USER })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer('shared')
      .setAudience('gatehouse')
      .setSubject('ann#app')
      .setExpirationTime('1h')
      .sign(Buffer.from(SECRET));
    expect((await ask('GET', `${gateway.origin}/v1/me`, forged)).body['subject']).toBe('jwt:shared#ann%23app');
  });
});
