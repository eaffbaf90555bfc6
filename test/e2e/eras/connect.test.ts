import { fileURLToPath } from 'node:url';
/** `gatehouse connect`: clients that speak only stdio reach a gateway, in both eras. */
import { Client, type ClientOptions } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startConformanceServer } from '../../fixtures/servers/conformance/http.ts';
import { startGateway, type RunningGateway } from '../../rig/gateway.ts';

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

async function stdioClient(
  gateway: RunningGateway,
  server: string,
  versionNegotiation: ClientOptions['versionNegotiation'],
) {
  const client = new Client(
    { name: 'stdio-client', version: '1' },
    { ...(versionNegotiation && { versionNegotiation }), capabilities: { elicitation: { form: {} } } },
  );
  client.setRequestHandler('elicitation/create', () => ({
    action: 'accept',
    content: { name: 'Ada', response: 'Ada' },
  }));
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [MAIN, 'connect', gateway.url(server)],
    env: { ...(process.env as Record<string, string>), MCP_GATEWAY_AGENT_ID: gateway.authorization },
    stderr: 'inherit',
  });
  await client.connect(transport);
  return { client, [Symbol.asyncDispose]: () => client.close() };
}

describe('gatehouse connect', () => {
  let gateway: RunningGateway;
  const stack = new AsyncDisposableStack();

  beforeAll(async () => {
    const modern = stack.use(await startConformanceServer('modern'));
    const legacy = stack.use(await startConformanceServer('legacy'));
    const config = {
      mcpServers: { modern: { type: 'http', url: modern.url }, legacy: { type: 'http', url: legacy.url } },
    };
    gateway = await startGateway({ config });
    stack.defer(async () => void (await gateway.stop()));
  });
  afterAll(() => stack.disposeAsync());

  it.each([
    ['modern', 'modern', 'test_input_required_result_elicitation'],
    ['modern', 'legacy', 'test_elicitation'],
    ['legacy', 'modern', 'test_input_required_result_elicitation'],
    ['legacy', 'legacy', 'test_elicitation'],
  ] as const)('a %s client lists, calls and is asked on a %s server', async (era, server, tool) => {
    const negotiation = era === 'modern' ? ({ mode: { pin: '2026-07-28' } } as const) : undefined;
    await using connected = await stdioClient(gateway, server, negotiation);
    const { tools } = await connected.client.listTools();
    expect(tools.map(({ name }) => name)).toContain('test_simple_text');
    const answer = await connected.client.callTool({ name: tool, arguments: { message: 'Who?' } });
    expect(JSON.stringify(answer.content)).toContain('Ada');
  });

  it('sends arguments in headers where a tool wants them', async () => {
    await using connected = await stdioClient(gateway, 'modern', { mode: { pin: '2026-07-28' } });
    const answer = await connected.client.callTool({ name: 'test_x_mcp_header', arguments: { region: 'eu west' } });
    expect(answer.isError).not.toBe(true);
  });
});
