import { expect, it, vi } from 'vitest';
import { connectV1 } from '../rig/clients.ts';
import { startGateway } from '../rig/gateway.ts';
import { startHttpFixture } from '../rig/servers.ts';

it('the metrics tell what clients did, how servers are, and who was refused; only to those who may know', async () => {
  await using web = await startHttpFixture();
  await using gateway = await startGateway({
    config: {
      mcpServers: { web: { type: 'http', url: web.url }, away: { type: 'http', url: 'http://127.0.0.1:9/mcp' } },
      gateway: { startup: 'resilient' },
    },
  });
  const { authorization } = gateway;
  await using one = await connectV1(gateway.url('web'), { authorization });
  await one.client.callTool({ name: 'echo', arguments: {} });
  await one.client.callTool({ name: 'echo', arguments: {} });
  await using all = await connectV1(gateway.url(), { authorization });
  await all.client.callTool({ name: 'web___echo', arguments: {} });

  const refused = await fetch(`${gateway.origin}/metrics`);
  expect(refused.status).toBe(401);
  await refused.body?.cancel();

  await vi.waitFor(async () => {
    const response = await fetch(`${gateway.origin}/metrics`, { headers: { authorization } });
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = await response.text();
    expect(text).toContain(
      'gatehouse_requests_total{route="server",server="web",method="tools/call",outcome="ok"} 2\n',
    );
    expect(text).toContain(
      'gatehouse_requests_total{route="unified",server="web",method="tools/call",outcome="ok"} 1\n',
    );
    expect(text).toContain('gatehouse_sessions 2\n');
    expect(text).toContain('gatehouse_server_up{server="web"} 1\n');
    expect(text).toContain('gatehouse_server_state{server="away",state="unreachable"} 1\n');
    expect(text).toContain('gatehouse_denied_total{reason="unauthorized"} 1\n');
    expect(text).toMatch(/^process_resident_memory_bytes [1-9]\d+$/m);
    expect(text).not.toMatch(/ NaN$/m);
  }, 20_000);
});
