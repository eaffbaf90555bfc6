/** The steps of `seed.ts`, inside namespaces of their own. Prints a SeedResult. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startPostgres } from '../../scripts/setup/postgres.ts';
import { newKeyText } from '../../src/store/secrets/key-ring.ts';
import { runMain } from '../../test/rig/gateway-process.ts';
import { startStrictServer } from '../../test/tls/strict-server.ts';
import type { SeedResult } from './seed.ts';

const CERTS = '/tmp/certs';
const DATA = '/tmp/certs/data';
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const STEPS = new URL('../tls/', import.meta.url);

type Env = Readonly<Record<string, string>>;

const rows: [string, string][] = [];

mkdirSync(CERTS, { recursive: true });
execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', CERTS]);
execFileSync('ip', ['link', 'set', 'lo', 'up']);
process.chdir(CERTS);

async function script(name: string, env: Env = {}): Promise<string> {
  const bash = spawn('bash', ['-s'], { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'ignore'] });
  bash.stdin.end(readFileSync(new URL(name, STEPS)));
  let output = '';
  bash.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(bash, 'close');
  return output;
}

/** Steps 1.3 and 1.4 against a gateway with this store; true when both succeed. */
async function prove(title: string, env: Env): Promise<boolean> {
  const user = ['--user', 'admin@example.com', '--role', 'admin'];
  const token = execFileSync(process.execPath, [MAIN, 'token', 'create', ...user], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    // What it says of the new token is for people.
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
  const tls = ['--tls-cert', `${CERTS}/server.crt`, '--tls-key', `${CERTS}/server.key`];
  await using gateway = runMain(['serve', '--listen', '127.0.0.1:8443', ...tls], '', env);
  await gateway.until(({ stderr }) => (stderr.includes('Starting MCPG') ? true : undefined));
  const registered = JSON.parse(await script('net-01-register.sh', { TOKEN: token })) as {
    readonly status?: { readonly state?: string; readonly health?: string };
  };
  const listed = JSON.parse(await script('net-01-call.sh', { TOKEN: token })) as {
    readonly result?: { readonly tools: readonly { readonly name: string }[] };
  };
  const { state = 'NOT REGISTERED', health = '' } = registered.status ?? {};
  const names = listed.result?.tools.map(({ name }) => name) ?? [];
  rows.push([`${title}: step 1.3, the server`, `${state}, ${health}`]);
  rows.push([`${title}: step 1.4, \`tools/list\``, names.length === 0 ? 'FAILED' : names.join(', ')]);
  return health === 'healthy' && names.includes('mtls-test-server___echo');
}

await script('net-01.sh');
await using upstream = await startStrictServer({ cert: 'server.crt', key: 'server.key', ca: 'ca.crt' }, 9000);
const embedded = await prove('embedded store', { MCP_GATEWAY_DATA_DIR: DATA });
rmSync(DATA, { recursive: true });
await using postgres = await startPostgres();
const key = { MCP_GATEWAY_SECRET_KEY: newKeyText() };
const shared = await prove('PostgreSQL', { DATABASE_URL: postgres.url('postgres'), ...key });
const peers = new Set([...upstream.seen.values()].flatMap((counts) => [...counts.keys()]));
rows.push(['client certificates that the server has seen', [...peers].join(', ')]);
const ok = embedded && shared && [...peers].every((peer) => peer.startsWith('Client '));
console.log(JSON.stringify({ ok, rows } satisfies SeedResult));
