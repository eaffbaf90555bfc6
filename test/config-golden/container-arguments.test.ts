/** The corpus of argument lists, through the whole of loading, in both dialects. */
import { describe, expect, it } from 'vitest';
import type { ContainerSpec } from '../../src/config/config.ts';
import { loadConfig, type LoadResult } from '../../src/config/load.ts';
import { ACCEPTED_ARGUMENTS, IMAGE, REFUSED_ARGUMENTS } from './container-arguments.corpus.ts';

const DEFAULTS: ContainerSpec = {
  image: IMAGE,
  entrypoint: undefined,
  args: [],
  env: {},
  mounts: [],
  network: 'isolated',
  workdir: undefined,
  user: undefined,
  readOnly: false,
  capabilities: [],
  resources: { memory: 512 * 1024 * 1024, cpus: 1, pids: 256, openFiles: 4096 },
};

describe('container arguments', () => {
  it('are tried in more than 150 ways', () => {
    expect(REFUSED_ARGUMENTS.length + ACCEPTED_ARGUMENTS.length).toBeGreaterThan(150);
  });

  describe('are refused as a TOML command line', () => {
    it.each(REFUSED_ARGUMENTS.map((entry) => [JSON.stringify(entry.args), entry] as const))(
      '%s',
      async (_title, { args, says }) => {
        const result = await loadToml(args);
        expect(messages(result)).toContain(says);
        for (const error of result.ok ? [] : result.errors) {
          expect(error.path).toMatch(/^servers\.x\.args(?:\[\d+\])?$/);
          expect(error.line).toBe(6);
          expect(error.suggestion).not.toBe('');
        }
      },
    );
  });

  const optionLists = REFUSED_ARGUMENTS.filter(
    ({ args }) => args.slice(0, 3).join(' ') === 'run --rm -i' && args.at(-1) === IMAGE && args.length > 4,
  );
  describe('are refused as options in JSON', () => {
    it.each(optionLists.map((entry) => [JSON.stringify(entry.args.slice(3, -1)), entry] as const))(
      '%s',
      async (_title, { args, says }) => {
        const result = await loadJson(args.slice(3, -1));
        // Before an image that follows in another field, a misplaced word is no image but simply not an option.
        expect(messages(result)).toMatch(new RegExp(`${RegExp.escape(says)}|is not an option`));
      },
    );
  });

  describe('are accepted', () => {
    it.each(ACCEPTED_ARGUMENTS.map((entry) => [entry.what, entry] as const))('%s', async (_title, { args, spec }) => {
      expect(containerOf(await loadToml(args))).toEqual({ ...DEFAULTS, ...spec });
    });
  });
});

async function loadToml(args: readonly string[]): Promise<LoadResult> {
  const text = `[gateway]\nagent_id = "x"\n\n[servers.x]\ncommand = "docker"\nargs = ${JSON.stringify(args)}\n`;
  return load('toml', text);
}

async function loadJson(args: readonly string[]): Promise<LoadResult> {
  const gateway = { port: 8080, domain: 'localhost', agentId: 'x' };
  return load('json', JSON.stringify({ mcpServers: { x: { container: IMAGE, args } }, gateway }));
}

function load(kind: 'toml' | 'json', text: string): Promise<LoadResult> {
  return loadConfig({
    source: { kind, name: 'test', text },
    fetchSchema: (url) => Promise.reject(new Error(`nothing is fetched here: ${url.href}`)),
    env: { MCP_GATEWAY_ALLOWED_MOUNT_ROOTS: '/srv/gatehouse/ro:ro,/srv/gatehouse/rw:rw', FROM_GATEWAY: 'g' },
  });
}

function messages(result: LoadResult): string {
  return result.ok ? 'accepted' : result.errors.map(({ message }) => message).join('\n');
}

function containerOf(result: LoadResult): ContainerSpec | string {
  const server = result.ok ? result.config.servers[0] : undefined;
  return server?.kind === 'container' ? server.container : messages(result);
}
