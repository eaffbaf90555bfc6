/** What stands between legacy clients and servers has to keep to: two sessions, one on either side. */
import { expect, it, vi } from 'vitest';
import { startGateway } from '../../rig/gateway.ts';
import { startHttpFixture } from '../../rig/servers.ts';
import { rawClient } from '../raw-client.ts';

it('MCP-SES-005 MCP-SES-007 the end of a session ends its session with the server, whose id never came out', async () => {
  await using web = await startHttpFixture();
  await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: web.url } } } });
  // A client that can be asked needs a conversation of its own with the server.
  const client = await rawClient(gateway.url('web'), gateway.authorization, { capabilities: { elicitation: {} } });
  const answer = await client.request('tools/call', { name: 'echo', arguments: { text: 'hello' } });
  const headersOf = (method: string) => web.requests.filter((request) => request.method === method);
  const theirs = new Set(web.requests.flatMap(({ headers }) => headers['mcp-session-id'] ?? []));
  expect(theirs.size).toBeGreaterThan(0);
  expect(theirs).not.toContain(client.sessionId);
  for (const id of theirs) {
    expect(answer.body).not.toContain(id);
    expect([...answer.headers.values()].join(' ')).not.toContain(id);
  }
  expect(headersOf('DELETE')).toHaveLength(0);
  const ended = await fetch(gateway.url('web'), {
    method: 'DELETE',
    headers: { authorization: gateway.authorization, 'mcp-session-id': client.sessionId ?? '' },
  });
  expect(ended.ok).toBe(true);
  await vi.waitFor(() => expect(headersOf('DELETE')).toHaveLength(1), 20_000);
});
