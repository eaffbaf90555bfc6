/** The documentation is true where a program can tell: links, anchors, commands, flags, variables, metrics, and what the lists list. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { commandsOf, createProgram, fullName } from '../../src/cli/program.ts';
import { loadConfig } from '../../src/config/load.ts';
import { ERRORS } from '../../src/shared/errors.ts';
import { METRICS } from '../../src/telemetry/metric-table.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FILES = filesOfGit();
const PAGES = FILES.filter((path) => path.endsWith('.md'));
/** What a reader is told to do. Decisions and the changelog tell what was. */
const INSTRUCTIONS = PAGES.filter((path) => !path.startsWith('docs/decisions/') && path !== 'CHANGELOG.md');

/** What a part of a configuration leaves to the rest of it. */
const LEFT_OUT =
  /is required for stdio servers|which is no server|there is no certificate|has no value: it stands neither/;

describe('the documentation', () => {
  it('has no dead links and no dead anchors', () => {
    expect(PAGES.flatMap((page) => linksOf(page).flatMap((link) => faultOf(page, link)))).toEqual([]);
  });

  it('names only commands and flags of gatehouse that exist', () => {
    expect(INSTRUCTIONS.flatMap((page) => commandsIn(page).flatMap((line) => faultsOfCommand(page, line)))).toEqual([]);
  });

  it('names only scripts of npm and programs of the repository that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> };
    const faults = INSTRUCTIONS.flatMap((page) => {
      const text = read(page);
      const unknown = [...text.matchAll(/npm run (?:-s )?([\w-]+(?::[\w-]+)*)/g)].filter(
        ([, name = '']) => !(name in scripts),
      );
      const missing = [...text.matchAll(/\bnode ((?:scripts|bench|test|examples)\/[\w./-]+)/g)].filter(
        ([, path = '']) => !existsSync(join(ROOT, path)),
      );
      return [...unknown, ...missing].map(([all]) => `${page}: ${all}`);
    });
    expect(faults).toEqual([]);
  });

  it('names only environment variables and metrics that the sources know', () => {
    const sources = FILES.filter((path) => /^(?:src|test|bench)\/.*\.ts$/.test(path))
      .map(read)
      .join('\n');
    const metrics = new Set(
      Object.keys(METRICS).flatMap((name) => [name, `${name}_bucket`, `${name}_count`, `${name}_sum`]),
    );
    const faults = INSTRUCTIONS.flatMap((page) => {
      // That page also names what other gateways know and this one does not.
      if (page.includes('migrate-from')) return [];
      const variables = [...read(page).matchAll(/\bMCP_GATEWAY_[A-Z_]*[A-Z]\b/g)].map(([name]) => name);
      const series = [
        ...read(page).matchAll(
          /\bgatehouse_[a-z_]*(?:total|seconds|info|up|state|servers|sessions|in_flight|conversations|bucket|count|sum)\b/g,
        ),
      ].map(([name]) => name);
      return [
        ...variables.filter((name) => !sources.includes(name)),
        ...series.filter((name) => !metrics.has(name)),
      ].map((name) => `${page}: ${name}`);
    });
    expect(faults).toEqual([]);
  });

  it('deploys with flags that exist and a configuration that is valid', async () => {
    const serve = commandsOf(createProgram({}, () => undefined)).find((command) => command.name() === 'serve');
    const known = new Set(serve?.options.map(({ long }) => long));
    const lines = FILES.filter((path) => path.startsWith('deploy/')).flatMap((path) =>
      read(path)
        .split('\n')
        .filter((line) => /^(?:CMD .*serve|ExecStart=| +\['serve')/.test(line)),
    );
    expect(lines).toHaveLength(3);
    const flags = lines.flatMap((line) => [...line.matchAll(/--[a-z-]+/g)].map(([flag]) => flag));
    expect(flags.filter((flag) => !known.has(flag))).toEqual([]);

    const [, block = ''] = /config\.toml: \|\n((?: {4}.*\n|\n)+)/.exec(read('deploy/kubernetes.yaml')) ?? [];
    const text = block.replaceAll(/^ {4}/gm, '');
    const result = await loadConfig({
      source: { kind: 'toml', text, name: 'config.toml' },
      env: { MCP_GATEWAY_AGENT_ID: 'an-id' },
    });
    expect(result).toMatchObject({ ok: true });
  });

  it('shows only configurations that are valid', async () => {
    const shown = INSTRUCTIONS.filter((page) => !page.startsWith('docs/reference/')).flatMap(configurationsIn);
    expect(shown.length).toBeGreaterThan(15);
    const faults = await Promise.all(
      shown.map(async ({ page, kind, text }) => {
        const result = await loadConfig({
          source: { kind, text, name: page },
          // Whatever variable a page speaks of.
          env: Object.fromEntries([...text.matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => [name, 'a-value'])),
          fetchSchema: () => Promise.resolve('{}'),
          hasStore: true,
        });
        return result.ok
          ? []
          : result.errors
              .filter(({ message }) => !LEFT_OUT.test(message))
              .map(({ message }) => `${page}: ${message}\n${text}`);
      }),
    );
    expect(faults.flat()).toEqual([]);
  });

  it('says what to do for each error that is not the fault of the client', () => {
    const text = read('docs/guides/troubleshooting.md');
    const codes = Object.entries(ERRORS).filter(([, { source }]) => source !== 'client');
    expect(codes.map(([code]) => code).filter((code) => !text.includes(`\`${code}\``))).toEqual([]);
  });

  it('shows every room and every folder of the repository in the plan of the house', () => {
    const plan = read('ARCHITECTURE.md');
    const folders = FILES.flatMap((path) => [/^(?:src\/)?([\w-]+)\//.exec(path)?.[1] ?? []].flat());
    expect([...new Set(folders)].filter((name) => !plan.includes(`${name}/`))).toEqual([]);
  });

  it('has every guide, page of the reference and decision in a list', () => {
    const lists = [
      { folder: 'docs/guides/', list: 'docs/README.md' },
      { folder: 'docs/reference/', list: 'docs/README.md' },
      { folder: 'docs/decisions/', list: 'docs/decisions/README.md' },
    ];
    const missing = lists.flatMap(({ folder, list }) => {
      const linked = new Set(linksOf(list).map((link) => target(list, link).path));
      return PAGES.filter((page) => page.startsWith(folder) && page !== list && !linked.has(page));
    });
    expect(missing).toEqual([]);
  });
});

function filesOfGit(): readonly string[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard'];
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 })
    .split('\n')
    .filter((path) => path !== '' && existsSync(join(ROOT, path)));
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Without fenced blocks, in which brackets are code. */
function prose(page: string): string {
  return read(page).replaceAll(/^[ \t]*```[\s\S]*?^[ \t]*```/gm, '');
}

/** Links within the repository. */
function linksOf(page: string): readonly string[] {
  const text = prose(page).replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()]/g, ' '));
  return [...text.matchAll(/\]\(([^()\s]+)\)/g)]
    .map(([, link = '']) => link)
    .filter((link) => !/^[a-z][a-z+.-]*:/i.test(link));
}

function target(page: string, link: string): { readonly path: string; readonly anchor: string | undefined } {
  const [path = '', anchor] = link.split('#', 2);
  return { path: path === '' ? page : normalize(join(dirname(page), path)), anchor };
}

function faultOf(page: string, link: string): readonly string[] {
  const { path, anchor } = target(page, link);
  if (!existsSync(join(ROOT, path))) return [`${page}: ${link} leads nowhere`];
  if (anchor === undefined || !path.endsWith('.md') || statSync(join(ROOT, path)).isDirectory()) return [];
  return anchorsOf(path).includes(anchor) ? [] : [`${page}: ${link} has no such heading`];
}

/** As GitHub makes them of headings. */
function anchorsOf(page: string): readonly string[] {
  const seen = new Map<string, number>();
  return [...prose(page).matchAll(/^#{1,6} +(.+?) *$/gm)].map(([, heading = '']) => {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = plain.replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, '').replaceAll(' ', '-');
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
}

interface Shown {
  readonly page: string;
  readonly kind: 'toml' | 'json';
  readonly text: string;
}

/** Blocks that are a configuration or, in TOML, a part of one. */
function configurationsIn(page: string): readonly Shown[] {
  const blocks = [...read(page).matchAll(/^```(toml|json)\n([\s\S]*?)^```/gm)];
  return blocks.flatMap(([, kind, text = '']): readonly Shown[] => {
    if (kind === 'toml') return /^\[+(?:gateway|servers)\b/m.test(text) ? [{ page, kind: 'toml', text }] : [];
    return text.includes('"mcpServers"') && text.includes('"agentId"') ? [{ page, kind: 'json', text }] : [];
  });
}

/** Where a command begins: of a line, behind variables, in `$( )`, after `npx`, `|`, `;` or `&&`. */
const RUN = /(?:^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*|\$\(|npx |[|;&] *|-u \S+ )gatehouse ([a-z-][^|<>#)&;]*)/g;

/** Lines of code blocks that run gatehouse, in one piece each, from the command's name on. */
function commandsIn(page: string): readonly string[] {
  const blocks = [...read(page).matchAll(/^[ \t]*```(?:sh|console|bash|shell|ini|dockerfile)\n([\s\S]*?)^[ \t]*```/gm)];
  const inline = [...prose(page).matchAll(/`(?:npx )?gatehouse ([a-z][^`\n]*)`/g)].map(([, rest = '']) => rest);
  const lines = blocks.flatMap(([, text = '']) => text.replaceAll(/\\\n\s*/g, ' ').split('\n'));
  const run = lines.flatMap((line) => [...line.matchAll(RUN)].map(([, rest = '']) => rest));
  return [...run, ...inline];
}

function faultsOfCommand(page: string, line: string): readonly string[] {
  const words = line.trim().split(/\s+/);
  const commands = commandsOf(createProgram({}, () => undefined));
  const named = commands.find((command) => {
    const name = fullName(command).split(' ');
    return name.every((part, index) => words[index] === part);
  });
  // A group by itself, such as `gatehouse token`, and a line that only shows what a process is called.
  if (named === undefined) {
    const known = commands.some((command) => fullName(command).split(' ')[0] === words[0]);
    return known || words[0] === '--help' || words[0] === '[flags]' ? [] : [`${page}: gatehouse ${line.trim()}`];
  }
  const flags = new Set([...named.options.flatMap(({ long, short }) => [long, short]), '--help', '-vv']);
  return words
    .map((word) => word.split('=', 1)[0] ?? '')
    .filter((word) => /^--?[a-z]/.test(word) && !flags.has(word))
    .map((word) => `${page}: gatehouse ${fullName(named)} has no ${word}`);
}
