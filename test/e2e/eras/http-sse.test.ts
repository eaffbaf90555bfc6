/** Clients of the HTTP+SSE transport (2024-11-05), at `/sse` and `/mcp/{server}/sse`. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startConformanceServer } from '../../fixtures/servers/conformance/http.ts';
import { AGENT_ID, startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { startHttpFixture } from '../../rig/servers.ts';

describe('HTTP+SSE', () => {
  const stack = new AsyncDisposableStack();
  let gateway: RunningGateway;

  beforeAll(async () => {
    const old = stack.use(await startHttpFixture());
    const modern = stack.use(await startConformanceServer('modern'));
    gateway = await startGateway({
      config: {
        mcpServers: { old: { type: 'http', url: old.url }, new: { type: 'http', url: modern.url } },
        gateway: { agentIds: [AGENT_ID, 'other-agent-0123456789'] },
      },
    });
    stack.defer(async () => void (await gateway.stop()));
  });
  afterAll(() => stack.disposeAsync());

  async function connect(path: string) {
    const client = new Client({ name: 'sse', version: '1' }, { capabilities: { elicitation: {} } });
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept' as const, content: { name: 'Ada' } }));
    const headers = { authorization: AGENT_ID };
    const transport = new SSEClientTransport(new URL(`${gateway.origin}${path}`), {
      requestInit: { headers },
      eventSourceInit: {
        fetch: (url, init) => fetch(url, { ...init, headers: { ...headers, accept: 'text/event-stream' } }),
      },
    });
    await client.connect(transport);
    return { client, [Symbol.asyncDispose]: () => client.close() };
  }

  it.each([
    ['/mcp/old/sse', 'echo', 'elicit'],
    ['/mcp/new/sse', 'test_simple_text', 'test_input_required_result_elicitation'],
    ['/sse', 'old___echo', 'old___elicit'],
  ])('%s lists, calls and asks', async (path, plain, asking) => {
    await using connected = await connect(path);
    const { client } = connected;
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain(plain);
    expect((await client.callTool({ name: plain, arguments: { text: 'x' } })).isError).not.toBe(true);
    const asked = await client.callTool({ name: asking, arguments: { message: 'Who?' } });
    expect(JSON.stringify(asked)).toContain('Ada');
  });

  it('tells its clients of changes, and answers what it does not know', async () => {
    await using connected = await connect('/mcp/old/sse');
    const changed = vi.fn();
    connected.client.fallbackNotificationHandler = async ({ method }) => void changed(method);
    await connected.client.callTool({ name: 'change_tools', arguments: { name: 'fresh' } });
    await vi.waitFor(() => expect(changed).toHaveBeenCalledWith('notifications/tools/list_changed'), 20_000);
    await expect(connected.client.callTool({ name: 'no_such_tool' })).rejects.toThrow(/Unknown tool/);
  });

  it('serves a stream to its own principal on its own endpoint, and ends the session with it', async () => {
    const leave = new AbortController();
    const stream = await fetch(`${gateway.origin}/mcp/old/sse`, {
      headers: { authorization: AGENT_ID },
      signal: leave.signal,
    });
    const { value } = (await stream.body?.getReader().read()) ?? {};
    const [, path = ''] = /^data: (\S+)$/m.exec(Buffer.from(value ?? []).toString()) ?? [];
    expect(path).toMatch(/^\/mcp\/old\/messages\?sessionId=[\w-]{43}$/);
    const post = async (target: string, authorization: string) => {
      const headers = { authorization, 'content-type': 'application/json' };
      return (
        await fetch(`${gateway.origin}${target}`, {
          method: 'POST',
          headers,
          body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
        })
      ).status;
    };
    expect(await post(path, AGENT_ID)).toBe(202);
    expect(await post(path, 'other-agent-0123456789')).toBe(404);
    expect(await post(path.replace('/mcp/old', ''), AGENT_ID)).toBe(404);
    leave.abort();
    await vi.waitFor(async () => expect(await post(path, AGENT_ID)).toBe(404), 20_000);
  });
});
