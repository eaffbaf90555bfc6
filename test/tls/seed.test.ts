/** What was reported of another gateway, with certificates as in the report: CN=localhost and no SAN. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startStrictServer, type StrictServer } from './strict-server.ts';
import { startTlsGateway } from './tls-gateway.ts';

let folder: string;
let upstream: StrictServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-seed-'));
  const input = readFileSync(new URL('../../bench/tls/net-01.sh', import.meta.url));
  execFileSync('bash', ['-s'], { cwd: folder, input, stdio: ['pipe', 'ignore', 'ignore'] });
  const material = { cert: join(folder, 'server.crt'), key: join(folder, 'server.key'), ca: join(folder, 'ca.crt') };
  upstream = await startStrictServer(material);
});
afterAll(async () => {
  await upstream[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const file = (name: string): string => join(folder, name);
const listener = (): object => ({ tls: { cert: file('server.crt'), key: file('server.key') } });

it('NET-01 a server that insists on a client certificate is healthy and its tools can be called', async () => {
  const tls = { ca_cert: file('ca.crt'), client_cert: file('client.crt'), client_key: file('client.key') };
  await using gateway = await startTlsGateway({
    ca: file('ca.crt'),
    config: {
      mcpServers: { 'mtls-test-server': { type: 'http', url: `${upstream.origin}/sse`, tls_config: tls } },
      gateway: { ...listener() },
    },
  });
  const health = await (await gateway.request('/health')).json();
  expect(health).toMatchObject({ status: 'healthy', servers: { 'mtls-test-server': { status: 'running' } } });
  expect(await gateway.rpc('mtls-test-server', 'tools/list')).toMatchObject({
    result: { tools: [{ name: 'echo' }, {}] },
  });
  const answer = await gateway.rpc('mtls-test-server', 'tools/call', { name: 'echo', arguments: { text: 'hello' } });
  expect(JSON.stringify(answer)).toContain('hello');
  for (const [path, peers] of upstream.seen) {
    for (const peer of peers.keys()) expect(peer, path).toMatch(/^Client [0-9A-F]+$/);
  }
});

it('T-TLS-007 NET-01 without the certificate, or by an address that the certificate does not have, says which and what to do', async () => {
  const tls = { ca_cert: file('ca.crt') };
  const byAddress = upstream.origin.replace('localhost', '127.0.0.1');
  await using gateway = await startTlsGateway({
    ca: file('ca.crt'),
    config: {
      mcpServers: {
        without: { type: 'http', url: `${upstream.origin}/sse`, tls },
        address: { type: 'http', url: `${byAddress}/sse`, tls },
      },
      gateway: { ...listener(), startup: 'resilient' },
    },
  });
  await vi.waitFor(async () => {
    const { servers } = (await (await gateway.request('/status')).json()) as {
      servers: { name: string; state: string; reason: string }[];
    };
    const [without, address] = servers;
    expect(without).toMatchObject({ state: 'tls-error' });
    expect(without?.reason).toMatch(/requires a client certificate/);
    expect(address).toMatchObject({ state: 'tls-error' });
    expect(address?.reason).toMatch(/not made for 127\.0\.0\.1.*localhost.*serverName.*subject alternative name/s);
  }, 20_000);
});

it('NET-02 the process is found by the command of the report', async () => {
  await using gateway = await startTlsGateway({
    ca: file('ca.crt'),
    config: {
      mcpServers: { nobody: { type: 'http', url: 'http://127.0.0.1:9/mcp' } },
      gateway: { ...listener(), startup: 'resilient' },
    },
  });
  const found = execFileSync('pgrep', ['-f', 'mcpgateway'], { encoding: 'utf8' }).split('\n');
  expect(found).toContain(String(gateway.pid));
});
