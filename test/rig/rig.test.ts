/** The rig itself: every fixture answers over every wire, so that a failing test points at the gateway and not here. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { describe, expect, it } from 'vitest';
import { run } from '../../scripts/setup/run.ts';
import { connectV1, connectV2 } from './clients.ts';
import { dockerMissing } from './docker.ts';
import { busyboxImage, fixtureImage } from './images.ts';
import { runScript } from './gateway-process.ts';
import { spawnHttpFixture, startHttpFixture, startSseFixture } from './servers.ts';

const newClient = (): Client => new Client({ name: 'rig-test', version: '1.0.0' });

describe('HTTP fixture', () => {
  it('serves both generations of the official client, with sessions', async () => {
    await using fixture = await startHttpFixture({ requireHeader: 'X-Key: open sesame' });
    await expect(connectV1(fixture.url)).rejects.toThrow();
    await using one = await connectV1(fixture.url, { headers: { 'X-Key': 'open sesame' } });
    await using two = await connectV2(fixture.url, { headers: { 'X-Key': 'open sesame' } });
    const first = await one.client.callTool({ name: 'whoami', arguments: {} });
    const second = await two.client.callTool({ name: 'whoami', arguments: {} });
    expect(first.structuredContent).toMatchObject({
      process: fixture.state.processId,
      clientInfo: { name: 'gatehouse-test' },
    });
    expect(second.structuredContent).toMatchObject({ process: fixture.state.processId });
    expect(first.structuredContent).not.toEqual(second.structuredContent);
  });

  it('lists page by page and drops no unknown field', async () => {
    await using fixture = await startHttpFixture({ pageSize: 2 });
    await using connected = await connectV1(fixture.url);
    const page = await connected.client.listTools();
    expect(page.tools).toHaveLength(2);
    expect(page.nextCursor).toBe('page:2');
    const raw = await fetch(fixture.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-session-id': connected.transport.sessionId ?? '',
      },
      body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    });
    expect(await raw.text()).toContain('"x-vendor":{"kept":true}');
  });

  it('counts what a cancelled call did', async () => {
    await using fixture = await startHttpFixture();
    await using connected = await connectV1(fixture.url);
    const controller = new AbortController();
    const onprogress = (): void => controller.abort();
    const slow = { name: 'slow', arguments: { ms: 60_000, steps: 6_000 } };
    await expect(
      connected.client.callTool(slow, undefined, { signal: controller.signal, onprogress }),
    ).rejects.toThrow();
    await expect.poll(() => fixture.state.stats.cancelled).toBe(1);
    await expect.poll(() => fixture.state.stats.active).toBe(0);
  });

  it('vanishes when told to crash, and runs as a process of its own when asked to', async () => {
    await using fixture = await startHttpFixture();
    await using separate = await spawnHttpFixture();
    for (const url of [fixture.url, separate.url]) {
      await using connected = await connectV1(url);
      await expect(connected.client.callTool({ name: 'crash', arguments: {} })).rejects.toThrow();
      await expect(fetch(url)).rejects.toThrow();
    }
  });
});

describe('HTTP+SSE fixture', () => {
  it('refuses POST at its URL and serves the old transport', async () => {
    await using fixture = await startSseFixture();
    const refused = await fetch(fixture.url, { method: 'POST', body: '{}' });
    expect(refused.status).toBe(405);
    const client = newClient();
    await client.connect(new SSEClientTransport(new URL(fixture.url)));
    const result = await client.callTool({ name: 'echo', arguments: { text: 'old' } });
    expect(result.structuredContent).toEqual({ arguments: { text: 'old' } });
    await client.close();
  });
});

describe.skipIf(dockerMissing())('images', () => {
  it('run the fixture on stdio in a container', async () => {
    const args = ['run', '--rm', '-i', '--network', 'none', await fixtureImage(), 'pageSize=50'];
    const client = newClient();
    await client.connect(new StdioClientTransport({ command: 'docker', args, stderr: 'ignore' }));
    expect((await client.listTools()).nextCursor).toBeUndefined();
    const result = await client.callTool({ name: 'echo', arguments: { text: 'contained' } });
    expect(result.structuredContent).toEqual({ arguments: { text: 'contained' } });
    await client.close();
  });

  it('run a shell', async () => {
    const ran = await run('docker', ['run', '--rm', await busyboxImage(), 'sh', '-c', 'echo $((40 + 2))']);
    expect(ran).toEqual({ status: 0, stdout: '42\n', stderr: '' });
  });
});

it('gateways get the switch of the fast path, and nothing else that was not meant for them', async () => {
  await using program = runScript(['-e', 'process.stdout.write(JSON.stringify(process.env))'], { env: { A: 'b' } });
  await program.exited;
  const names = [
    'A',
    'HOME',
    'PATH',
    ...(process.env['MCP_GATEWAY_FAST_PATH'] === undefined ? [] : ['MCP_GATEWAY_FAST_PATH']),
  ];
  const given = JSON.parse(program.stdout) as Record<string, string>;
  expect(Object.keys(given).sort()).toEqual(names.sort());
  expect(given['MCP_GATEWAY_FAST_PATH']).toBe(process.env['MCP_GATEWAY_FAST_PATH']);
});
