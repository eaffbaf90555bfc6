/** The commands beside `serve`: help, validate, schema, version, and the launcher. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runMain } from '../../rig/gateway-process.ts';

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const LAUNCHER = fileURLToPath(new URL('../../../bin/gatehouse.js', import.meta.url));
const VALID =
  '{"mcpServers":{"web":{"type":"http","url":"http://127.0.0.1:9/mcp"}},"gateway":{"port":8080,"domain":"localhost","agentId":"${ID}"}}';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-cli-'));
});
afterAll(async () => rm(folder, { recursive: true }));

interface Outcome {
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], input = '', env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const process = runMain(args, input, env);
  const { status } = await process.exited;
  return { status, stdout: process.stdout, stderr: process.stderr };
}

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

describe('help and mistakes', () => {
  it.each([['serve'], ['validate'], ['schema'], ['version']])(
    '%s --help shows examples and the exit status',
    async (command) => {
      const { status, stdout, stderr } = await run([command, '--help']);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toContain(`Usage: gatehouse ${command}`);
      expect(stdout).toContain(`Examples:\n  gatehouse ${command}`);
      expect(stdout).toContain('Exit status:\n  0  done');
    },
  );

  it('says without any arguments what it is, and starts nothing', async () => {
    const { status, stdout, stderr } = await run([]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('Usage: gatehouse [options] [command]');
  });

  it.each([
    [['server'], "error: unknown command or argument 'server'"],
    [['serve', '--listne', ':1'], '(Did you mean --listen?)'],
    [['serve', '--config'], "option '-c, --config <file>' argument missing"],
    [['serve', '--config-stdin=perhaps'], "invalid --config-stdin: 'perhaps' is neither true nor false"],
    [['validate'], "missing required argument 'file'"],
    [['schema', '--dialect', 'yaml'], 'Allowed choices are json, toml'],
  ])('%j fails with a message on stderr and nothing on stdout', async (args, message) => {
    const { status, stdout, stderr } = await run(args);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/See 'gatehouse( \w+)? --help' for usage\.\n$/);
  });
});

describe('validate', () => {
  it('says that a configuration is valid, whichever way it comes', async () => {
    const path = await file('good.json', VALID);
    const env = { ID: 'an-agent-id' };
    const summary = 'valid, 1 server (0 in containers, 1 over HTTP), both modes, port 8080\n';
    expect(await run(['validate', path], '', env)).toEqual({ status: 0, stdout: `${path}: ${summary}`, stderr: '' });
    expect(await run(['validate', '-'], VALID, env)).toEqual({ status: 0, stdout: `<stdin>: ${summary}`, stderr: '' });
    expect(await run(['validate', '--env', await file('.env', 'ID=an-agent-id'), path])).toMatchObject({ status: 0 });
    expect(JSON.parse((await run(['validate', '--json', path], '', env)).stdout)).toEqual({
      valid: true,
      warnings: [],
    });
  });

  it('shows warnings and stays valid', async () => {
    const path = await file('warning.toml', '[servers.web]\ntype = "http"\nurl = "http://127.0.0.1:9/mcp"\n');
    const { status, stdout } = await run(['validate', path]);
    expect(status).toBe(0);
    expect(stdout).toContain('warning at gateway.agent_id');
    expect(stdout).toContain(`${path}: valid`);
  });

  it('reports every error with place, path, message and suggestion', async () => {
    const text = '[gateway]\nport = 99999\n[servers.web]\ntype = "http"\nurl = "ftp://x"\nbogus = 1\n';
    const path = await file('bad.toml', text);
    const { status, stdout } = await run(['validate', path]);
    expect(status).toBe(1);
    expect(stdout).toContain(`${path}:2:8: error at gateway.port\n    `);
    expect(stdout).toContain(`${path}:5:7: error at servers.web.url\n    `);
    expect(stdout).toContain(`${path}:6:1: error at servers.web.bogus\n    `);
    expect(stdout.match(/\n {4}→ ./g)?.length).toBeGreaterThanOrEqual(3);
    const payload = JSON.parse((await run(['validate', '--json', path])).stdout);
    expect(payload).toMatchObject({ valid: false, error: { code: -32602, data: { source: path } } });
    expect(payload.error.data.errors).toContainEqual(
      expect.objectContaining({ path: 'gateway.port', line: 2, column: 8 }),
    );
  });

  it('fails for a file that is not there', async () => {
    const { status, stdout } = await run(['validate', join(folder, 'none.toml')]);
    expect(status).toBe(1);
    expect(stdout).toContain('the configuration cannot be read: ENOENT');
  });
});

describe('schema and version', () => {
  it('print JSON documents', async () => {
    const json = JSON.parse((await run(['schema'])).stdout);
    expect(json.properties).toHaveProperty('mcpServers');
    const toml = JSON.parse((await run(['schema', '--dialect', 'toml'])).stdout);
    expect(toml.properties).toHaveProperty('servers');
    const version = JSON.parse((await run(['version', '--json'])).stdout);
    expect(version).toMatchObject({
      name: 'gatehouse',
      specVersion: '1.17.0',
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
    expect((await run(['version'])).stdout).toContain(`gatehouse ${version.version}`);
    expect((await run(['--version'])).stdout).toBe(`${version.version}\n`);
  });
});

it('ends quietly when nobody reads its output any more', async () => {
  const child = spawn(process.execPath, [MAIN, 'schema'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(stderr).toBe('');
});

describe('the launcher', () => {
  function launch(path: string, args: readonly string[], nodeArgs: readonly string[] = []): Promise<Outcome> {
    return new Promise((resolve) => {
      execFile(process.execPath, [...nodeArgs, path, ...args], (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  }
  const PRETEND_OLD = [
    '--import',
    'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.1.0"}})',
  ];

  it('runs the sources of a checkout', async () => {
    expect(await launch(LAUNCHER, ['version'])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('gatehouse'),
    });
  });

  it('runs what was built where there are no sources', async () => {
    await mkdir(join(folder, 'package/bin'), { recursive: true });
    await mkdir(join(folder, 'package/dist'));
    await writeFile(join(folder, 'package/package.json'), '{"type":"module"}');
    await writeFile(join(folder, 'package/dist/main.js'), 'process.stdout.write(`built ${process.argv[2]}`);');
    const copy = join(folder, 'package/bin/gatehouse.js');
    await copyFile(LAUNCHER, copy);
    expect(await launch(copy, ['version'])).toEqual({ status: 0, stdout: 'built version', stderr: '' });
  });

  it.each([LAUNCHER, MAIN])('%s refuses an old Node with a sentence that says what to do', async (path) => {
    const { status, stdout, stderr } = await launch(path, ['version'], PRETEND_OLD);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(
      /^gatehouse needs Node 24 or newer, this is v\S+\. Install a current one from https:\/\/nodejs\.org\/ and try again\.\n$/,
    );
  });
});
