/**
 * Every configuration in `cases/` against what is expected of it: the Config with its secrets, or every finding.
 * `UPDATE=1 npx vitest run test/config-golden` rewrites the expectations; read the difference before keeping it.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Config, Diagnostic } from '../../src/config/config.ts';
import { DEFAULT_HEALTH } from '../../src/config/health.ts';
import { loadConfig } from '../../src/config/load.ts';

const CASES = join(import.meta.dirname, 'cases');
const SCHEMAS = join(import.meta.dirname, 'schemas');
const isUpdate = process.env['UPDATE'] !== undefined;

const files = readdirSync(CASES).filter(
  (file) => /\.(?:toml|json)$/.test(file) && !/\.(?:expected|env)\.json$/.test(file),
);

describe('golden configurations', () => {
  it('are at least 80', () => {
    expect(files.length).toBeGreaterThanOrEqual(80);
  });

  it('have no expectation without a case', () => {
    const names = new Set(files.map((file) => basename(file, extname(file))));
    const orphans = readdirSync(CASES).filter(
      (file) => /\.(?:expected|env)\.json$/.test(file) && !names.has(file.replace(/\.(?:expected|env)\.json$/, '')),
    );
    expect(orphans).toEqual([]);
  });

  it.each(files.map((file) => ({ title: titleOf(file), file })))('$title', async ({ file }) => {
    const actual = await outcome(file);
    const expectation = join(CASES, `${basename(file, extname(file))}.expected.json`);
    if (isUpdate) writeFileSync(expectation, `${JSON.stringify(actual, null, 2)}\n`);
    expect(actual).toEqual(JSON.parse(readFileSync(expectation, 'utf8')));
  });
});

/** `T-CFG-004-undefined-variable.json` → `T-CFG-004 undefined variable (json)`. */
function titleOf(file: string): string {
  const name = basename(file, extname(file));
  const id = /^T-[A-Z]+-\d+/.exec(name)?.[0] ?? '';
  return `${id}${id === '' ? '' : ' '}${name.slice(id.length).replace(/^-/, '').replaceAll('-', ' ')} (${extname(file).slice(1)})`;
}

async function outcome(file: string): Promise<unknown> {
  const kind = extname(file) === '.toml' ? 'toml' : 'json';
  const result = await loadConfig({
    source: { kind, name: file, text: readFileSync(join(CASES, file), 'utf8') },
    env: environment(file),
    fetchSchema: async (url) => readFileSync(join(SCHEMAS, basename(url.pathname)), 'utf8'),
    directories: { working: '/srv/gatehouse/work', temporary: '/srv/gatehouse/tmp', home: '/srv/gatehouse/home' },
    randomId: () => '0'.repeat(64),
  });
  // Through JSON and back: undefined fields do not count.
  return JSON.parse(
    JSON.stringify(
      result.ok
        ? { config: written(result.config), warnings: result.warnings.map(brief) }
        : { errors: result.errors.map(brief), warnings: result.warnings.map(brief) },
    ),
  );
}

/** What the file says: who may see its servers is the same for all of them, and so is their health where nothing is said. */
function written({ gateway, servers }: Config): unknown {
  return {
    gateway,
    servers: servers.map(({ registration: _sameForAll, health, ...server }) => ({
      ...server,
      ...(isDeepStrictEqual(health, DEFAULT_HEALTH) ? {} : { health }),
    })),
  };
}

function environment(file: string): Record<string, string> {
  try {
    return JSON.parse(readFileSync(join(CASES, `${basename(file, extname(file))}.env.json`), 'utf8')) as Record<
      string,
      string
    >;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return {};
    throw cause;
  }
}

function brief({ path, line, column, message, suggestion }: Diagnostic): Omit<Diagnostic, 'severity'> {
  return {
    path,
    ...(line === undefined ? {} : { line }),
    ...(column === undefined ? {} : { column }),
    message,
    suggestion,
  };
}
