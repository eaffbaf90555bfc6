/** The flags and variables of `serve`: precedence, refusals, and what each of them changes. */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Flag, isSwitch, longName, SERVE_FLAGS } from '../../../src/cli/serve/flags.ts';
import { dockerMissing } from '../../rig/docker.ts';
import { runMain } from '../../rig/gateway-process.ts';
import { AGENT_ID, startGateway } from '../../rig/gateway.ts';
import { startHttpFixture } from '../../rig/servers.ts';
import { freePort } from '../../../scripts/setup/free-port.ts';

const UNBUILT: readonly Flag[] = (SERVE_FLAGS as readonly Flag[]).filter(({ needs }) => needs !== undefined);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-flags-'));
});
afterEach(async () => rm(folder, { recursive: true }));

describe('what this version does not have', () => {
  it('is refused when a flag asks for it, naming every flag', async () => {
    const args = UNBUILT.flatMap((flag) =>
      isSwitch(flag) ? [longName(flag)] : [longName(flag), flag.key === 'guardsMode' ? 'strict' : 's3cr3t'],
    );
    const process = runMain(['serve', '--config', 'c.toml', ...args]);
    expect(await process.exited).toMatchObject({ status: 1 });
    expect(process.stdout).toBe('');
    for (const flag of UNBUILT) expect(process.stderr).toContain(`error: ${longName(flag)} needs `);
    expect(process.stderr).not.toContain('s3cr3t');
  });

  it('is refused when a variable asks for it, naming every variable', async () => {
    const byVariable = UNBUILT.flatMap(({ env, key }) =>
      env === undefined ? [] : [[env, key === 'guardsMode' ? 'strict' : 'true'] as const],
    );
    const process = runMain(['serve', '--config', 'c.toml'], '', Object.fromEntries(byVariable));
    expect(await process.exited).toMatchObject({ status: 1 });
    for (const [name] of byVariable) expect(process.stderr).toContain(`error: ${name} (environment variable of --`);
  });

  it('is refused when the file of --env asks for it', async () => {
    await writeFile(join(folder, '.env'), 'OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9\n');
    const process = runMain(['serve', '--config', 'c.toml', '--env', join(folder, '.env')]);
    expect(await process.exited).toMatchObject({ status: 1 });
    expect(process.stderr).toContain(
      'OTEL_EXPORTER_OTLP_ENDPOINT (environment variable of --otlp-endpoint) needs tracing',
    );
  });
});

describe('precedence', () => {
  it('is flag, then file of --env, then environment', async () => {
    const [byFlag, byFile, byEnvironment] = ['flag', 'file', 'environment'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(join(folder, '.env'), `MCP_GATEWAY_LOG_DIR=${byFile}\n`);
    const environment = { MCP_GATEWAY_LOG_DIR: byEnvironment };
    // The configuration is not there: the log says so, in the directory that won.
    const base = ['serve', '--config', join(folder, 'none.toml')];
    await runMain(base, '', environment).exited;
    expect([byFlag, byFile, byEnvironment].map((path) => existsSync(path))).toEqual([false, false, true]);
    await runMain([...base, '--env', join(folder, '.env')], '', environment).exited;
    expect([byFlag, byFile].map((path) => existsSync(path))).toEqual([false, true]);
    await runMain(['serve', '--log-dir', byFlag, '--env', join(folder, '.env'), ...base.slice(1)], '', environment)
      .exited;
    expect(await readFile(join(byFlag, 'mcp-gateway.log'), 'utf8')).toContain('the configuration cannot be read');
  });

  it('reads stdin although a file is given too', async () => {
    const process = runMain(['--config', join(folder, 'none.toml'), '--config-stdin=true'], '{}');
    expect(await process.exited).toMatchObject({ status: 1 });
    expect(JSON.parse(process.stdout).error.data.source).toBe('<stdin>');
  });
});

describe('serving', () => {
  it('listens on 127.0.0.1 and the port of the configuration unless --listen says otherwise', async () => {
    await using fixture = await startHttpFixture();
    const port = await freePort();
    const config = {
      mcpServers: { web: { type: 'http', url: fixture.url } },
      gateway: { port, domain: 'localhost', agentId: AGENT_ID },
    };
    await using process = runMain(['serve', '--config-stdin'], JSON.stringify(config));
    const line = await process.until(({ stderr }) => /Starting MCPG in ROUTED mode on (\S+?)"/.exec(stderr)?.[1]);
    expect(line).toBe(`127.0.0.1:${port}`);
    expect(JSON.parse(process.stdout).mcpServers.web.url).toBe(`http://localhost:${port}/mcp/web`);
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
  });

  it('serves one endpoint with --unified, whatever the configuration says', async () => {
    await using fixture = await startHttpFixture();
    await using gateway = await startGateway({
      config: `[gateway]\nmode = "routed"\n[servers.web]\ntype = "http"\nurl = "${fixture.url}"\n`,
      args: ['--unified', '--sequential-launch', '--startup', 'resilient'],
    });
    expect(gateway.document.mcpServers['web']?.url).toMatch(/\/mcp$/);
    await gateway.until(({ stderr }) => (stderr.includes('Starting MCPG in UNIFIED mode on ') ? true : undefined));
  });

  it('keeps secrets out of every log, also at the most talkative level', async () => {
    await using fixture = await startHttpFixture();
    const secret = 'header-secret-0123456789';
    const logs = join(folder, 'logs');
    await using gateway = await startGateway({
      config: { mcpServers: { web: { type: 'http', url: fixture.url, headers: { 'X-Upstream': secret } } } },
      args: ['-vv', '--log-dir', logs],
      env: { GITHUB_TOKEN: 'environment-secret-0123' },
    });
    const body = {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'echo', arguments: { text: `${secret} ${AGENT_ID} environment-secret-0123` } },
    };
    const headers = {
      Authorization: gateway.authorization,
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
    };
    await (await fetch(gateway.url('web'), { method: 'POST', headers, body: JSON.stringify(body) })).text();
    await gateway.stop();
    expect((await readdir(logs)).sort()).toEqual(['mcp-gateway.log', 'rpc-messages.jsonl', 'web.log']);
    const texts = await Promise.all((await readdir(logs)).map((name) => readFile(join(logs, name), 'utf8')));
    for (const text of [gateway.stderr, ...texts]) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(AGENT_ID);
      expect(text).not.toContain('environment-secret-0123');
      for (const line of text.split('\n')) if (line !== '') expect(JSON.parse(line)).toBeTypeOf('object');
    }
  });

  it('writes for people with --log-format pretty', async () => {
    const process = runMain(['serve', '--config', join(folder, 'none.toml'), '--log-format', 'pretty']);
    await process.exited;
    expect(process.stderr).toMatch(/\[\d\d:\d\d:\d\d\.\d+\] INFO: Reading configuration from /);
  });

  it('refuses a log directory that cannot be written', async () => {
    await writeFile(join(folder, 'file'), '');
    const process = runMain(['serve', '--config', 'c.toml', '--log-dir', join(folder, 'file/logs')]);
    expect(await process.exited).toMatchObject({ status: 1 });
    expect(process.stderr).toContain('error: --log-dir: the directory cannot be written: ');
  });
});

describe('--validate-env', () => {
  const config = JSON.stringify({
    mcpServers: { web: { type: 'http', url: 'http://127.0.0.1:9/mcp' } },
    gateway: { port: 8080, domain: 'localhost', agentId: AGENT_ID },
  });

  it('names what is missing and starts nothing', async () => {
    const process = runMain(['serve', '--config-stdin', '--validate-env'], config, {
      MCP_GATEWAY_PORT: '99999',
      RUNNING_IN_CONTAINER: '0',
    });
    expect(await process.exited).toMatchObject({ status: 1 });
    expect(process.stderr).toContain('environment validation failed: Environment validation failed:\n  - ');
    expect(process.stderr).toContain(
      'Required environment variables not set: MCP_GATEWAY_DOMAIN, MCP_GATEWAY_AGENT_ID',
    );
    expect(process.stderr).toContain('MCP_GATEWAY_PORT must be a number between 1 and 65535');
    expect(process.stdout).toBe('');
  });

  it('says when the container engine does not answer', async () => {
    const env = {
      MCP_GATEWAY_PORT: '8080',
      MCP_GATEWAY_DOMAIN: 'localhost',
      MCP_GATEWAY_AGENT_ID: 'x',
      DOCKER_HOST: 'unix:///nowhere.sock',
      RUNNING_IN_CONTAINER: '0',
    };
    const process = runMain(['serve', '--config-stdin', '--validate-env'], config, env);
    expect(await process.exited).toMatchObject({ status: 1 });
    expect(process.stderr).toContain('the container engine cannot be used: ');
    expect(process.stderr).not.toContain('Required environment variables');
  });

  it.skipIf(dockerMissing())('goes on when everything is there', async () => {
    const env = {
      MCP_GATEWAY_PORT: '8080',
      MCP_GATEWAY_DOMAIN: 'localhost',
      MCP_GATEWAY_API_KEY: 'x',
      RUNNING_IN_CONTAINER: '0',
    };
    const process = runMain(['serve', '--config-stdin', '--validate-env', '--listen', '127.0.0.1:0'], config, env);
    expect(await process.exited).toMatchObject({ status: 1 });
    // It got as far as starting the server, which is not there.
    expect(JSON.parse(process.stdout).error.data.server).toBe('web');
  });
});
