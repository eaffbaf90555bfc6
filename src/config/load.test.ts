import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { stringify } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import type { Config } from './config.ts';
import { loadConfig, type LoadInput, type LoadResult } from './load.ts';

const TOML = '[gateway]\nagent_id = "x"\n\n[servers.time]\ncontainer = "mcp/time"\n';

function toml(text: string, rest: Partial<LoadInput> = {}): Promise<LoadResult> {
  return loadConfig({ source: { kind: 'toml', name: 'config.toml', text }, env: {}, ...rest });
}

function json(value: unknown, rest: Partial<LoadInput> = {}): Promise<LoadResult> {
  return loadConfig({ source: { kind: 'json', name: '<stdin>', text: JSON.stringify(value) }, env: {}, ...rest });
}

/** The servers without the name of the file that describes them. */
function described({ servers }: Config): unknown {
  return servers.map(({ registration: { origin: _file, ...registration }, ...server }) => ({
    ...server,
    registration,
  }));
}

const GATEWAY = { port: 8080, domain: 'localhost', agentId: 'x' };

describe('loadConfig', () => {
  it('accepts the example that comes with the program', async () => {
    const text = await readFile(join(import.meta.dirname, '../../config.example.toml'), 'utf8');
    const result = await toml(text, { directories: { working: '/srv', temporary: '/tmp', home: '/srv/home' } });
    expect(result.ok ? [] : result.errors).toEqual([]);
    expect(result.ok && result.config.servers.map(({ name }) => name)).toEqual(['time', 'filesystem', 'search']);
  });

  it('accepts every commented line of the example too', async () => {
    const text = await readFile(join(import.meta.dirname, '../../config.example.toml'), 'utf8');
    // A line of code behind a comment starts with a name and an equals sign, or with a table.
    const uncommented = text.replaceAll(/^# (?=[a-z_]+ = |\[servers)/gm, '').replace(/^agent_ids = .*$/m, '');
    const env = { MCP_GATEWAY_AGENT_ID: 'x', GITHUB_TOKEN: 'y', SEARCH_TOKEN: 'z' };
    const result = await toml(uncommented, {
      env,
      directories: { working: '/srv', temporary: '/tmp', home: '/srv/home' },
    });
    expect(result.ok ? [] : result.errors).toEqual([]);
    expect(result.ok && result.config.servers.map(({ name }) => name)).toContain('github');
  });

  it('shows examples in the refusal of a host command that are themselves accepted', async () => {
    const refused = await toml('[servers."my.files"]\ncommand = "node"');
    const { suggestion } = (refused.ok ? undefined : refused.errors[0]) ?? { suggestion: '' };
    const [, tomlExample = '', jsonExample = ''] = /In TOML: (.*)\. In JSON: (.*)\.$/.exec(suggestion) ?? [];
    const fromToml = await toml(tomlExample);
    const fromJson = await json({ ...(JSON.parse(jsonExample) as object), gateway: GATEWAY });
    expect(fromToml.ok && fromToml.config.servers).toMatchObject([{ kind: 'container', name: 'my.files' }]);
    expect(fromToml.ok && described(fromToml.config)).toEqual(fromJson.ok && described(fromJson.config));
  });

  it('makes a new id of 64 hexadecimal digits for each start of a TOML configuration without one', async () => {
    const text = '[servers.time]\ncontainer = "mcp/time"';
    const results = await Promise.all([toml(text), toml(text)]);
    const ids = results.map((result) => (result.ok ? result.config.gateway.agentIds.join() : 'refused'));
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(ids[0]).not.toBe(ids[1]);
  });

  it('lets flags go before the text', async () => {
    const overrides = {
      host: '0.0.0.0',
      port: 0,
      mode: 'routed',
      startup: 'resilient',
      payloadDir: '/payloads',
      shutdownTimeoutMs: 1,
      sequentialLaunch: true,
      payloadPathPrefix: undefined,
    } as const;
    const result = await toml(TOML.replace('[gateway]', '[gateway]\nport = 9\npayload_path_prefix = "/p"'), {
      overrides,
    });
    expect(result.ok && result.config.gateway).toMatchObject({ ...overrides, payloadPathPrefix: '/p' });
  });

  it('holds flags to the same rules', async () => {
    const result = await toml(TOML, {
      overrides: { port: 70_000, payloadDir: 'relative', payloadSizeThreshold: 0, shutdownTimeoutMs: 0 },
    });
    expect(result.ok ? [] : result.errors.map(({ path }) => path)).toEqual([
      '--listen',
      '--shutdown-timeout',
      '--payload-dir',
      '--payload-size-threshold',
    ]);
  });

  it('reads the same servers from both dialects', async () => {
    const fromToml = await toml(
      `${TOML}entrypoint_args = ["a"]\ntool_timeout = 20\nread_only = true\nresources.open_files = 64\nenv.A = "b"\n`,
    );
    const fromJson = await json({
      mcpServers: {
        time: {
          container: 'mcp/time',
          entrypointArgs: ['a'],
          toolTimeout: 20,
          readOnly: true,
          resources: { openFiles: 64 },
          env: { A: 'b' },
        },
      },
      gateway: GATEWAY,
    });
    expect(fromToml.ok && described(fromToml.config)).toEqual(
      fromJson.ok ? described(fromJson.config) : fromJson.errors,
    );
  });

  it('T-CFG-014 fetches the schema of a type once for each load, however many servers use it', async () => {
    const fetched: string[] = [];
    const fetchSchema = (url: URL): Promise<string> => {
      fetched.push(url.href);
      return Promise.resolve(
        url.pathname === '/shared.json'
          ? '{"type":"string"}'
          : '{"properties":{"note":{"$ref":"https://schemas.example/shared.json"}}}',
      );
    };
    const server = { type: 'mine', container: 'mcp/time', note: 'hello' };
    const input = {
      mcpServers: { a: server, b: server, c: { ...server, type: 'other' } },
      gateway: GATEWAY,
      customSchemas: {
        mine: 'https://schemas.example/mine.json',
        other: 'https://schemas.example/mine.json',
        unused: 'https://schemas.example/unused.json',
      },
    };
    expect(await json(input, { fetchSchema })).toMatchObject({ ok: true });
    expect(fetched).toEqual(['https://schemas.example/mine.json', 'https://schemas.example/shared.json']);
    await json(input, { fetchSchema });
    expect(fetched).toHaveLength(4);
  });

  it('T-CFG-014 reports a schema that cannot be fetched once, at the place of its address', async () => {
    const server = { type: 'mine', container: 'mcp/time' };
    const result = await json(
      {
        mcpServers: { a: server, b: server },
        gateway: GATEWAY,
        customSchemas: { mine: 'https://schemas.example/x.json' },
      },
      { fetchSchema: () => Promise.reject(new Error('no route')) },
    );
    expect(result.ok ? [] : result.errors).toMatchObject([
      { path: 'customSchemas.mine', message: "the schema of type 'mine' cannot be used: no route" },
    ]);
  });

  it('bounds the documents that one schema may draw in', async () => {
    let count = 0;
    const fetchSchema = (): Promise<string> => {
      count += 1;
      return Promise.resolve(`{"properties":{"note":{"$ref":"https://schemas.example/${count}.json"}}}`);
    };
    const result = await json(
      {
        mcpServers: { a: { type: 'mine', container: 'mcp/time' } },
        gateway: GATEWAY,
        customSchemas: { mine: 'https://schemas.example/0.json' },
      },
      { fetchSchema },
    );
    expect(result.ok ? [] : result.errors[0]?.message).toContain('more than 10');
    expect(count).toBeLessThan(13);
  });

  it('does not follow a schema to an address without TLS', async () => {
    const fetched: string[] = [];
    const fetchSchema = (url: URL): Promise<string> => {
      fetched.push(url.href);
      return Promise.resolve('{"$ref":"http://schemas.example/plain.json"}');
    };
    const result = await json(
      {
        mcpServers: { a: { type: 'mine', container: 'mcp/time' } },
        gateway: GATEWAY,
        customSchemas: { mine: 'https://schemas.example/0.json' },
      },
      { fetchSchema },
    );
    expect(result.ok ? [] : result.errors[0]?.message).toContain('does not use HTTPS');
    expect(fetched).toEqual(['https://schemas.example/0.json']);
  });

  it('reads a text that starts with a byte order mark', async () => {
    expect(await toml(`\uFEFF${TOML}`)).toMatchObject({ ok: true });
  });

  it('reports a text nested without end instead of failing itself', async () => {
    const deep = '['.repeat(200_000);
    const result = await loadConfig({
      source: { kind: 'json', name: '<stdin>', text: `${deep}${']'.repeat(200_000)}` },
      env: {},
    });
    expect(result).toMatchObject({ ok: false, errors: [{ message: 'the document is nested too deeply' }] });
    expect(await toml(`a = ${deep}`)).toMatchObject({ ok: false });
    for (const depth of [65, 1000, 5000]) {
      const text = `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
      const source = { kind: 'json', name: '<stdin>', text } as const;
      expect(await loadConfig({ source, env: {} })).toMatchObject({
        errors: [{ message: 'the document is nested too deeply' }],
      });
      expect(await toml(`${'a.'.repeat(depth)}a = 1`)).toMatchObject({
        errors: [{ message: 'the document is nested too deeply' }],
      });
    }
  });

  it('lets nothing out but containers and http servers, and from a command only a container', async () => {
    const types = fc.constantFrom<unknown>(
      undefined,
      undefined,
      undefined,
      'http',
      'http',
      'stdio',
      ' STDIO ',
      'local',
      'http',
      'HTTP',
      'Http ',
      'mine',
      'MINE',
      'other',
      '',
      null,
      1,
      ['stdio'],
      { a: 1 },
      '\u0455tdio',
      'http\0',
      'http\u00a0',
      'mine\u212a',
      'stdio,http',
      '${TYPE}',
    );
    const commands = fc.constantFrom<unknown>(
      undefined,
      'docker',
      'node',
      '/usr/bin/docker',
      'Docker',
      'docker ',
      'podman',
      '',
      null,
      ['docker'],
      '${COMMAND}',
      'sh -c docker',
    );
    const args = fc.constantFrom<unknown>(
      undefined,
      ['run', '--rm', '-i', 'mcp/time'],
      ['run', '--rm', '-i', '--privileged', 'mcp/time'],
      ['server.js'],
      [],
      'run',
      ['--network', 'none'],
    );
    const containers = fc.constantFrom<unknown>(undefined, 'mcp/time', 'node server.js', '--privileged', '', null, [
      'mcp/time',
    ]);
    const urls = fc.constantFrom<unknown>(undefined, 'https://e.example/mcp', 'file:///etc/passwd', '');
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('json', 'toml'),
        fc.option(types, { nil: undefined, freq: 2 }),
        fc.option(commands, { nil: undefined, freq: 2 }),
        fc.option(args, { nil: undefined, freq: 2 }),
        fc.option(containers, { nil: undefined, freq: 2 }),
        fc.option(urls, { nil: undefined, freq: 2 }),
        async (kind, type, command, list, container, url) => {
          const server = Object.fromEntries(
            Object.entries({ type, command, args: list, container, url }).filter(
              ([, value]) => value !== undefined && (kind === 'json' || value !== null),
            ),
          );
          const document =
            kind === 'json'
              ? { mcpServers: { x: server }, gateway: GATEWAY, customSchemas: { mine: '' } }
              : { servers: { x: server }, custom_schemas: { mine: '' } };
          const text = kind === 'json' ? JSON.stringify(document) : stringify(document);
          const result = await loadConfig({
            source: { kind, name: 'x', text },
            env: { TYPE: 'http', COMMAND: 'node' },
          });
          if (!result.ok) return;
          accepted += 1;
          const [out] = result.config.servers;
          if ('command' in server) expect([kind, command, out?.kind]).toEqual(['toml', 'docker', 'container']);
          if (out?.kind === 'container')
            expect(out.container).toMatchObject({ image: 'mcp/time', args: [], capabilities: [], mounts: [] });
          else expect(out).toMatchObject({ kind: 'http', url: 'https://e.example/mcp' });
          expect(['command', 'container', 'url'].filter((field) => field in server)).toHaveLength(1);
        },
      ),
      { numRuns: 1500 },
    );
    expect(accepted).toBeGreaterThan(10);
  });
});
