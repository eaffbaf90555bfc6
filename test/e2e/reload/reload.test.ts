/** How a reload is asked for, what it refuses, and what it does to requests, streams and sessions. */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { runMain } from '../../rig/gateway-process.ts';
import { startGateway, startReloadable, type ReloadableGateway, type ServeDocument } from '../../rig/gateway.ts';
import { startHttpFixture, type HttpFixture } from '../../rig/servers.ts';
import { rawClient } from '../raw-client.ts';
import { freePort } from '../../../scripts/setup/free-port.ts';

interface Status {
  readonly reloads: {
    readonly succeeded: number;
    readonly failed: number;
    readonly last?: { readonly ok: boolean; readonly trigger: string; readonly errors: readonly string[] };
  };
}

async function statusOf(gateway: { origin: string; authorization: string }): Promise<Status> {
  const response = await fetch(`${gateway.origin}/status`, { headers: { authorization: gateway.authorization } });
  return (await response.json()) as Status;
}

function both(web: HttpFixture): Parameters<ReloadableGateway['write']>[0] {
  return { mcpServers: { web: { type: 'http', url: web.url }, two: { type: 'http', url: web.url } } };
}

describe('what asks for a reload', () => {
  it('SIGHUP, as often as it comes, and never ends the process', async () => {
    await using web = await startHttpFixture();
    await using gateway = await startReloadable({ mcpServers: { web: { type: 'http', url: web.url } } });
    await gateway.write(both(web));
    for (let index = 0; index < 20; index++) gateway.kill('SIGHUP');
    await vi.waitFor(async () => {
      const { reloads } = await statusOf(gateway);
      expect(reloads.last).toMatchObject({ ok: true, trigger: 'SIGHUP' });
      // One that ran, and one for all that came meanwhile.
      expect(reloads.succeeded).toBeLessThan(20);
    }, 20_000);
    const client = await rawClient(gateway.url('two'), gateway.authorization);
    expect((await client.request('tools/list')).status).toBe(200);
  });

  it('a change of the file, once per content', async () => {
    await using web = await startHttpFixture();
    await using gateway = await startReloadable({ mcpServers: { web: { type: 'http', url: web.url } } }, [
      '--watch',
      'on',
    ]);
    await gateway.write(both(web));
    await vi.waitFor(
      async () =>
        expect((await statusOf(gateway)).reloads).toMatchObject({ succeeded: 1, last: { trigger: 'changed files' } }),
      20_000,
    );
    const client = await rawClient(gateway.url('two'), gateway.authorization);
    expect((await client.request('tools/list')).status).toBe(200);
  });

  it('POST /reload, for callers with an agent id only', async () => {
    await using web = await startHttpFixture();
    await using gateway = await startReloadable({ mcpServers: { web: { type: 'http', url: web.url } } });
    expect((await fetch(`${gateway.origin}/reload`, { method: 'POST' })).status).toBe(401);
    const headers = { authorization: gateway.authorization };
    expect((await fetch(`${gateway.origin}/reload`, { headers })).status).toBe(405);
    expect((await statusOf(gateway)).reloads).toMatchObject({ succeeded: 0, failed: 0 });
    expect(await gateway.reload()).toMatchObject({ status: 200, result: { ok: true, servers: { kept: ['web'] } } });
  });

  it('without a file says that the configuration stays', async () => {
    await using web = await startHttpFixture();
    await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: web.url } } } });
    gateway.kill('SIGHUP');
    await gateway.until(({ stderr }) =>
      stderr.includes('came from stdin and cannot be read again') ? true : undefined,
    );
    await expect.poll(async () => (await statusOf(gateway)).reloads).toMatchObject({ succeeded: 1 });
  });
});

describe('what is refused', () => {
  it.each([
    ['text that is no JSON', '{"mcpServers": ', /JSON|end/i],
    ['a setting that is wrong', JSON.stringify({ mcpServers: { web: { type: 'http' } }, gateway: {} }), /url/],
  ])('%s: everything goes on, and log and status say why', async (_name, text, reason) => {
    await using web = await startHttpFixture();
    await using gateway = await startReloadable({ mcpServers: { web: { type: 'http', url: web.url } } });
    const client = await rawClient(gateway.url('web'), gateway.authorization);
    await gateway.write(text);
    const { status, result } = await gateway.reload();
    expect(status).toBe(422);
    expect(result.errors.join('\n')).toMatch(reason);
    expect(result.errors.join('\n')).toContain(gateway.file);
    expect((await statusOf(gateway)).reloads).toMatchObject({ failed: 1, last: { errors: result.errors } });
    // Lines of the log are written in batches, so the answer may be here first.
    await expect
      .poll(() => gateway.logs().filter(({ level, msg }) => level === 'error' && /RELOAD FAILED/.test(String(msg))))
      .toHaveLength(1);
    expect((await client.request('tools/list')).status).toBe(200);
    await gateway.write(both(web));
    expect((await gateway.reload()).result).toMatchObject({ ok: true, servers: { added: ['two'] } });
  });

  it('a file that is gone', async () => {
    await using web = await startHttpFixture();
    await using gateway = await startReloadable({ mcpServers: { web: { type: 'http', url: web.url } } });
    await rm(gateway.file);
    expect((await gateway.reload()).result.errors.join()).toContain('cannot be read');
    const client = await rawClient(gateway.url('web'), gateway.authorization);
    expect((await client.request('tools/list')).status).toBe(200);
  });
});

it('refuses another port, which needs a restart, and everything that came with it', async () => {
  await using web = await startHttpFixture();
  const folder = await mkdtemp(join(tmpdir(), 'reload-port-'));
  const file = join(folder, 'config.toml');
  const toml = (port: number, name: string): string =>
    `[gateway]\nport = ${port}\n[servers.${name}]\ntype = "http"\nurl = "${web.url}"\n`;
  const port = await freePort();
  await writeFile(file, toml(port, 'web'));
  await using program = runMain(['serve', '--config', file]);
  const document = await program.until(({ stdout }) => (stdout.endsWith('}\n') ? stdout : undefined));
  const entry = (JSON.parse(document) as ServeDocument).mcpServers['web'];
  await writeFile(file, toml(port + 1, 'other'));
  program.kill('SIGHUP');
  await program.until(({ stderr }) =>
    stderr.includes('gateway.port cannot change while the gateway runs') ? true : undefined,
  );
  // The agent id that was made up at the start is still the one.
  const client = await rawClient(entry?.url ?? '', entry?.headers['Authorization'] ?? '');
  expect((await client.request('tools/list')).status).toBe(200);
  await rm(folder, { recursive: true });
});

describe('requests and sessions', () => {
  it('a request in flight finishes on the server that was removed; then session and stream end', async () => {
    await using web = await startHttpFixture();
    await using other = await startHttpFixture();
    await using gateway = await startReloadable({
      mcpServers: { web: { type: 'http', url: web.url }, other: { type: 'http', url: other.url } },
    });
    const client = await rawClient(gateway.url('other'), gateway.authorization);
    const idle = await rawClient(gateway.url('other'), gateway.authorization);
    const stream = await openStream(gateway, 'other', idle.sessionId);
    const slow = client.request('tools/call', { name: 'slow', arguments: { ms: 6_000, label: 'still there' } });
    await vi.waitFor(() => expect(other.state.stats.active).toBe(1), 20_000);
    await gateway.write({ mcpServers: { web: { type: 'http', url: web.url } } });
    expect((await gateway.reload()).result.servers.removed).toEqual(['other']);
    expect((await client.request('ping')).status).toBe(404);
    // The stream of a session without work ends at once.
    await toItsEnd(stream);
    expect(other.state.stats.active).toBe(1);
    expect((await slow).answer.result).toMatchObject({ content: [{ text: 'still there' }] });
    await vi.waitFor(() => expect(other.state.sessions.size).toBe(0), 20_000);
  });

  it('a body that comes late is worked on by the configuration that its request began with', async () => {
    await using web = await startHttpFixture();
    await using other = await startHttpFixture();
    await using gateway = await startReloadable({
      mcpServers: { web: { type: 'http', url: web.url }, other: { type: 'http', url: other.url } },
    });
    const late = httpRequest(gateway.url('other'), {
      method: 'POST',
      headers: {
        authorization: gateway.authorization,
        'content-type': 'application/json',
        expect: '100-continue',
      },
    });
    const answer = once(late, 'response') as Promise<[IncomingMessage]>;
    late.flushHeaders();
    // By then the gateway has seen the head of the request.
    await once(late, 'continue');
    late.write('{"jsonrpc":"2.0","id":1,"method":"tools/call",');
    await gateway.write({ mcpServers: { web: { type: 'http', url: web.url } } });
    expect((await gateway.reload()).result.servers.removed).toEqual(['other']);
    late.end('"params":{"name":"echo","arguments":{"text":"late"}}}');
    const [response] = await answer;
    expect(response.statusCode).toBe(200);
    expect(await textOf(response)).toContain('late');
    await vi.waitFor(() => expect(other.state.sessions.size).toBe(0), 20_000);
  });

  it('the unified endpoint tells its sessions that servers came or went, and a kept subscription goes on', async () => {
    await using web = await startHttpFixture();
    await using gateway = await startReloadable({ mcpServers: { web: { type: 'http', url: web.url } } });
    const client = await rawClient(gateway.url(), gateway.authorization);
    const stream = await openStream(gateway, undefined, client.sessionId);
    const read = reader(stream);
    await gateway.write(both(web));
    expect((await gateway.reload()).result.servers.added).toEqual(['two']);
    await read('notifications/tools/list_changed');
    const tools = (await client.request('tools/list')).answer.result?.['tools'] as { name: string }[];
    expect(new Set(tools.map(({ name }) => name.split(/[-_.]/)[0])).size).toBe(2);
  });

  it('a changed server hears again of what a session subscribed to, without a request of the client', async () => {
    await using web = await startHttpFixture();
    await using next = await startHttpFixture();
    await using gateway = await startReloadable({ mcpServers: { web: { type: 'http', url: web.url } } });
    const client = await rawClient(gateway.url('web'), gateway.authorization);
    await client.request('resources/subscribe', { uri: 'fixture://text/1' });
    const read = reader(await openStream(gateway, 'web', client.sessionId));
    await gateway.write({ mcpServers: { web: { type: 'http', url: next.url } } });
    expect((await gateway.reload()).result.servers.changed).toEqual(['web']);
    await vi.waitFor(
      () =>
        expect([...next.state.sessions].some(({ subscriptions }) => subscriptions.has('fixture://text/1'))).toBe(true),
      20_000,
    );
    await read('notifications/tools/list_changed');
    await vi.waitFor(() => expect(web.state.sessions.size).toBe(0), 20_000);
  });

  it('an agent id that is taken away ends the sessions that it opened, and only those', async () => {
    await using web = await startHttpFixture();
    const servers = { web: { type: 'http', url: web.url } };
    const [first, second] = ['first-agent-0123456789', 'second-agent-0123456789'];
    await using gateway = await startReloadable({ mcpServers: servers, gateway: { agentIds: [first, second] } });
    const kept = await rawClient(gateway.url('web'), first);
    const lost = await rawClient(gateway.url('web'), second);
    const stream = await openStream(gateway, 'web', lost.sessionId, second);
    await gateway.write({ mcpServers: servers, gateway: { agentIds: [first] } });
    expect((await gateway.reload()).result).toMatchObject({ ok: true, servers: { kept: ['web'] } });
    await toItsEnd(stream);
    expect((await lost.request('ping')).status).toBe(401);
    expect((await kept.request('ping')).status).toBe(200);
  });
});

async function openStream(
  gateway: ReloadableGateway,
  server: string | undefined,
  sessionId: string | undefined,
  authorization = gateway.authorization,
): Promise<ReadableStream<Uint8Array>> {
  const response = await fetch(gateway.url(server), {
    headers: { authorization, accept: 'text/event-stream', 'mcp-session-id': sessionId ?? '' },
  });
  if (response.status !== 200 || response.body === null) throw new Error(`no stream: ${response.status}`);
  return response.body;
}

/** Waits until a text has come on a stream. */
function reader(stream: ReadableStream<Uint8Array>): (text: string) => Promise<void> {
  const chunks = stream.getReader();
  const decoder = new TextDecoder();
  let seen = '';
  return async (text) => {
    while (!seen.includes(text)) {
      const { value, done } = await chunks.read();
      if (done) throw new Error(`the stream ended without ${text}: ${seen}`);
      seen += decoder.decode(value, { stream: true });
    }
  };
}

/** Reads a stream until the gateway ends it. */
async function toItsEnd(stream: ReadableStream<Uint8Array>): Promise<void> {
  const body = stream.getReader();
  while (!(await body.read()).done);
}
