/** The guide, the example configuration and the error texts say what the program does. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { containerExamples } from '../../src/config/build/server-type.ts';
import { DEFAULT_CPUS, DEFAULT_MEMORY_BYTES, DEFAULT_OPEN_FILES, DEFAULT_PIDS } from '../../src/config/defaults.ts';
import { spell } from '../../src/config/dialect.ts';
import { loadConfig, type LoadResult } from '../../src/config/load.ts';
import { CONTAINER_ONLY_FIELDS } from '../../src/config/schema/server.ts';

const page = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
const guide = await page('docs/guides/containment.md');

function blocks(language: string): string[] {
  return [...guide.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map((match) => match[1] ?? '');
}

const load = (kind: 'toml' | 'json', text: string): Promise<LoadResult> =>
  loadConfig({ source: { kind, name: 'test', text }, env: {} });
const gateway = { port: 8080, domain: 'localhost', agentId: 'x' };

describe('what is written about containment', () => {
  it.each(blocks('toml'))('is a configuration in TOML: %s', async (text) => {
    expect(await load('toml', `[gateway]\nagent_id = "x"\n\n${text}`)).toMatchObject({ ok: true });
  });

  it.each(blocks('json'))('is a server in JSON: %s', async (text) => {
    const server: unknown = JSON.parse(text);
    expect(await load('json', JSON.stringify({ mcpServers: { x: server }, gateway }))).toMatchObject({ ok: true });
  });

  it('has an example of each kind', () => {
    expect(blocks('toml').length * blocks('json').length).toBeGreaterThan(0);
  });

  it('names every field that opens or closes a container, in the guide and on the reference page', async () => {
    const reference = await page('docs/reference/configuration.md');
    for (const field of ['network', 'readOnly', 'user', 'capabilities', 'mounts', 'resources']) {
      expect(CONTAINER_ONLY_FIELDS).toContain(field);
      expect(guide).toContain(`| \`${spell(field, 'toml')}\``);
      expect(reference).toContain(`| \`${spell(field, 'toml')}\` | \`${spell(field, 'json')}\` |`);
    }
  });

  it('shows servers in the error text that are accepted as they stand', async () => {
    const { toml, json } = containerExamples('my server.1', 'docker');
    const name = containerExamples('time', 'docker');
    expect([toml, json].join('')).toContain('my server.1');
    expect(await load('toml', name.toml)).toMatchObject({ ok: true });
    expect(await load('json', JSON.stringify({ ...(JSON.parse(name.json) as object), gateway }))).toMatchObject({
      ok: true,
    });
  });

  it('tells the limits that a container has by default', () => {
    const memory = `${DEFAULT_MEMORY_BYTES / 1024 / 1024}m`;
    const limits = `${memory}, ${DEFAULT_CPUS} core, ${DEFAULT_PIDS} processes, ${DEFAULT_OPEN_FILES} files`;
    expect(guide).toContain(`| \`resources\` | ${limits} |`);
  });

  it('leads to pages that there are', async () => {
    const links = [...guide.matchAll(/\]\(((?:\.\.?\/)[^)#]+)\)/g)].map((match) => match[1] ?? '');
    expect(links.length).toBeGreaterThan(0);
    for (const link of links) expect(await page(`docs/guides/${link}`)).not.toBe('');
  });

  it('speaks of the same commands as the program', async () => {
    const cli = await page('docs/reference/cli.md');
    for (const flag of ['--explain', '--write', '--check']) {
      expect(guide).toContain(flag);
      expect(cli).toContain(`\`${flag}\``);
    }
  });
});
