import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { defaultDataDir, storeOfCommand } from './store-location.ts';
import { UsageError } from './usage-error.ts';

const DATABASE_URL = 'postgres://gatehouse@localhost/gatehouse';

function problemsOf(given: Parameters<typeof storeOfCommand>[0], env: Record<string, string>): readonly string[] {
  try {
    storeOfCommand(given, env);
    return [];
  } catch (error) {
    if (error instanceof UsageError) return error.problems;
    throw error;
  }
}

it('takes the folder from the flag, then from the variable, then where data of the user is kept', () => {
  const env = { MCP_GATEWAY_DATA_DIR: '/from/variable', XDG_DATA_HOME: '/data' };
  expect(storeOfCommand({ dataDir: '/from/flag' }, env)).toEqual({ dataDir: '/from/flag' });
  expect(storeOfCommand({}, env)).toEqual({ dataDir: '/from/variable' });
  expect(storeOfCommand({}, { XDG_DATA_HOME: '/data' })).toEqual({ dataDir: '/data/gatehouse' });
  expect(defaultDataDir({ XDG_DATA_HOME: ' ' })).toBe(join(homedir(), '.local/share/gatehouse'));
});

it('takes the key from a file or as text, never both', () => {
  expect(storeOfCommand({ dataDir: '/d', secretKeyFile: '/key' }, {})).toEqual({
    dataDir: '/d',
    key: { file: '/key' },
  });
  const env = { MCP_GATEWAY_SECRET_KEY: ' abc ', MCP_GATEWAY_DATA_DIR: '/d' };
  expect(storeOfCommand({}, env)).toEqual({ dataDir: '/d', key: { text: 'abc', name: 'MCP_GATEWAY_SECRET_KEY' } });
  const both = problemsOf({}, { ...env, MCP_GATEWAY_SECRET_KEY_FILE: '/key' });
  expect(both).toEqual(['--secret-key-file and MCP_GATEWAY_SECRET_KEY exclude each other']);
});

it('takes PostgreSQL by its URL, with a key that is given', () => {
  const env = { DATABASE_URL, MCP_GATEWAY_SECRET_KEY_FILE: '/key' };
  expect(storeOfCommand({}, env)).toEqual({ databaseUrl: DATABASE_URL, key: { file: '/key' } });
  expect(problemsOf({}, { DATABASE_URL }).join()).toMatch(/^with DATABASE_URL the key for secrets must be given/);
});

it('does not guess which of two stores is meant', () => {
  const env = { DATABASE_URL, MCP_GATEWAY_SECRET_KEY: 'abc' };
  const [problem, ...others] = problemsOf({ dataDir: '/d' }, env);
  expect(problem).toMatch(/DATABASE_URL both name a store/);
  expect(others).toEqual([]);
});
