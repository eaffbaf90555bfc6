/**
 * What the official suite starts as a client: a gateway whose server is the suite's, and calls through that gateway.
 * The scenario comes in MCP_CONFORMANCE_SCENARIO, its arguments as JSON in MCP_CONFORMANCE_CONTEXT, the URL of the
 * suite's server as the last argument.
 */
import type { Client } from '@modelcontextprotocol/client';
import { connectV2 } from '../../test/rig/clients.ts';
import { startGateway } from '../../test/rig/gateway.ts';

const url = process.argv.at(-1) ?? '';
const scenario = process.env['MCP_CONFORMANCE_SCENARIO'] ?? '';
const modern = process.env['MCP_CONFORMANCE_PROTOCOL_VERSION'] === '2026-07-28';

interface ToolCall {
  readonly name: string;
  readonly arguments: Record<string, unknown>;
}

/** What happens at the gateway once a client is connected to it; nothing but a listing where a scenario is not named. */
const STEPS: Readonly<Record<string, (client: Client) => Promise<void>>> = {
  tools_call: async (client) => {
    await client.listTools();
    await client.callTool({ name: 'add_numbers', arguments: { a: 5, b: 3 } });
  },
  'elicitation-sep1034-client-defaults': async (client) => {
    await client.callTool({ name: 'test_client_elicitation_defaults', arguments: {} });
  },
  'sse-retry': async (client) => {
    await client.callTool({ name: 'test_reconnection', arguments: {} });
  },
  'http-standard-headers': async (client) => {
    const [tool] = (await client.listTools()).tools;
    if (tool !== undefined) await client.callTool({ name: tool.name, arguments: {} });
    const [resource] = (await client.listResources()).resources;
    if (resource !== undefined) await client.readResource({ uri: resource.uri });
    const [prompt] = (await client.listPrompts()).prompts;
    if (prompt !== undefined) await client.getPrompt({ name: prompt.name, arguments: {} });
  },
  'http-custom-headers': async (client) => {
    await client.listTools();
    const context: { readonly toolCalls?: readonly ToolCall[] } = JSON.parse(
      process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}',
    );
    for (const { name, arguments: args } of context.toolCalls ?? []) await client.callTool({ name, arguments: args });
  },
  'http-invalid-tool-headers': async (client) => {
    for (const { name } of (await client.listTools()).tools) {
      await client.callTool({ name, arguments: { region: 'us-west1' } }).catch(() => undefined);
    }
  },
  'sep-2322-client-request-state': async (client) => {
    const tools = ['echo_state', 'no_state', 'unrelated', 'no_result_type'];
    // The last answers without a resultType, which the client at the gateway may refuse: the suite looks for retries.
    for (const tool of tools)
      await client.callTool({ name: `test_mrtr_${tool}`, arguments: {} }).catch(() => undefined);
  },
};

await using gateway = await startGateway({ config: { mcpServers: { suite: { type: 'http', url } } } });
await using connected = await connectV2(gateway.url('suite'), {
  authorization: gateway.authorization,
  clientOptions: {
    capabilities: { elicitation: { form: { applyDefaults: true } }, sampling: {}, roots: {} },
    ...(modern ? { versionNegotiation: { mode: 'auto' } } : {}),
  },
  prepare: (client) => {
    client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: answerOf(scenario) }));
  },
});
const steps = STEPS[scenario] ?? (async (client: Client) => void (await client.listTools().catch(() => undefined)));
await steps(connected.client);

/** Left empty where the client's own defaults are the matter. */
function answerOf(name: string): Record<string, boolean> {
  return name.startsWith('sep-2322') ? { confirmed: true } : {};
}
