/** NET-01 as it was reported, in the words of the report: only ports and the folder of the certificates are others, so that tests can run side by side. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ManagedGateway, startManaged } from '../rig/managed-gateway.ts';
import { describeOnBothStores } from '../rig/store.ts';
import { startStrictServer, type StrictServer } from '../tls/strict-server.ts';

const STEPS = new URL('../../bench/tls/', import.meta.url);

type Json = Readonly<Record<string, unknown>>;

let folder: string;
let upstream: StrictServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-seed-'));
  // Step 1.1.
  execFileSync('bash', ['-s'], { cwd: folder, input: step('net-01.sh'), stdio: ['pipe', 'ignore', 'ignore'] });
  // Step 1.2.
  upstream = await startStrictServer({ cert: file('server.crt'), key: file('server.key'), ca: file('ca.crt') });
});
afterAll(async () => {
  await upstream[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const file = (name: string): string => join(folder, name);
const step = (name: string): string => readFileSync(new URL(name, STEPS), 'utf8');

/** Runs the commands of a step; curl's output. */
async function run(name: string, gateway: ManagedGateway): Promise<Json> {
  const port = new URL(gateway.origin).port;
  const commands = step(name)
    .replaceAll('localhost:8443', `localhost:${port}`)
    .replaceAll('https://localhost:9000', upstream.origin)
    .replaceAll('/tmp/certs', folder);
  const bash = spawn('bash', ['-s'], {
    cwd: folder,
    env: { ...process.env, TOKEN: gateway.token },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  let output = '';
  bash.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  bash.stdin.end(commands);
  await once(bash, 'close');
  return JSON.parse(output) as Json;
}

describeOnBothStores('NET-01 word for word', (open) => {
  it('registers the server that insists on a client certificate, and lists and calls its tools', async () => {
    await using store = await open();
    await using gateway = await startManaged({
      store,
      ca: file('ca.crt'),
      args: ['--tls-cert', file('server.crt'), '--tls-key', file('server.key')],
    });
    expect(await run('net-01-register.sh', gateway)).toMatchObject({
      name: 'mtls-test-server',
      tls: { ca: file('ca.crt'), cert: file('client.crt'), key: file('client.key') },
      status: { state: 'active', reachable: true, health: 'healthy', counts: { tools: 2 } },
    });
    expect(await run('net-01-call.sh', gateway)).toMatchObject({
      result: { tools: [{ name: 'mtls-test-server___echo' }, { name: 'mtls-test-server___whoami' }] },
    });
    const params = { name: 'mtls-test-server___echo', arguments: { text: 'hello' } };
    expect(JSON.stringify(await gateway.rpc('/mcp/http', 'tools/call', params))).toContain('hello');
    for (const [path, peers] of upstream.seen)
      for (const peer of peers.keys()) expect(peer, path).toMatch(/^Client [0-9A-F]+$/);
  });

  it('serves it again after a restart, and calls nothing /mcp/http but a server of that name', async () => {
    await using store = await open();
    const args = ['--tls-cert', file('server.crt'), '--tls-key', file('server.key')];
    {
      await using gateway = await startManaged({ store, ca: file('ca.crt'), args });
      await run('net-01-register.sh', gateway);
    }
    await using gateway = await startManaged({ store, ca: file('ca.crt'), args });
    const listed = await run('net-01-call.sh', gateway);
    expect(listed).toMatchObject({ result: { tools: [{ name: 'mtls-test-server___echo' }, {}] } });
    const tls = { ca: file('ca.crt'), cert: file('client.crt'), key: file('client.key') };
    const created = await gateway.call('POST', '/gateways', { name: 'http', url: `${upstream.origin}/mcp`, tls });
    expect(created.status).toBe(201);
    expect(await run('net-01-call.sh', gateway)).toMatchObject({ result: { tools: [{ name: 'echo' }, {}] } });
  });
});
