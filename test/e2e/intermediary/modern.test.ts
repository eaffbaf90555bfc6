/** What stands between modern clients and servers has to keep to: cancellation, credentials, states, caches. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startConformanceServer, type RunningConformanceServer } from '../../fixtures/servers/conformance/http.ts';
import { dockerMissing } from '../../rig/docker.ts';
import { startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { fixtureImage } from '../../rig/images.ts';
import { startScriptedServer, type ScriptedServer } from '../../rig/scripted-server.ts';
import { modernClient } from '../modern-raw-client.ts';
import { rawClient } from '../raw-client.ts';

const CALL = { name: 'tool', arguments: {} };
const ELICITATION = { elicitation: {} };

describe('a modern client and a modern server', () => {
  let server: ScriptedServer;
  let gateway: RunningGateway;

  beforeAll(async () => {
    server = await startScriptedServer(({ method, params }) =>
      method === 'tools/call' && isObject(params['arguments']) && params['arguments']['hold'] === true
        ? undefined
        : 'usual',
    );
    gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: server.url } } } });
  });
  afterAll(async () => {
    await gateway.stop();
    await server[Symbol.asyncDispose]();
  });

  it('MCP-HTTP-015 MCP-AUT-001 a session id means nothing, and neither it nor the credentials reach the server', async () => {
    const post = modernClient(gateway.url('web'), gateway.authorization);
    const answer = await post('tools/call', CALL, { headers: { 'mcp-session-id': 'made-up', cookie: 'a=b' } });
    expect(answer.answer.result).toMatchObject({ resultType: 'complete' });
    expect(answer.headers.get('mcp-session-id')).toBeNull();
    expect(server.received.length).toBeGreaterThan(0);
    for (const { headers } of server.received) {
      expect(headers['mcp-session-id']).toBeUndefined();
      expect(headers.authorization).toBeUndefined();
      expect(headers.cookie).toBeUndefined();
    }
  });

  it('MCP-CAN-001 a client that leaves ends the request to the server', async () => {
    const leaving = new AbortController();
    const post = modernClient(gateway.url('web'), gateway.authorization);
    const call = post('tools/call', { ...CALL, arguments: { hold: true } }, { signal: leaving.signal });
    const held = await vi.waitFor(() => {
      const found = server.received.find(
        ({ method, params }) => method === 'tools/call' && JSON.stringify(params).includes('hold'),
      );
      if (found === undefined) throw new Error('not there yet');
      return found;
    }, 20_000);
    leaving.abort();
    await expect(call).rejects.toThrow();
    // Would hang here if the gateway kept the request.
    await held.closed;
  });

  it('MCP-IDS-005 unknown _meta keys, unknown fields and unknown headers for parameters reach the server', async () => {
    const post = modernClient(gateway.url('web'), gateway.authorization);
    await post(
      'tools/call',
      { ...CALL, 'com.example/extra': { nested: [1, { x: 1.0 }] } },
      { meta: { 'com.example/key': 'kept' }, headers: { 'mcp-param-unheard-of': 'passed' } },
    );
    const last = server.received.findLast(({ method }) => method === 'tools/call');
    expect(last?.params).toMatchObject({
      'com.example/extra': { nested: [1, { x: 1 }] },
      _meta: { 'com.example/key': 'kept' },
    });
    expect(last?.headers['mcp-param-unheard-of']).toBe('passed');
  });
});

describe('servers that say little, or the wrong thing', () => {
  it('MCP-AUT-002 the challenge of a server stays with the gateway', async () => {
    let locked = false;
    await using server = await startScriptedServer(() =>
      locked
        ? { status: 401, headers: { 'www-authenticate': 'Bearer resource_metadata="http://elsewhere"' } }
        : 'usual',
    );
    await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: server.url } } } });
    locked = true;
    const answer = await modernClient(gateway.url('web'), gateway.authorization)('tools/call', CALL);
    expect(answer.status).not.toBe(401);
    expect(answer.headers.get('www-authenticate')).toBeNull();
    expect(answer.answer.error?.data).toMatchObject({ error: 'server_auth_required' });
  });

  it('MCP-ERA-006 an error that says nothing of the era does not make a modern server a legacy one', async () => {
    let failing = true;
    await using server = await startScriptedServer(() => (failing ? { status: 503 } : 'usual'));
    await using gateway = await startGateway({
      config: { mcpServers: { web: { type: 'http', url: server.url } } },
      args: ['--startup', 'resilient'],
    });
    const post = modernClient(gateway.url('web'), gateway.authorization);
    await post('tools/list');
    failing = false;
    await vi.waitFor(async () => {
      const { answer } = await post('tools/call', CALL);
      expect(answer.result).toMatchObject({ resultType: 'complete' });
    }, 30_000);
    const called = server.received.findLast(({ method }) => method === 'tools/call');
    expect(called?.headers['mcp-protocol-version']).toBe('2026-07-28');
  });

  it('MCP-AGG-003 what one principal read is not given to another', async () => {
    await using server = await startScriptedServer();
    await using gateway = await startGateway({
      config: {
        mcpServers: { web: { type: 'http', url: server.url } },
        gateway: { agentIds: ['agent-of-ada-0123456789', 'agent-of-alan-0123456789'] },
      },
    });
    for (const id of ['agent-of-ada-0123456789', 'agent-of-alan-0123456789']) {
      const { answer } = await modernClient(gateway.url('web'), id)('resources/read', { uri: 'scripted://one' });
      expect(answer.result).toMatchObject({ cacheScope: 'private' });
    }
    expect(server.received.filter(({ method }) => method === 'resources/read')).toHaveLength(2);
  });

  it('MCP-AGG-005 a listing with a hole may not be kept', async () => {
    await using whole = await startScriptedServer();
    await using broken = await startScriptedServer(() => ({ status: 503 }));
    await using gateway = await startGateway({
      config: {
        mcpServers: { whole: { type: 'http', url: whole.url }, broken: { type: 'http', url: broken.url } },
      },
      args: ['--unified', '--startup', 'resilient'],
    });
    const { answer } = await modernClient(gateway.url(), gateway.authorization)('tools/list');
    expect(answer.result).toMatchObject({ ttlMs: 0, cacheScope: 'private' });
    expect(answer.result?.['tools']).toHaveLength(1);
  });

  it('MCP-AGG-001 a cursor that nobody gave out is refused, also an empty one, in both eras', async () => {
    await using server = await startScriptedServer();
    await using gateway = await startGateway({
      config: { mcpServers: { web: { type: 'http', url: server.url } } },
      args: ['--unified'],
    });
    const legacy = await rawClient(gateway.url(), gateway.authorization);
    for (const cursor of ['made-up', '']) {
      const modern = await modernClient(gateway.url(), gateway.authorization)('tools/list', { cursor });
      expect(modern.answer.error?.code).toBe(-32_602);
      expect((await legacy.request('tools/list', { cursor })).answer.error?.code).toBe(-32_602);
    }
  });
});

describe('a modern client and a legacy server', () => {
  const agents = ['agent-of-ada-0123456789', 'agent-of-alan-0123456789'] as const;
  let server: RunningConformanceServer;
  let gateway: RunningGateway;

  beforeAll(async () => {
    server = await startConformanceServer('legacy');
    gateway = await startGateway({
      config: {
        mcpServers: { old: { type: 'http', url: server.url } },
        gateway: { agentIds: [...agents] },
      },
    });
  });
  afterAll(async () => {
    await gateway.stop();
    await server[Symbol.asyncDispose]();
  });

  const QUESTION = { name: 'test_elicitation', arguments: { message: 'Who?' } };

  async function ask(): Promise<{ key: string; requestState: string }> {
    const { answer } = await modernClient(gateway.url('old'), agents[0])('tools/call', QUESTION, {
      capabilities: ELICITATION,
    });
    expect(answer.result).toMatchObject({ resultType: 'input_required' });
    return {
      key: Object.keys(answer.result?.['inputRequests'] ?? {})[0] ?? '',
      requestState: String(answer.result?.['requestState']),
    };
  }

  function retry(agent: string, { key, requestState }: { key: string; requestState: string }) {
    const inputResponses = { [key]: { action: 'accept', content: { response: 'Ada' } } };
    return modernClient(gateway.url('old'), agent)(
      'tools/call',
      { ...QUESTION, inputResponses, requestState },
      { id: 2, capabilities: ELICITATION },
    );
  }

  it('MCP-MRTR-002 a changed state is refused, and the right one still works', async () => {
    const asked = await ask();
    const end = asked.requestState.at(-2) === 'A' ? 'B' : 'A';
    const changed = asked.requestState.slice(0, -2) + end + asked.requestState.slice(-1);
    expect((await retry(agents[0], { ...asked, requestState: changed })).answer.error?.code).toBe(-32_602);
    expect(JSON.stringify((await retry(agents[0], asked)).answer.result)).toContain('Ada');
  });

  it('MCP-MRTR-003 the state of one principal is worth nothing to another', async () => {
    const asked = await ask();
    expect((await retry(agents[1], asked)).answer.error?.code).toBe(-32_602);
    expect(JSON.stringify((await retry(agents[0], asked)).answer.result)).toContain('Ada');
  });

  it('MCP-MRTR-006 nothing is asked that the client has not declared', async () => {
    const { answer } = await modernClient(gateway.url('old'), agents[0])('tools/call', QUESTION);
    expect(answer.result?.['resultType']).not.toBe('input_required');
  });
});

describe.skipIf(dockerMissing())('a modern client and a container', () => {
  it('MCP-CAN-002 a client that leaves cancels under the id that the server knows, and only its own call', async () => {
    await using gateway = await startGateway({ config: { mcpServers: { box: { container: await fixtureImage() } } } });
    const post = modernClient(gateway.url('box'), gateway.authorization);
    const slow = (ms: number) => ({
      name: 'slow',
      arguments: { ms, steps: ms / 100, label: `kept for ${ms}` },
      _meta: {},
    });
    const leaving = new AbortController();
    const begun = Promise.withResolvers<void>();
    const options = { id: 7, meta: { progressToken: 'same' } };
    const kept = post('tools/call', slow(8_000), options);
    const left = post('tools/call', slow(60_000), {
      ...options,
      signal: leaving.signal,
      onText: (text) => {
        if (text.includes('notifications/progress')) begun.resolve();
      },
    });
    await begun.promise;
    leaving.abort();
    await expect(left).rejects.toThrow();
    await vi.waitFor(async () => {
      const { answer } = await post('tools/call', { name: 'stats', arguments: {} });
      expect(answer.result?.['structuredContent']).toMatchObject({ cancelled: 1 });
    }, 20_000);
    expect(JSON.stringify((await kept).answer.result)).toContain('kept for 8000');
  });
});

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
