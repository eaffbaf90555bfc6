/** What `serve` leaves on stdout and which status it ends with. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runMain } from '../../rig/gateway-process.ts';
import { AGENT_ID, startGateway, type RunningGateway, spawnGateway } from '../../rig/gateway.ts';
import { startHttpFixture } from '../../rig/servers.ts';

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

function config(url: string): { mcpServers: Record<string, unknown> } {
  return { mcpServers: { web: { type: 'http', url } } };
}

/** A call of the tool `slow` that is on its way when this resolves; what becomes of it is of no interest. */
async function callSlowTool(gateway: RunningGateway, seen: () => boolean): Promise<void> {
  const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'slow', arguments: { ms: 60_000 } } };
  const headers = {
    Authorization: gateway.authorization,
    'Content-Type': 'application/json',
    Accept: 'application/json, text/event-stream',
  };
  void fetch(gateway.url('web'), { method: 'POST', headers, body: JSON.stringify(body) })
    .then((response) => response.text())
    .catch(() => undefined);
  while (!seen()) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('a gateway that serves', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'writes one document to stdout, survives SIGHUP, and ends with 0 on %s',
    async (signal) => {
      await using fixture = await startHttpFixture();
      await using gateway = await startGateway({ config: config(fixture.url) });
      gateway.kill('SIGHUP');
      await gateway.until(({ stderr }) => (stderr.includes('"reloaded"') ? true : undefined));
      expect((await fetch(`${gateway.origin}/health`)).status).toBe(200);
      gateway.kill(signal);
      expect(await gateway.exited).toEqual({ status: 0, signal: undefined });
      expect(gateway.stdout).toBe(`${JSON.stringify(gateway.document, undefined, 2)}\n`);
      for (const line of gateway.stderr.split('\n')) if (line !== '') expect(JSON.parse(line)).toBeTypeOf('object');
    },
  );

  it('ends with 0 after /close', async () => {
    await using fixture = await startHttpFixture();
    await using gateway = await startGateway({ config: config(fixture.url) });
    const response = await fetch(`${gateway.origin}/close`, {
      method: 'POST',
      headers: { Authorization: gateway.authorization },
    });
    expect(response.status).toBe(200);
    expect(await gateway.exited).toEqual({ status: 0, signal: undefined });
  });

  it('ends with 1 when requests had to be cut off', async () => {
    await using fixture = await startHttpFixture();
    await using gateway = await startGateway({ config: config(fixture.url), args: ['--shutdown-timeout', '100ms'] });
    await callSlowTool(gateway, () => fixture.state.stats.calls > 0);
    gateway.kill('SIGTERM');
    expect(await gateway.exited).toEqual({ status: 1, signal: undefined });
  });

  it('stops at once on a second signal, with 1', async () => {
    await using fixture = await startHttpFixture();
    await using gateway = await startGateway({ config: config(fixture.url), args: ['--shutdown-timeout', '9m'] });
    await callSlowTool(gateway, () => fixture.state.stats.calls > 0);
    gateway.kill('SIGTERM');
    await gateway.until(({ stderr }) => (stderr.includes('a second signal stops now') ? true : undefined));
    gateway.kill('SIGINT');
    expect(await gateway.exited).toEqual({ status: 1, signal: undefined });
  });

  it('writes out the log and ends with 1 after a fault that nobody caught', async () => {
    await using fixture = await startHttpFixture();
    const fault = `data:text/javascript,process.on("SIGUSR2",()=>{throw new Error("unexpected ${AGENT_ID}")})`;
    await using gateway = await startGateway({
      config: config(fixture.url),
      env: { NODE_OPTIONS: `--import ${encodeURI(fault)}` },
    });
    gateway.kill('SIGUSR2');
    expect(await gateway.exited).toEqual({ status: 1, signal: undefined });
    expect(gateway.logs()).toContainEqual(
      expect.objectContaining({
        level: 'fatal',
        err: expect.objectContaining({ message: 'unexpected [redacted]', stack: expect.any(String) }),
      }),
    );
  });
});

describe('a gateway that does not serve', () => {
  it('writes the errors of the configuration to stdout, text to stderr, and ends with 1', async () => {
    const run = runMain(
      ['serve', '--config-stdin'],
      '{"mcpServers":{},"gateway":{"port":0,"domain":"localhost","agentId":"x"},"bogus":1}',
    );
    expect(await run.exited).toMatchObject({ status: 1 });
    const payload = JSON.parse(run.stdout);
    expect(payload.error.data.errors.map(({ path }: { path: string }) => path).sort()).toEqual([
      'bogus',
      'gateway.port',
    ]);
    expect(run.stdout).toBe(`${JSON.stringify(payload, undefined, 2)}\n`);
    expect(run.stderr).toContain('<stdin>:1:');
  });

  it('writes the servers that did not start to stdout and ends with 1', async () => {
    await using run = await spawnGateway({ config: config('http://127.0.0.1:9/mcp') });
    expect(await run.exited).toMatchObject({ status: 1 });
    expect(JSON.parse(run.stdout)).toMatchObject({
      error: {
        code: -32001,
        data: { servers: [{ server: 'web', imageOrUrl: 'http://127.0.0.1:9/mcp', environment: [], output: [] }] },
      },
    });
    expect(run.stderr).toContain('resilient');
  });

  it('ends with 1 when its port is in use, and writes nothing to stdout', async () => {
    await using fixture = await startHttpFixture();
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await using run = await spawnGateway({ config: config(fixture.url), args: ['--listen', `127.0.0.1:${port}`] });
    expect(await run.exited).toMatchObject({ status: 1 });
    expect(run.stdout).toBe('');
    expect(run.logs().at(-1)).toMatchObject({ level: 'fatal', msg: expect.stringContaining('already in use') });
    // The sentence says what to do; a stack would only stand before it.
    expect(run.logs().at(-1)).not.toHaveProperty('err');
    await new Promise((resolve) => taken.close(resolve));
  });

  it('ends with 0 when it is told to stop while it waits for its configuration', async () => {
    const child = spawn(process.execPath, [MAIN, 'serve', '--config-stdin'], { stdio: ['pipe', 'pipe', 'pipe'] });
    const ended = once(child, 'close');
    let output = '';
    await new Promise<void>((resolve) => {
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        if (output.includes('Reading configuration from stdin...')) resolve();
      });
    });
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });
});
