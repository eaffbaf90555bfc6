/** Start, health, close, drain: what an operator sees of the gateway's life. */
import { describe, expect, it, vi } from 'vitest';
import { runMain } from '../rig/gateway-process.ts';
import { AGENT_ID, spawnGateway, startGateway } from '../rig/gateway.ts';
import { fixtureImage } from '../rig/images.ts';
import { NOTHING, trackLeftovers } from '../rig/leftovers.ts';
import { startHttpFixture } from '../rig/servers.ts';
import { untilAtWork } from './at-work.ts';
import { rawClient } from './raw-client.ts';
import { freePort } from '../../scripts/setup/free-port.ts';

const SEMVER = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

describe('start', () => {
  it('T-OUT-001 T-OUT-002 T-OUT-003 T-OUT-004 T-OUT-005 T-OUT-006 prints one document that clients can use', async () => {
    await using web = await startHttpFixture();
    await using gateway = await startGateway({
      config: {
        mcpServers: {
          web: { type: 'http', url: web.url },
          'two-words': { type: 'http', url: web.url, tools: ['echo'] },
        },
        gateway: { domain: 'host.docker.internal' },
      },
    });
    const port = new URL(gateway.origin).port;
    expect(JSON.parse(gateway.stdout)).toEqual({
      mcpServers: {
        web: { type: 'http', url: `http://host.docker.internal:${port}/mcp/web`, headers: { Authorization: AGENT_ID } },
        'two-words': {
          type: 'http',
          url: `http://host.docker.internal:${port}/mcp/two-words`,
          headers: { Authorization: AGENT_ID },
          tools: ['echo'],
        },
      },
    });
    const client = await rawClient(`${gateway.origin}/mcp/two-words`, gateway.authorization);
    expect((await client.request('tools/list')).answer.result?.['tools']).toHaveLength(1);
  });

  it('T-OUT-007 the document is complete before /health answers', async () => {
    await using web = await startHttpFixture({ startDelayMs: 300 });
    const port = await freePort();
    await using gateway = await spawnGateway({
      config: { mcpServers: { web: { type: 'http', url: web.url } } },
      args: ['--listen', `127.0.0.1:${port}`],
    });
    await vi.waitFor(
      async () => {
        const response = await fetch(`http://127.0.0.1:${port}/health`);
        expect(response.status).toBe(200);
      },
      { timeout: 30_000, interval: 5 },
    );
    expect(JSON.parse(gateway.stdout)).toHaveProperty('mcpServers.web.url');
  });

  it('T-ERR-001 T-TMO-001 ends with a payload that names servers, reasons and variables, and nothing is left', async () => {
    const image = await fixtureImage();
    await using gateway = await spawnGateway({
      config: {
        mcpServers: {
          broken: { container: image, env: { FIXTURE_FAIL_START: 'true', SECRET_NAME: 'the-value-of-the-secret' } },
          missing: { container: 'gatehouse.test/no-such-image:1' },
          silent: { container: image, env: { FIXTURE_SILENT: 'true' } },
          nobody: { type: 'http', url: 'http://127.0.0.1:9/mcp' },
        },
        gateway: { startupTimeout: 10 },
      },
    });
    const left = await trackLeftovers(gateway);
    expect(await gateway.exited).toMatchObject({ status: 1 });
    const text = gateway.stdout;
    const payload = JSON.parse(text) as { error: unknown };
    for (const name of ['broken', 'missing', 'silent', 'nobody', 'SECRET_NAME', image, 'http://127.0.0.1:9/mcp']) {
      expect(JSON.stringify(payload)).toContain(name);
    }
    expect(text).toMatch(/10(\.0)? s/);
    expect(text + gateway.stderr).not.toContain('the-value-of-the-secret');
    expect(await left()).toEqual(NOTHING);
  });

  it('serves the others when startup is resilient, and says what is wrong with the one', async () => {
    await using web = await startHttpFixture();
    await using gateway = await startGateway({
      config: {
        mcpServers: { web: { type: 'http', url: web.url }, nobody: { type: 'http', url: 'http://127.0.0.1:9/mcp' } },
        gateway: { startup: 'resilient' },
      },
    });
    await vi.waitFor(async () => expect((await fetch(`${gateway.origin}/ready`)).status).toBe(200), 20_000);
    const health = await (await fetch(`${gateway.origin}/health`)).json();
    expect(health).toMatchObject({
      status: 'unhealthy',
      servers: { web: { status: 'running' }, nobody: { status: 'error' } },
    });
    const client = await rawClient(gateway.url('web'), gateway.authorization);
    expect((await client.request('tools/list')).status).toBe(200);
    const refused = await rawClient(gateway.url('nobody'), gateway.authorization, { session: false });
    const { status, answer } = await refused.request('tools/call', { name: 'echo' });
    expect(status).toBe(200);
    expect(answer.error).toMatchObject({ code: -32001, data: { server: 'nobody' } });
    expect((await refused.request('initialize', { protocolVersion: '2025-11-25', capabilities: {} })).status).toBe(503);
  });

  it('answers /ready with 503 until every server was attempted', async () => {
    await using web = await startHttpFixture({ silent: true });
    await using gateway = await startGateway({
      config: {
        mcpServers: { web: { type: 'http', url: web.url } },
        gateway: { startup: 'resilient', startupTimeout: 10 },
      },
    });
    expect((await fetch(`${gateway.origin}/ready`)).status).toBe(503);
    await vi.waitFor(async () => expect((await fetch(`${gateway.origin}/ready`)).status).toBe(200), 20_000);
  });
});

describe('health', () => {
  it('T-HLT-001 T-HLT-002 T-HLT-003 T-HLT-004 T-HLT-006 T-HLT-007 T-HLT-008 T-HLT-009 has the shape of the specification', async () => {
    await using web = await startHttpFixture();
    await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: web.url } } } });
    const response = await fetch(`${gateway.origin}/health`);
    expect(response.headers.get('content-type')).toBe('application/json');
    const health = (await response.json()) as Record<string, unknown>;
    expect(health).toEqual({
      status: 'healthy',
      specVersion: expect.stringMatching(SEMVER) as string,
      gatewayVersion: expect.stringMatching(SEMVER) as string,
      servers: { web: { status: 'running', uptime: expect.any(Number) as number } },
    });
    expect(health['specVersion']).toBe('1.17.0');
    expect((await fetch(`${gateway.origin}/ready`)).status).toBe(200);
  });

  it('T-HLT-005 T-ERR-004 T-ISO-005 a crashed container fails its own calls at once, others go on, and it comes back', async () => {
    await using web = await startHttpFixture();
    await using gateway = await startGateway({
      config: { mcpServers: { box: { container: await fixtureImage() }, web: { type: 'http', url: web.url } } },
    });
    const box = await rawClient(gateway.url('box'), gateway.authorization);
    const other = await rawClient(gateway.url('web'), gateway.authorization);
    const before = (await box.request('tools/call', { name: 'whoami', arguments: {} })).body;
    const slow = box.request('tools/call', { name: 'slow', arguments: { ms: 30_000, label: 'lost' } }, 'slow');
    const unaffected = other.request('tools/call', { name: 'slow', arguments: { ms: 4_000, label: 'kept' } });
    await untilAtWork(box);
    await untilAtWork(other);
    const crashed = await box.request('tools/call', { name: 'crash', arguments: { code: 7 } });
    expect(crashed.answer.error).toMatchObject({ code: -32001, data: { server: 'box' } });
    expect(crashed.body).toMatch(/exit|code 7|status 7/i);
    expect((await slow).answer.error).toMatchObject({ code: -32001 });
    expect((await unaffected).body).toContain('kept');
    await vi.waitFor(
      async () => {
        const again = await box.request('tools/call', { name: 'whoami', arguments: {} });
        expect(again.answer.error).toBeUndefined();
        expect(again.body).not.toBe(before);
      },
      { timeout: 20_000, interval: 100 },
    );
    const health = await (await fetch(`${gateway.origin}/health`)).json();
    expect(health).toMatchObject({ status: 'healthy', servers: { box: { status: 'running' } } });
  });
});

describe('timeouts and failures', () => {
  it('T-TMO-002 T-TMO-003 T-ERR-002 T-ERR-005 a call that takes too long gets an error that names server, method and time', async () => {
    await using web = await startHttpFixture();
    await using gateway = await startGateway({
      config: {
        mcpServers: { web: { type: 'http', url: web.url }, box: { container: await fixtureImage() } },
        gateway: { toolTimeout: 10 },
      },
    });
    const calls = ['web', 'box'].map(async (server) => {
      const client = await rawClient(gateway.url(server), gateway.authorization);
      const { status, answer } = await client.request('tools/call', { name: 'slow', arguments: { ms: 40_000 } });
      expect(status).toBe(200);
      expect(answer.error).toMatchObject({ code: -32002, data: { server } });
      expect(JSON.stringify(answer.error)).toMatch(/tools\/call.* [1-9]\d\.\d s/);
      // The server was told: it counts the cancellation.
      await vi.waitFor(
        async () =>
          expect((await client.request('tools/call', { name: 'stats', arguments: {} })).body).toMatch(
            /cancelled\D+[1-9]/,
          ),
        20_000,
      );
    });
    await Promise.all(calls);
  });

  it('T-PTL-007 T-PTL-008 a server that vanishes is answered for, and found again', async () => {
    await using web = await startHttpFixture();
    await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: web.url } } } });
    const client = await rawClient(gateway.url('web'), gateway.authorization);
    const call = client.request('tools/call', { name: 'slow', arguments: { ms: 30_000 } });
    await expect.poll(() => web.state.stats.active).toBe(1);
    web.cutConnections();
    const { answer } = await call;
    expect(answer.error).toMatchObject({ code: -32001, data: { server: 'web' } });
    await vi.waitFor(
      async () =>
        expect((await client.request('tools/call', { name: 'whoami', arguments: {} })).answer.error).toBeUndefined(),
      {
        timeout: 20_000,
        interval: 100,
      },
    );
  });

  it('a server that forgets its sessions is asked again within the same call', async () => {
    await using web = await startHttpFixture();
    await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: web.url } } } });
    const client = await rawClient(gateway.url('web'), gateway.authorization);
    expect((await client.request('tools/call', { name: 'whoami', arguments: {} })).answer.error).toBeUndefined();
    await web.forgetSessions();
    expect((await client.request('tools/call', { name: 'whoami', arguments: {} })).answer.error).toBeUndefined();
    const stateless = await rawClient(gateway.url('web'), gateway.authorization, { session: false });
    await web.forgetSessions();
    expect((await stateless.request('tools/call', { name: 'whoami', arguments: {} })).answer.error).toBeUndefined();
  });
});

describe('close', () => {
  it('T-LIFE-001 T-LIFE-002 T-LIFE-003 T-LIFE-004 T-LIFE-005 T-LIFE-006 T-LIFE-007 drains, refuses what is new, ends with status 0 and leaves nothing', async () => {
    await using web = await startHttpFixture();
    const gateway = await startGateway({
      config: { mcpServers: { box: { container: await fixtureImage() }, web: { type: 'http', url: web.url } } },
      args: ['--shutdown-timeout', '60s'],
    });
    const left = await trackLeftovers(gateway);
    const { origin, authorization } = gateway;
    expect((await fetch(`${origin}/close`, { method: 'POST' })).status).toBe(401);
    expect((await fetch(`${origin}/close`, { headers: { authorization } })).status).toBe(405);

    const client = await rawClient(gateway.url('box'), authorization);
    const inFlight = client.request('tools/call', { name: 'slow', arguments: { ms: 8_000, label: 'finished' } });
    await untilAtWork(client);
    const closed = await fetch(`${origin}/close`, { method: 'POST', headers: { authorization } });
    expect(closed.status).toBe(200);
    expect(await closed.json()).toEqual({
      status: 'closed',
      message: 'Gateway shutdown initiated',
      serversTerminated: 2,
    });
    const again = await fetch(`${origin}/close`, { method: 'POST', headers: { authorization } });
    expect(again.status).toBe(410);
    expect(await again.json()).toEqual({ error: 'Gateway has already been closed' });
    const refused = await client.request('tools/list');
    expect(refused.status).toBe(503);
    expect(refused.answer.error).toMatchObject({ code: -32001 });
    expect((await inFlight).body).toContain('finished');
    expect(await gateway.exited).toMatchObject({ status: 0 });
    expect(await left()).toEqual(NOTHING);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    '%s lets requests in flight finish and ends with status 0',
    async (signal) => {
      const gateway = await startGateway({
        config: { mcpServers: { box: { container: await fixtureImage() } } },
        args: ['--shutdown-timeout', '60s'],
      });
      const left = await trackLeftovers(gateway);
      const client = await rawClient(gateway.url('box'), gateway.authorization);
      const inFlight = client.request('tools/call', { name: 'slow', arguments: { ms: 4_000, label: 'finished' } });
      await untilAtWork(client);
      gateway.kill(signal);
      expect((await inFlight).body).toContain('finished');
      expect(await gateway.exited).toMatchObject({ status: 0 });
      expect(await left()).toEqual(NOTHING);
    },
  );

  it('a second signal stops now, and still leaves nothing', async () => {
    const gateway = await startGateway({
      config: { mcpServers: { box: { container: await fixtureImage() } } },
      args: ['--shutdown-timeout', '60s'],
    });
    const left = await trackLeftovers(gateway);
    const client = await rawClient(gateway.url('box'), gateway.authorization);
    const inFlight = client.request('tools/call', { name: 'slow', arguments: { ms: 50_000 } }).catch(() => 'cut off');
    await untilAtWork(client);
    gateway.kill('SIGTERM');
    await gateway.until(({ stderr }) => (stderr.includes('draining') ? true : undefined));
    gateway.kill('SIGTERM');
    await inFlight;
    expect(await gateway.exited).toMatchObject({ status: 1 });
    expect(await left()).toEqual(NOTHING);
  });
});

describe('a signal during the start', () => {
  it('ends the start with status 0 and leaves nothing', async () => {
    const image = await fixtureImage();
    const gateway = await spawnGateway({
      config: { mcpServers: { silent: { container: image, env: { FIXTURE_SILENT: 'true' } } } },
    });
    const left = await trackLeftovers(gateway);
    await gateway.until(({ stderr }) => (stderr.includes('the server is starting') ? true : undefined));
    gateway.kill('SIGTERM');
    expect(await gateway.exited).toMatchObject({ status: 0 });
    expect(gateway.stdout).toBe('');
    expect(await left()).toEqual(NOTHING);
  });
});

describe('rotation of agent ids', () => {
  it('T-AUTH-005 the new id counts after a restart with the new configuration, the old one no longer', async () => {
    await using web = await startHttpFixture();
    const config = (agentId: string) => ({
      mcpServers: { web: { type: 'http', url: web.url } },
      gateway: { agentIds: [agentId] },
    });
    for (const [present, other] of [
      ['rotation-one-0123456789', 'rotation-two-0123456789'],
      ['rotation-two-0123456789', 'rotation-one-0123456789'],
    ] as const) {
      await using gateway = await startGateway({ config: config(present) });
      const status = async (authorization: string) =>
        (await (await rawClient(gateway.url('web'), authorization, { session: false })).request('ping')).status;
      expect(await status(present)).toBe(200);
      expect(await status(other)).toBe(401);
    }
  });
});

describe('a wrong configuration', () => {
  it('starts nothing, prints the payload on stdout and ends with status 1', async () => {
    const gateway = runMain(
      ['serve', '--config-stdin'],
      '{"mcpServers":{"a":{"command":"node"}},"gateway":{"port":70000,"domain":"localhost","agentId":"x"}}',
    );
    expect(await gateway.exited).toMatchObject({ status: 1 });
    expect(JSON.parse(gateway.stdout)).toHaveProperty('error');
    expect(gateway.stdout).toContain('gateway.port');
    expect(gateway.stdout).toContain('mcpServers.a');
  });
});
