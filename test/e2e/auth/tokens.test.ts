/** API tokens in use: what narrows them holds, and what ends them ends everything that was opened with them. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Store } from '../../../src/store/store.ts';
import { AGENT_ID } from '../../rig/gateway.ts';
import { startInProcess, type InProcessGateway } from '../../rig/in-process.ts';
import { startHttpFixture, type HttpFixture } from '../../rig/servers.ts';
import { describeOnBothStores, TEST_ACTOR, type TemporaryStore } from '../../rig/store.ts';
import { ask, person, rpc } from './people.ts';

describeOnBothStores('API tokens in use', (open) => {
  let temporary: TemporaryStore;
  let store: Store;
  let fixture: HttpFixture;
  let gateway: InProcessGateway;

  beforeAll(async () => {
    temporary = await open();
    ({ store } = temporary);
    fixture = await startHttpFixture();
    gateway = await startInProcess({ mcpServers: { one: { type: 'http', url: fixture.url, tools: ['echo'] } } }, store);
  });

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await fixture[Symbol.asyncDispose]();
    await temporary[Symbol.asyncDispose]();
  });

  let count = 0;
  const somebody = (roles: readonly string[] = ['developer'], limits = {}) =>
    person(store, `user${count++}@example.com`, roles, limits);

  const statusOf = async (token: string, method = 'tools/list', params: unknown = {}): Promise<number> =>
    (await rpc(gateway.url('one'), token, method, params)).status;

  const change = (action: string, work: Parameters<Store['change']>[1]): Promise<unknown> =>
    store.change({ actor: TEST_ACTOR, action }, work);

  const revoke = (id: string): Promise<unknown> =>
    change('token.revoke', async (tx) => {
      const after = await tx.updateToken(id, undefined, { revokedAt: Date.now() });
      return { result: after, object: { kind: 'token', id, name: after.name }, before: undefined, after: undefined };
    });

  interface Opened {
    readonly session: string;
    readonly stream: Response;
  }

  /** A session with its stream of notices. */
  async function openSession(token: string): Promise<Opened> {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    };
    const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
    const handshake = await fetch(gateway.url('one'), {
      method: 'POST',
      headers,
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }),
    });
    await handshake.text();
    const session = handshake.headers.get('mcp-session-id') ?? '';
    const stream = await fetch(gateway.url('one'), { headers: { ...headers, 'mcp-session-id': session } });
    expect(stream.status).toBe(200);
    return { session, stream };
  }

  describe('an API token', () => {
    it('opens what the roles of its user allow, and says nothing about others', async () => {
      const { token } = await somebody();
      expect(await statusOf(token)).toBe(200);
      expect(await statusOf(token, 'tools/call', { name: 'echo', arguments: { text: 'x' } })).toBe(200);
      expect(await statusOf((await somebody([])).token)).toBe(403);
    });

    it.each([
      ['a token that was never made', `gth_${'x'.repeat(43)}`],
      ['a token with a letter less', `gth_${'x'.repeat(42)}`],
      ['its hash', 'f'.repeat(64)],
      ['a fabricated JWT', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.'],
      ['words', 'let me in'],
    ])('cannot be replaced by %s', async (_name, credential) => {
      const told = await rpc(gateway.url('one'), credential, 'tools/list');
      expect(told.status).toBe(401);
      expect(told.challenge).toContain('error="invalid_token"');
    });

    it('opens nothing any more at the very next request after it was revoked', async () => {
      const { token, id } = await somebody();
      expect(await statusOf(token)).toBe(200);
      await revoke(id);
      expect(await statusOf(token)).toBe(401);
    });

    it('takes its streams and sessions along when it is revoked', async () => {
      const { token, id } = await somebody();
      const { stream } = await openSession(token);
      await revoke(id);
      // The stream ends by itself; without that this would wait for ever.
      await stream.text();
      expect(stream.bodyUsed).toBe(true);
    });

    it('takes its WebSockets along when it is revoked', async () => {
      const { token, id } = await somebody();
      const webSocket = new WebSocket(gateway.url('one').replace('http', 'ws'), 'mcp', {
        headers: { authorization: `Bearer ${token}` },
      });
      await once(webSocket, 'open');
      webSocket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }));
      await once(webSocket, 'message');
      const closed = once(webSocket, 'close');
      await revoke(id);
      const [code]: unknown[] = await closed;
      expect(code).toBe(1008);
    });

    it('can do over a WebSocket what its user may do now, not what he could when it was opened', async () => {
      const email = 'degraded@example.com';
      const { token } = await person(store, email, ['developer']);
      const webSocket = new WebSocket(gateway.url('one').replace('http', 'ws'), 'mcp', {
        headers: { authorization: `Bearer ${token}` },
      });
      await once(webSocket, 'open');
      const call = async (id: number): Promise<string> => {
        const params = { name: 'echo', arguments: { text: 'x' } };
        const answered = once(webSocket, 'message');
        webSocket.send(JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params }));
        return String(((await answered) as unknown[])[0]);
      };
      expect(await call(1)).toContain('"result"');
      await change('role.take', async (tx) => {
        await tx.deleteRoleBinding({ user: email, role: 'developer', team: undefined });
        return {
          result: undefined,
          object: { kind: 'user', id: email, name: email },
          before: undefined,
          after: undefined,
        };
      });
      expect(await call(2)).toContain('"error":"forbidden"');
      webSocket.terminate();
    });

    it('does not work while its user is disabled', async () => {
      const email = 'leaves@example.com';
      const { token } = await person(store, email, ['developer']);
      const enable = (enabled: boolean) =>
        change('user.update', async (tx) => {
          const user = await tx.user(email);
          const after = await tx.updateUser(user?.id ?? '', undefined, { enabled });
          return { result: after, object: { kind: 'user', id: after.id, name: email }, before: undefined, after };
        });
      expect(await statusOf(token)).toBe(200);
      await enable(false);
      expect(await statusOf(token)).toBe(401);
      await enable(true);
      expect(await statusOf(token)).toBe(200);
    });

    it('does not work after its end', async () => {
      const { token } = await somebody(['developer'], { expiresAt: Date.now() + 6_000 });
      expect(await statusOf(token)).toBe(200);
      await expect.poll(() => statusOf(token)).toBe(401);
    });

    it('works only from its addresses', async () => {
      expect(await statusOf((await somebody(['developer'], { addresses: ['127.0.0.0/8'] })).token)).toBe(200);
      expect(await statusOf((await somebody(['developer'], { addresses: ['10.0.0.0/8', '::1'] })).token)).toBe(401);
      expect(await statusOf((await somebody(['developer'], { addresses: [] })).token)).toBe(401);
      expect(await statusOf((await somebody(['developer'], { addresses: ['nonsense'] })).token)).toBe(401);
    });

    it('works only in its hours', async () => {
      const today = new Date().getUTCDay();
      const hours = { timeZone: 'UTC', from: '00:00', to: '24:00' };
      const at = async (days: readonly number[]) =>
        statusOf((await somebody(['developer'], { hours: { ...hours, days } })).token);
      expect(await at([0, 1, 2, 3, 4, 5, 6])).toBe(200);
      // Neither today, nor tomorrow, should midnight come in between.
      expect(await at([(today + 3) % 7])).toBe(401);
    });

    it('does only what its permissions name, and no more than its user may', async () => {
      const { token } = await somebody(['viewer'], { permissions: ['tools.read', 'tools.call'] });
      expect(await statusOf(token)).toBe(200);
      expect(await statusOf(token, 'tools/call', { name: 'echo', arguments: { text: 'x' } })).toBe(403);
      expect(await statusOf(token, 'prompts/list')).toBe(403);
    });

    it('that is confined to virtual servers finds no other endpoint', async () => {
      const { token } = await somebody(['admin'], { virtualServers: ['0'.repeat(32)] });
      for (const url of [gateway.url(), gateway.url('one')])
        expect((await rpc(url, token, 'tools/list')).status).toBe(404);
      expect((await ask('GET', `${gateway.origin}/status`, token)).status).toBe(403);
    });

    it('says when it was used last', async () => {
      const own = await open();
      await using _own = own;
      const { token, id } = await person(own.store, 'busy@example.com', ['developer']);
      const before = Date.now();
      {
        await using alone = await startInProcess({ mcpServers: {} }, own.store);
        expect((await rpc(alone.url(), token, 'tools/list')).status).toBe(200);
      }
      const { openStore } = await import('../../../src/store/open-store.ts');
      await using again = await openStore(own.location);
      expect((await again.token(id))?.lastUsedAt).toBeGreaterThanOrEqual(before);
    });
  });

  describe('a call that is denied', () => {
    it('is a line of the audit log before its answer is there', async () => {
      const email = 'denied@example.com';
      const { token } = await person(store, email, ['viewer']);
      const told = await rpc(gateway.url('one'), token, 'tools/call', { name: 'echo', arguments: { text: 'x' } });
      const [line] = await store.audit({ limit: 1 });
      expect(told.status).toBe(403);
      expect(told.challenge).toContain('error="insufficient_scope"');
      expect(line).toMatchObject({
        outcome: 'denied',
        action: 'tools/call',
        actor: { user: email, address: '127.0.0.1' },
        object: { kind: 'tool', id: 'one/echo', name: 'echo' },
      });
      expect(line?.reason).toContain('tools.call');
      expect(line?.actor.requestId).toMatch(/^[0-9a-f]{16}$/);
    });

    it('is one too when the tool is not in the list of the server', async () => {
      const told = await rpc(gateway.url('one'), AGENT_ID, 'tools/call', { name: 'secret', arguments: {} });
      expect(JSON.stringify(told.body)).toContain('tool_not_allowed');
      const [line] = await store.audit({ limit: 1 });
      expect(line).toMatchObject({ outcome: 'denied', action: 'tools/call', object: { id: 'one/secret' } });
    });

    it('is one too when the endpoint exists for others only, while the caller hears nothing of that', async () => {
      await gateway.change({
        mcpServers: {
          one: { type: 'http', url: fixture.url, tools: ['echo'] },
          hidden: { type: 'http', url: fixture.url },
        },
        access: { hidden: { visibility: 'private', owner: 'owner@example.com', team: undefined } },
      });
      const { token } = await somebody(['admin']);
      const hidden = await rpc(gateway.url('hidden'), token, 'tools/list');
      const missing = await rpc(gateway.url('missing'), token, 'tools/list');
      const without = ({ body }: typeof hidden) =>
        JSON.stringify(body).replaceAll(/hidden|missing|"requestId":"[^"]+"/g, '');
      expect([hidden.status, without(hidden)]).toEqual([404, without(missing)]);
      const lines = (await store.audit({ limit: 3 })).map(({ object }) => object?.name);
      expect(lines).toContain('server:hidden');
      expect(lines).not.toContain('server:missing');
      const status = await ask('GET', `${gateway.origin}/status`, (await somebody(['viewer'])).token);
      expect(JSON.stringify(status.body)).not.toContain('hidden');
      const reload = await ask('POST', `${gateway.origin}/reload`, AGENT_ID);
      expect([reload.status, JSON.stringify(reload.body)]).toEqual([200, expect.not.stringContaining('hidden')]);
      expect(JSON.stringify((await ask('GET', `${gateway.origin}/health`, undefined)).body)).not.toContain('hidden');
    });
  });
});
