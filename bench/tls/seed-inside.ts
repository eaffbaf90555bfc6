/** The steps of `seed.ts`, inside namespaces of their own. Prints a SeedResult. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { servedSerial } from '../../test/tls/served-certificate.ts';
import { startStrictServer } from '../../test/tls/strict-server.ts';
import { AGENT_ID, startTlsGateway } from '../../test/tls/tls-gateway.ts';
import type { SeedResult } from './seed.ts';

const CERTS = '/tmp/certs';
const ROTATIONS = 20;
const WAIT_MS = 15_000;

mkdirSync(CERTS, { recursive: true });
execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', CERTS]);
execFileSync('ip', ['link', 'set', 'lo', 'up']);
process.chdir(CERTS);

/** From stdin, so that `pgrep -f` finds the name it looks for in no command line but the gateway's. */
async function script(name: string): Promise<string> {
  const env = { ...process.env, TOKEN: AGENT_ID };
  const bash = spawn('bash', ['-s'], { env, stdio: ['pipe', 'pipe', 'ignore'] });
  bash.stdin.end(readFileSync(new URL(name, import.meta.url)));
  let output = '';
  bash.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(bash, 'close');
  return output;
}

function serial(file: string): string {
  return execFileSync('openssl', ['x509', '-in', file, '-noout', '-serial'], { encoding: 'utf8' }).trim().slice(7);
}

await script('net-01.sh');
await using upstream = await startStrictServer({ cert: 'server.crt', key: 'server.key', ca: 'ca.crt' }, 9000);
const registered = {
  type: 'http',
  url: 'https://localhost:9000/sse',
  tls_config: {
    ca_cert: '/tmp/certs/ca.crt',
    client_cert: '/tmp/certs/client.crt',
    client_key: '/tmp/certs/client.key',
  },
};
const listener = { tls: { cert: '/tmp/certs/server.crt', key: '/tmp/certs/server.key' } };
await using gateway = await startTlsGateway({
  ca: 'ca.crt',
  port: 8443,
  config: { mcpServers: { 'mtls-test-server': registered, http: registered }, gateway: listener },
});

type Health = { readonly servers: Readonly<Record<string, { readonly status: string }>> };
const health = (await (await gateway.request('/health')).json()) as Health;
const listed = JSON.parse(await script('net-01-call.sh')) as { result?: { tools: { name: string }[] } };
const called = await gateway.rpc('mtls-test-server', 'tools/call', { name: 'echo', arguments: { text: 'hello' } });
const peers = new Set([...upstream.seen.values()].flatMap((counts) => [...counts.keys()]));
const clientSerial = serial('client.crt');
const allWithCertificate = [...peers].every((peer) => peer === `Client ${clientSerial}`);

const without = { ...registered, tls_config: { ca_cert: '/tmp/certs/ca.crt' } };
const byAddress = { ...registered, url: 'https://127.0.0.1:9000/sse' };
type Status = { readonly servers: readonly { name: string; state: string; reason?: string }[] };
const refusals = await (async (): Promise<Status> => {
  await using other = await startTlsGateway({
    ca: 'ca.crt',
    port: 8444,
    config: { mcpServers: { without, 'by-address': byAddress }, gateway: { ...listener, startup: 'resilient' } },
  });
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    const status = (await (await other.request('/status')).json()) as Status;
    if (Date.now() > deadline || status.servers.every(({ state }) => state === 'tls-error')) return status;
    await sleep(100);
  }
})();
const stateOf = (name: string): string => {
  const found = refusals.servers.find((server) => server.name === name);
  return `\`${found?.state ?? 'unknown'}\`: ${found?.reason ?? 'no reason'}`;
};

let seen = '';
const monitor = spawn('bash', ['-s'], { stdio: ['pipe', 'pipe', 'ignore'] });
monitor.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
monitor.stdin.end(readFileSync(new URL('net-02-monitor.sh', import.meta.url)));
const before = await servedSerial(8443);
let stale = 0;
for (let rotation = 0; rotation < ROTATIONS; rotation++) {
  await script('net-02-rotate.sh');
  const wanted = serial('server.crt');
  const deadline = Date.now() + WAIT_MS;
  while ((await servedSerial(8443)) !== wanted && Date.now() < deadline) await sleep(20);
  if ((await servedSerial(8443)) !== wanted) stale++;
  await sleep(300);
}
await sleep(1_000);
monitor.kill('SIGTERM');
const after = await servedSerial(8443);
const oks = seen.match(/ - OK/g)?.length ?? 0;
const fails = seen.match(/ - FAIL/g)?.length ?? 0;
const codes = new Set(seen.match(/^\d{3}$/gm));
const healthy = Object.values(health.servers).every(({ status }) => status === 'running');
const tools = listed.result?.tools.map(({ name }) => name).join(', ') ?? 'FAILED';
const callWorks = JSON.stringify(called).includes('hello');
const result: SeedResult = {
  ok:
    healthy &&
    callWorks &&
    listed.result !== undefined &&
    allWithCertificate &&
    refusals.servers.every(({ state }) => state === 'tls-error') &&
    fails + stale === 0 &&
    after === serial('server.crt') &&
    after !== before,
  net01: [
    ['health of the server', healthy ? '`running`' : JSON.stringify(health)],
    ['step 1.4, `tools/list` by its curl', tools],
    ['`tools/call`', callWorks ? 'answered' : JSON.stringify(called)],
    [
      'requests at the server, by client certificate',
      [...upstream.seen]
        .map(([path, counts]) => `${path}: ${[...counts].map(([peer, count]) => `${count} × ${peer}`).join(', ')}`)
        .join('; '),
    ],
    ['all with the certificate that was registered', allWithCertificate ? 'yes' : 'NO'],
    ['without the client certificate', stateOf('without')],
    ['by `https://127.0.0.1:9000`', stateOf('by-address')],
  ],
  net02: [
    ['monitor loop: OK / FAIL', `${oks} / ${fails} (HTTP ${[...codes].join(', ')})`],
    ['rotations, not served after 15 s', `${ROTATIONS}, ${stale}`],
    ['serial before', before],
    ['serial at the end, served / on disk', `${after} / ${serial('server.crt')}`],
    ['the process', gateway.pid > 0 && (await gateway.request('/health')).ok ? 'the same, serving' : 'GONE'],
  ],
};
process.stdout.write(JSON.stringify(result));
