import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadEnvFile } from './env-file.ts';

let path: string;
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), 'env-file-')), '.env');
});
afterEach(() => {
  rmSync(join(path, '..'), { recursive: true });
});

it('sets variables over the environment, skips comments and other lines, and replaces names', () => {
  writeFileSync(
    path,
    [
      '# comment',
      '',
      'no equals sign',
      ' ONE = a=b # c ',
      'OLD=new',
      'TWO=$ONE-${OLD}-$MISSING.',
      'EMPTY=',
      'CRLF=x\r',
    ].join('\n'),
  );
  const env: Record<string, string> = { OLD: 'old', KEPT: 'kept' };
  expect(loadEnvFile(path, env)).toEqual([]);
  expect(env).toEqual({ KEPT: 'kept', ONE: 'a=b # c', OLD: 'new', TWO: 'a=b # c-new-.', EMPTY: '', CRLF: 'x' });
});

it('warns of quotes and of names that are none, without showing a value', () => {
  writeFileSync(path, 'TOKEN="s3cr3t"\nexport OTHER=s3cr3t\n');
  const env: Record<string, string> = {};
  const warnings = loadEnvFile(path, env);
  expect(env).toEqual({ TOKEN: '"s3cr3t"' });
  expect(warnings).toEqual([
    `${path}:1: the quotes around the value of TOKEN are part of the value`,
    `${path}:2: 'export OTHER' is not the name of a variable; the line is skipped`,
  ]);
});

it('fails when there is no such file', () => {
  expect(() => loadEnvFile(path, {})).toThrow('ENOENT');
});
