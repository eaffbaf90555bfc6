/** The corpus of spellings and of whole entries, through the whole of loading, in both dialects. */
import { describe, expect, it } from 'vitest';
import type { ContainerSpec } from '../../src/config/config.ts';
import { ACCEPTED, REFUSED, SHORT } from '../../src/config/container-options.ts';
import { CONTAINERIZATION_URL } from '../../src/config/defaults.ts';
import { loadConfig, type LoadResult } from '../../src/config/load.ts';
import { ACCEPTED_SPELLINGS } from './accepted-spellings.corpus.ts';
import { ACCEPTED_ARGUMENTS, IMAGE } from './container-arguments.corpus.ts';
import { ACCEPTED_ENTRIES, configurationOf, REFUSED_ENTRIES } from './server-entries.corpus.ts';

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
const DIALECTS = ['toml', 'json'] as const;

describe('server entries', () => {
  it('are accepted in more than 150 ways', () => {
    const ways = ACCEPTED_ARGUMENTS.length + ACCEPTED_SPELLINGS.length + ACCEPTED_ENTRIES.length;
    expect(ways).toBeGreaterThan(150);
  });

  it.each([...ACCEPTED.keys()])('are tried with every option that is accepted: %s', (name) => {
    const words = ACCEPTED_SPELLINGS.flatMap(({ args }) => args);
    const letters = [...SHORT].flatMap(([letter, long]) => (long === name ? [letter] : []));
    expect(words.some((word) => word === `--${name}` || word.startsWith(`--${name}=`))).toBe(true);
    for (const letter of letters) expect(words.some((word) => word.startsWith(`-${letter}`))).toBe(true);
  });

  it.each([...REFUSED])(
    'T-ISO-001 are refused with every option that is not, by name and reason: %s',
    async (name, option) => {
      const letters = [...SHORT].flatMap(([letter, long]) => (long === name ? [letter] : []));
      const spellings = [
        ...(option.takesValue
          ? [[`--${name}`, 'x'], [`--${name}=x`]]
          : [[`--${name}`], [`--${name}=true`], [`--${name}=false`]]),
        ...letters.flatMap((letter) =>
          option.takesValue
            ? [[`-${letter}`, 'x'], [`-${letter}x`], [`-i${letter}`, 'x']]
            : [[`-${letter}`], [`-i${letter}`]],
        ),
      ];
      for (const written of spellings) {
        const args = ['run', '--rm', '-i', ...written, IMAGE];
        const result = await load('toml', configurationOf('toml', { command: 'docker', args }));
        expect(containerOf(result)).toContain(option.reason);
        expect(containerOf(result)).toContain(
          written[0]?.startsWith('--') === true ? `--${name}` : `-${letters[0] ?? ''}`,
        );
      }
    },
  );

  it.each(ACCEPTED_SPELLINGS.map((entry) => [entry.what, entry] as const))(
    'T-ISO-001 are understood as a TOML command line, and as options in JSON: %s',
    async (_title, { args, spec }) => {
      const inToml = await load('toml', configurationOf('toml', { command: 'docker', args }));
      expect(containerOf(inToml)).toEqual({ ...DEFAULTS, ...spec });
      const inJson = await load('json', configurationOf('json', { container: IMAGE, args: args.slice(1, -1) }));
      expect(containerOf(inJson)).toEqual({ ...DEFAULTS, ...spec });
    },
  );

  describe.each(DIALECTS)('in %s', (dialect) => {
    it.each(ACCEPTED_ENTRIES.map((entry) => [entry.what, entry] as const))(
      'are accepted: %s',
      async (_title, { fields, spec }) => {
        expect(containerOf(await load(dialect, configurationOf(dialect, fields)))).toEqual({ ...DEFAULTS, ...spec });
      },
    );

    it.each(
      REFUSED_ENTRIES.filter(({ dialects }) => dialects.includes(dialect)).map((entry) => [entry.why, entry] as const),
    )('T-CFG-008 are refused at the entry itself: %s', async (_title, { fields, says }) => {
      const result = await load(dialect, configurationOf(dialect, fields));
      const errors = result.ok ? [] : result.errors;
      expect(errors).not.toEqual([]);
      expect(errors.map(({ path, message }) => `${path}: ${message}`).join('\n')).toContain(says);
      if (typeof fields['command'] === 'string') {
        // Whoever wrote it learns what was found, which rule forbids it, and how it is written in either dialect.
        const text = errors.map(({ message, suggestion }) => `${message}\n${suggestion}`).join('\n');
        expect(text).toContain('Section 3.2.1 (Containerization Requirement)');
        expect(text).toContain(CONTAINERIZATION_URL);
        expect(text).toContain('args = ["run", "--rm", "-i"');
        expect(text).toContain('{"container": ');
      }
      const root = dialect === 'toml' ? 'servers.x' : 'mcpServers.x';
      for (const { path, suggestion } of errors) {
        expect(path.startsWith(root)).toBe(true);
        expect(suggestion).not.toBe('');
      }
    });
  });
});

function load(kind: 'toml' | 'json', text: string): Promise<LoadResult> {
  return loadConfig({
    source: { kind, name: 'test', text },
    fetchSchema: (url) => Promise.reject(new Error(`nothing is fetched here: ${url.href}`)),
    env: { MCP_GATEWAY_ALLOWED_MOUNT_ROOTS: '/srv/gatehouse/ro:ro,/srv/gatehouse/rw:rw', FROM_GATEWAY: 'g' },
  });
}

function containerOf(result: LoadResult): ContainerSpec | string {
  if (!result.ok) return result.errors.map(({ path, message }) => `${path}: ${message}`).join('\n');
  const server = result.config.servers[0];
  return server?.kind === 'container' ? server.container : 'no container';
}
