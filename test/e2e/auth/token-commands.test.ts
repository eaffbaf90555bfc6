/** `gatehouse token`: as an operator uses it, beside a gateway that runs. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runMain, type GatewayProcess } from '../../rig/gateway-process.ts';
import { startHttpFixture, type HttpFixture } from '../../rig/servers.ts';
import { ask, rpc } from './people.ts';

const TOKEN = /gth_[A-Za-z0-9_-]{43}/;
const ISSUER_KEY = generateKeyPairSync('ed25519');

let folder: string;
let dataDir: string;
let fixture: HttpFixture;
let gateway: GatewayProcess;
let origin: string;

async function run(
  ...args: readonly string[]
): Promise<{ readonly status: number | undefined; readonly stdout: string; readonly stderr: string }> {
  const command = runMain(args, '', {});
  const { status } = await command.exited;
  return { status, stdout: command.stdout, stderr: command.stderr };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-test-'));
  dataDir = join(folder, 'data');
  fixture = await startHttpFixture();
  await writeFile(join(folder, 'key.pem'), ISSUER_KEY.privateKey.export({ format: 'pem', type: 'pkcs8' }));
  await writeFile(join(folder, 'key.pub'), ISSUER_KEY.publicKey.export({ format: 'pem', type: 'spki' }));
  await writeFile(
    join(folder, 'config.toml'),
    `[gateway.auth]
resource = "https://gateway.example.com"
[[gateway.auth.issuers]]
issuer = "build"
public_keys = [${JSON.stringify(join(folder, 'key.pub'))}]
roles_claim = "roles"
[[gateway.auth.issuers]]
issuer = "https://login.example.com"
jwks_url = "https://login.example.com/keys"
[servers.one]
type = "http"
url = ${JSON.stringify(fixture.url)}
`,
  );
  gateway = runMain(
    [
      'serve',
      '--config',
      join(folder, 'config.toml'),
      '--data-dir',
      dataDir,
      '--log-dir',
      join(folder, 'logs'),
      '--listen',
      '127.0.0.1:0',
    ],
    '',
    {},
  );
  const port = await gateway.until((process) => {
    const line = process.logs().find(({ msg }) => typeof msg === 'string' && msg.startsWith('Starting MCPG'));
    return typeof line?.['url'] === 'string' && TOKEN.test(process.stderr) ? new URL(line['url']).port : undefined;
  });
  origin = `http://127.0.0.1:${port}`;
});

afterAll(async () => {
  await gateway.stop();
  await fixture[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const statusOf = async (token: string): Promise<number> => (await rpc(`${origin}/mcp/one`, token, 'tools/list')).status;

describe('the first start of a store', () => {
  it('shows a token of an administrator once, past the log', async () => {
    const token = TOKEN.exec(gateway.stderr)?.[0] ?? '';
    expect(await statusOf(token)).toBe(200);
    expect(gateway.stderr.split(token)).toHaveLength(2);
    expect(gateway.stdout).not.toContain(token);
    expect(JSON.stringify(gateway.logs())).not.toContain(token);
    for (const file of await readdir(join(folder, 'logs')))
      expect(await readFile(join(folder, 'logs', file), 'utf8')).not.toContain(token);
    for (const file of await readdir(dataDir))
      expect(await readFile(join(dataDir, file), 'latin1')).not.toContain(token);
  });

  it('is over at the second start', async () => {
    const again = runMain(['serve', '--data-dir', dataDir, '--listen', '127.0.0.1:0'], '', {});
    await again.until((process) =>
      process.logs().find(({ msg }) => typeof msg === 'string' && msg.startsWith('Endpoint')),
    );
    await again.stop();
    expect(again.stderr).not.toMatch(TOKEN);
  });
});

describe('gatehouse token', () => {
  it('makes a token that a running gateway accepts, and ends it', async () => {
    const made = await run('token', 'create', '--data-dir', dataDir, '--user', 'Ann@example.com', '--role', 'viewer');
    expect([made.status, made.stdout.trim()]).toEqual([0, expect.stringMatching(/^gth_/)]);
    const id = /API token ([0-9a-f]{32}) of ann@example.com, until/.exec(made.stderr)?.[1] ?? '';
    expect(await statusOf(made.stdout.trim())).toBe(200);
    const ended = await run('token', 'revoke', id, '--data-dir', dataDir);
    expect([ended.status, ended.stdout]).toEqual([0, `API token ${id} is revoked.\n`]);
    await expect.poll(() => statusOf(made.stdout.trim())).toBe(401);
  });

  it('signs a JWT that a gateway accepts whose configuration trusts the key, and revokes it', async () => {
    const made = await run(
      ...[
        'token',
        'create',
        '--user',
        'ci@example.com',
        '--role',
        'developer',
        '--jwt-key-file',
        join(folder, 'key.pem'),
      ],
      ...[
        '--issuer',
        'build',
        '--audience',
        'https://gateway.example.com',
        '--expires',
        '1h',
        '--permission',
        'tools.read',
      ],
    );
    const token = made.stdout.trim();
    expect(await statusOf(token)).toBe(200);
    const call = await rpc(`${origin}/mcp/one`, token, 'tools/call', { name: 'echo', arguments: {} });
    expect([call.status, call.challenge]).toEqual([
      403,
      'Bearer error="insufficient_scope", scope="tools.call", resource_metadata="https://gateway.example.com/.well-known/oauth-protected-resource/mcp/one"',
    ]);
    const jti = /JWT (\S+) of/.exec(made.stderr)?.[1] ?? '';
    expect((await run('token', 'revoke', jti, '--data-dir', dataDir)).status).toBe(0);
    await expect.poll(() => statusOf(token)).toBe(401);
  });

  it.each([
    [['--user', 'nobody'], '--user must be an email address'],
    [['--user', 'a@b.c', '--permission', 'everything'], "there is no permission 'everything'"],
    [['--user', 'a@b.c', '--address', '10.0.0.0/40'], "'10.0.0.0/40' is no address or range"],
    [['--user', 'a@b.c', '--expires', 'soon'], '--expires must be a duration'],
    [['--user', 'a@b.c', '--issuer', 'x'], '--issuer has a meaning only with --jwt-key-file'],
    [['--user', 'a@b.c', '--jwt-key-file', '/dev/null'], 'a JWT needs --issuer and --audience'],
    [['--user', 'a@b.c', '--jwt-key-file', '/dev/null', '--issuer', 'x', '--audience', 'y'], 'at least 32 bytes'],
  ])('refuses %j', async (args, reason) => {
    const made = await run('token', 'create', '--data-dir', dataDir, ...args);
    expect([made.status, made.stdout]).toEqual([1, '']);
    expect(made.stderr).toContain(reason);
  });
});

describe('where clients get tokens (RFC 9728)', () => {
  const metadata = async (path: string) => {
    const response = await fetch(`${origin}/.well-known/oauth-protected-resource${path}`);
    const body: unknown = await response.json();
    return { status: response.status, body };
  };

  it.each(['', '/mcp', '/mcp/one', '/mcp/there-is-no-such-server', '/servers/some-id/mcp'])(
    'stands at "%s", without a token',
    async (path) => {
      expect(await metadata(path)).toMatchObject({
        status: 200,
        body: {
          resource: `https://gateway.example.com${path}`,
          authorization_servers: ['https://login.example.com'],
          bearer_methods_supported: ['header'],
          scopes_supported: ['tools.read', 'tools.call', 'resources.read', 'prompts.read'],
        },
      });
    },
  );

  it.each(['/status', '/elsewhere', '/../close'])('does not stand at "%s"', async (path) => {
    expect((await metadata(path)).status).toBe(404);
  });

  it('is what a request without a token is told about', async () => {
    const told = await rpc(`${origin}/mcp/one`, undefined, 'tools/list');
    expect([told.status, told.challenge]).toEqual([
      401,
      'Bearer scope="tools.read tools.call resources.read prompts.read", resource_metadata="https://gateway.example.com/.well-known/oauth-protected-resource/mcp/one"',
    ]);
  });

  it.each([
    ['POST', '/mcp', '/mcp'],
    ['GET', '/mcp/one/sse', '/mcp/one/sse'],
    ['POST', '/mcp/one/messages?sessionId=x', '/mcp/one/sse'],
    ['POST', '/servers/some-id/message', '/servers/some-id/sse'],
    ['POST', '/v1/servers/some-id/mcp', '/v1/servers/some-id/mcp'],
    ['GET', '/v1/gateways', ''],
    ['GET', '/servers/some-id', ''],
    ['GET', '/status', ''],
    ['GET', '/mcp/%22, error=%22x', ''],
  ])('of %s %s leads to metadata that there are', async (method, path, endpoint) => {
    const { status, challenge } = await ask(method, `${origin}${path}`, undefined);
    const location = /resource_metadata="([^"]+)"/.exec(challenge ?? '')?.[1] ?? '';
    const prefix = 'https://gateway.example.com/.well-known/oauth-protected-resource';
    expect([status, location]).toEqual([401, `${prefix}${endpoint}`]);
    expect(await metadata(location.slice(prefix.length))).toMatchObject({
      status: 200,
      body: { resource: `https://gateway.example.com${endpoint}` },
    });
  });

  it('cannot be changed by the Host that a client sends', async () => {
    const response = await fetch(`${origin}/.well-known/oauth-protected-resource`, {
      headers: { 'x-forwarded-host': 'evil.example.com', forwarded: 'host=evil.example.com' },
    });
    expect(await response.text()).not.toContain('evil');
  });
});
